"""Running an example as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sam_edge.media.screen import SCREEN_VARIABLES

RunExample = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_example(repo_dir: Path) -> RunExample:
    """Run an example in a process without a screen; modules in the folder `modules` are found first."""

    def run(
        example: str, *arguments: object, modules: Path | None = None, display: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in SCREEN_VARIABLES}
        environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (modules, repo_dir) if path)
        return subprocess.run(
            [sys.executable, str(repo_dir / "examples" / f"{example}.py"), *map(str, arguments)],
            env=environment | ({"DISPLAY": display} if display else {}),
            capture_output=True,
            text=True,
            check=False,
        )

    return run
