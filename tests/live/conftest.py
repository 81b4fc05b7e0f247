"""Makes the fake trackers of the gaze adapters' tests importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "gaze" / "adapters"))
