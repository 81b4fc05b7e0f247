"""Python programs that benchmarks run: the command line and scripts."""

from __future__ import annotations

import subprocess
import sys


def run_python(*arguments: object) -> str:
    """Run Python with these arguments, and return what it printed."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
