"""An application that starts a helper process while it is imported."""

from __future__ import annotations

import os
import subprocess

from stand_in import App

app = App()
helper = subprocess.Popen(["sleep", "1000"])


@app.job
def helper_lives():
    return {"pid": os.getpid(), "helper": helper.pid, "lives": helper.poll() is None}


@app.job
def leaves_child():
    child = subprocess.Popen(["sleep", "60"])
    return child.pid
