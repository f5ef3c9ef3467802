"""An application that cannot be imported."""

from __future__ import annotations

import time

time.sleep(600)
