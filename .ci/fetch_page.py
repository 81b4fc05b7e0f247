"""Bring what the page needs and the repository does not hold: onnxruntime-web, from npm, into the page's folder.

    python .ci/fetch_page.py [--to FOLDER] [--no-webgpu]

One pinned version, checked against npm's own integrity hash before anything is unpacked. A wheel that is built
afterwards holds the files, so that the page asks nobody but its own server. Needs nothing but Python and npm.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
DEFAULT_FOLDER = REPO / "sam_edge" / "serve" / "page" / "vendor"
PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package, base64, as npm's registry gives it."""
WASM = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = (
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
STAMP = "VERSION.txt"
NOTE = f"""{PACKAGE} {VERSION}
https://www.npmjs.com/package/{PACKAGE}/v/{VERSION}
Copyright (c) Microsoft Corporation. MIT License.
"""


class FetchError(Exception):
    """The package could not be brought, or is not the one expected."""


def pack(work: Path) -> Path:
    """Let npm download the package into `work`.

    Raises:
        FetchError: npm is missing or failed, or the package is another one.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("npm is not installed")
    command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    archive = work / f"{PACKAGE}-{VERSION}.tgz"
    if done.returncode != 0 or not archive.is_file():
        raise FetchError(f"{' '.join(command)}\n{done.stdout}{done.stderr}".strip())
    got = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if got != SHA512:
        raise FetchError(f"{archive.name} has sha512 {got}, expected {SHA512}")
    return archive


def unpack(archive: Path, names: tuple[str, ...], folder: Path) -> None:
    """Write the named files of the package's `dist` into `folder`.

    Raises:
        FetchError: the package lacks one.
    """
    with tarfile.open(archive) as opened:
        for name in names:
            try:
                content = opened.extractfile(f"package/dist/{name}")
            except KeyError as error:
                raise FetchError(f"{archive.name} holds no {name}") from error
            if content is None:
                raise FetchError(f"{archive.name}: {name} is no file")
            with (folder / name).open("wb") as handle:
                shutil.copyfileobj(content, handle)
    (folder / STAMP).write_text(NOTE, encoding="utf-8")


def is_there(folder: Path, names: tuple[str, ...]) -> bool:
    """Whether the files of this version are there already."""
    stamp = folder / STAMP
    return (
        stamp.is_file()
        and stamp.read_text(encoding="utf-8") == NOTE
        and all((folder / name).is_file() for name in names)
    )


def fetch(folder: Path, names: tuple[str, ...]) -> None:
    """Bring the files, whole or not at all.

    Raises:
        FetchError: they could not be brought.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, so that the last step is a rename on one disk.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as work:
        made = Path(work) / "vendor"
        made.mkdir()
        unpack(pack(Path(work)), names, made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def main() -> int:
    """Fetch unless it is there. Returns 0, or 1 when it could not be brought."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=DEFAULT_FOLDER, help="folder; what is in it is replaced")
    parser.add_argument("--no-webgpu", action="store_true", help="leave out the 27 MB for WebGPU")
    arguments = parser.parse_args()
    names = WASM if arguments.no_webgpu else WASM + WEBGPU
    folder = arguments.to.resolve()
    try:
        if not is_there(folder, names):
            fetch(folder, names)
    except FetchError as error:
        sys.stderr.write(f"{PACKAGE}: {error}\n")
        return 1
    sys.stdout.write(f"{PACKAGE} {VERSION}: there\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
