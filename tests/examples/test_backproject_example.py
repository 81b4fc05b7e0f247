"""The back-projection example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np


def test_the_box_on_the_table_is_measured(repo_dir: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(repo_dir / "examples" / "backproject_to_3d.py"),
            "--out",
            str(tmp_path / "cloud.png"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sides = re.search(r"box ([\d.]+) x ([\d.]+) x ([\d.]+) m", done.stdout)
    assert sides is not None
    for found, wanted in zip(sides.groups(), (0.40, 0.30, 0.20), strict=True):
        assert abs(float(found) - wanted) < 0.03
    assert np.asarray(cv2.imread(str(tmp_path / "cloud.png"))).shape == (480, 1120, 3)
    for ending in ("ply", "glb"):
        assert (tmp_path / f"cloud.{ending}").stat().st_size > 10_000
