"""The fake trackers of the gaze adapters' tests, with a scene camera each."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "gaze" / "adapters"))
