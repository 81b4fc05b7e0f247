"""Check what a release would upload: `make release-check`.

Clones the last commit, builds the source archive and from it the wheel, and deletes the clone. Then the version, the
metadata and the wheel's size are checked, the wheel is installed into a fresh virtual environment, and the demo runs
there. Both files are left in `--out`.

    python .ci/release_check.py [--tag v0.1.0] [--out dist]

Needs `build` and `twine`. With `--tag` the version must be the tag's, and CHANGELOG.md must date it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
WHEEL_LIMIT_BYTES = 20_000_000
"""Most bytes of the wheel; the index takes 100 MB. Without onnxruntime-web, which is no part of a release."""
DEMO_FILES = ("annotated.mp4", "report.json")
"""Files that the demo writes, among others."""


class ReleaseError(Exception):
    """A check failed. The message says which, and what to do."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Build and check, one line for each step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tag", help="tag of the release, such as v0.1.0")
    parser.add_argument(
        "--out", type=Path, default=REPO / "dist", help="folder for both files (default: dist)"
    )
    args = parser.parse_args(arguments)
    if run(["git", "status", "--porcelain"], cwd=REPO).strip():
        print("note: changes that are not committed are no part of what is checked")
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder), args.out)
        version = check_version(wheel, REPO, args.tag)
        print(f"version {version}")
        print(
            run([sys.executable, "-m", "twine", "check", "--strict", *map(str, args.out.iterdir())]).strip()
        )
        print(f"{wheel.name}: {check_size(wheel):,} bytes, limit {WHEEL_LIMIT_BYTES:,}")
        check_installed(wheel, version, Path(folder))
    print(f"the demo runs from the wheel; both files are in {args.out}")


def build(folder: Path, out: Path) -> Path:
    """Build both files from a clone in `folder` that is deleted afterwards; return the wheel."""
    clone = folder / "clone"
    run(["git", "clone", "--quiet", str(REPO), str(clone)])
    shutil.rmtree(out, ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", str(out), str(clone)])
    shutil.rmtree(clone)
    names = sorted(path.name for path in out.iterdir())
    if [name.endswith(".whl") for name in names] != [True, False] or not names[1].endswith(".tar.gz"):
        raise ReleaseError(f"a wheel and a source archive were expected in {out}; found {', '.join(names)}")
    return out / names[0]


def check_version(wheel: Path, repo: Path, tag: str | None) -> str:
    """Return the version, after comparing wheel, source, changelogs and tag."""
    source = (repo / "sam_edge" / "version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if wheel.name.split("-")[1] != version:
        raise ReleaseError(f"{wheel.name} is not of version {version}, which sam_edge/version.py states")
    heading = re.search(
        rf"^## {re.escape(version)} - (.+)$", (repo / "CHANGELOG.md").read_text("utf-8"), re.M
    )
    if heading is None:
        raise ReleaseError(f"CHANGELOG.md has no heading '## {version} - DATE'")
    if tag is not None and tag != f"v{version}":
        raise ReleaseError(f"--tag {tag}: sam_edge/version.py states {version}; the tag is v{version}")
    if tag is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading[1]):
        raise ReleaseError(f"CHANGELOG.md says '{heading[0]}'; give the day as YYYY-MM-DD")
    return version


def check_size(wheel: Path) -> int:
    """Return the wheel's size in bytes, if it is within the limit."""
    size = wheel.stat().st_size
    if size > WHEEL_LIMIT_BYTES:
        raise ReleaseError(f"{wheel.name} has {size:,} bytes; the limit is {WHEEL_LIMIT_BYTES:,}")
    return size


def check_installed(wheel: Path, version: str, folder: Path) -> None:
    """Install the wheel alone into a fresh environment in `folder`, and run the demo there."""
    home = folder / "installed"
    venv.create(home, with_pip=True)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = str(scripts / "python")
    run([python, "-m", "pip", "install", "--quiet", str(wheel)], cwd=folder)
    place = run([python, "-I", "-c", "import sam_edge; print(sam_edge.__file__)"], cwd=folder).strip()
    if not Path(place).resolve().is_relative_to(home.resolve()):
        raise ReleaseError(f"sam_edge is imported from {place}, not from the wheel")
    if version not in run([str(scripts / "sam-edge"), "--version"], cwd=folder):
        raise ReleaseError(f"sam-edge --version does not say {version}")
    run([str(scripts / "sam-edge"), "demo", "--out", str(folder / "demo")], cwd=folder)
    for name in DEMO_FILES:
        if not (folder / "demo" / name).is_file():
            raise ReleaseError(f"the demo wrote no {name}")


def run(command: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run a command without the sources on Python's path; return what it printed, or say why it failed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(f"release-check: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
