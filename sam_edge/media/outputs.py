"""Check outputs before the work: that each can be written, and that none is an input or another output."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sam_edge.errors import InputError, MediaError
from sam_edge.media.atomic import is_device, parent_folder, partial_path, write_error


@dataclass(frozen=True, slots=True)
class Output:
    """A file or folder that is going to be written."""

    name: str
    """The argument or option, for messages."""
    path: Path | None
    """None: nothing is written."""
    kind: Literal["file", "folder", "whole folder"] = "file"
    """`folder`: files are put into it; `whole folder`: it is written next to its name, and moved there."""
    endings: tuple[str, ...] = ()
    """Accepted endings of the file's name, in lower case; empty: any."""


@contextmanager
def prepare_outputs(*outputs: Output, inputs: Mapping[str, Path | None] | None = None) -> Iterator[None]:
    """Check that every output can be written, and make the folders above it; the work is the block.

    At the end of the block, folders that were made and are still empty are removed.

    Args:
        outputs: what is going to be written.
        inputs: paths that are read, by the name of their argument or option.

    Example:
        >>> with prepare_outputs(Output("--out", args.out), inputs={"--image": args.image}):
        ...     write_png(args.out, segment(args.image))

    Raises:
        InputError: an output is an input or another output, or lies in a folder that is written whole.
        MediaError: an output cannot be written.
    """
    _check_outside_whole_folders(outputs)
    taken = {path.resolve(): name for name, path in (inputs or {}).items() if path is not None}
    with ExitStack() as folders:
        for output in outputs:
            if output.path is None:
                continue
            other = taken.setdefault(output.path.resolve(), output.name)
            if other != output.name:
                raise InputError(f"{output.name}: {output.path} is also {other}; give another path")
            try:
                _check_kind(output.path, output)
                folders.enter_context(parent_folder(output.path))
                _check_writable(output.path, output)
            except MediaError as error:
                raise MediaError(f"{output.name}: {error}") from error
        yield


def _check_outside_whole_folders(outputs: Sequence[Output]) -> None:
    """Refuse an output in a folder that another output replaces as a whole: it would be lost, or stand in its way."""
    whole = [
        (output, output.path.resolve()) for output in outputs if output.path and output.kind == "whole folder"
    ]
    for output in outputs:
        for folder, path in whole:
            if output.path is not None and path in output.path.resolve().parents:
                raise InputError(
                    f"{output.name}: {output.path} lies in {folder.name} ({folder.path}), a folder that is written as "
                    "a whole; give a path outside it"
                )


def _check_kind(path: Path, output: Output) -> None:
    is_folder = output.kind != "file"
    if path.exists() and path.is_dir() != is_folder:
        found, wanted = ("file", "folder") if is_folder else ("folder", "file")
        raise MediaError(f"{path}: is a {found}; give the name of a {wanted}")
    if output.endings and path.suffix.lower() not in output.endings:
        raise MediaError(f"{path}: ends in {path.suffix!r}; accepted: {', '.join(output.endings)}")


def _check_writable(path: Path, output: Output) -> None:
    """Write an empty file where the output will be written, and remove it."""
    if is_device(path):
        if not os.access(path, os.W_OK):
            raise MediaError(f"{path}: cannot be written (Permission denied)")
        return
    inside = output.kind == "folder" and path.exists()
    part = path / partial_path(path).name if inside else partial_path(path)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise write_error(path, error) from error
