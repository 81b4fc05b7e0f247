"""The fake trackers and cameras of other tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scene"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "gaze" / "adapters"))
