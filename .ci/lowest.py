"""Run the core tests against the lowest versions that pyproject.toml allows: `make lowest`.

    python .ci/lowest.py [--extras gaze,serve] [--torch] [-- PYTEST OPTIONS]

uv installs each direct dependency in its lowest version, and what these need in the newest, into `.venv-lowest`.
`--torch` adds the extra `export`, in torch's build without CUDA.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
HOME = REPO / ".venv-lowest"
EXTRAS = "openvino,gaze,serve,embeddings,supervision,opentelemetry,tables,rerun,test"
TESTS = (
    *(
        "core",
        "masks",
        "media",
        "predictor",
        "runtimes",
        "stream",
        "track",
        "gaze",
        "timeline",
        "wire",
        "client",
    ),
    *("pointcloud", "identity", "follow", "gaze_video", "aoi", "serve", "cli", "packaging"),
)
"""Folders of `tests` that the core is tested by."""
LEFT_OUT = "not slow and not browser and not weights and not shared"


def main() -> int:
    """Install, then test; return pytest's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extras", default=EXTRAS, help=f"extras to install (default: {EXTRAS})")
    parser.add_argument("--torch", action="store_true", help="install the extra `export`, too")
    parser.add_argument("pytest", nargs="*", help="options for pytest")
    args = parser.parse_args()
    extras = args.extras + (",export" if args.torch else "")
    uv = [sys.executable, "-m", "uv"]
    environment = os.environ | {"VIRTUAL_ENV": str(HOME), "PYTHONPATH": str(REPO)}
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)], check=True)
    install = [*uv, "pip", "install", "--resolution", "lowest-direct", "-e", f"{REPO}[{extras}]"]
    subprocess.run(
        [*install, *(["--torch-backend", "cpu"] if args.torch else [])], env=environment, check=True
    )
    python = HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
    folders = [f"tests/{name}" for name in TESTS]
    command = [str(python), "-m", "pytest", "-q", "-m", LEFT_OUT, *args.pytest, *folders]
    return subprocess.run(command, cwd=REPO, env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"lowest: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
