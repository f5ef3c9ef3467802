"""An application that says something and cannot be imported."""

# ruff: noqa: T201
from __future__ import annotations

import os

with open(os.environ["ATTEMPTS"], "a") as file:
    file.write("x")
print("looking for the configuration")
raise LookupError("no configuration")
