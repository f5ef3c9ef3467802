"""An application that cannot be imported."""

from __future__ import annotations

import sys

sys.exit(0)
