"""Write masks as a folder of PNG files. The folder appears when all of them are written."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError
from sam_edge.media.atomic import make_parent, partial_path, remove_empty, replace_folder, write_error
from sam_edge.media.png import encode_png, is_written_by_sam_edge


class MaskFolderWriter:
    """Writes one 8-bit PNG a frame, 255 on the selection, into a folder that appears when all are written.

    A folder of that name is replaced when it is empty or holds nothing but PNG files that sam-edge wrote;
    anything else is refused, so that no file of yours is lost. A context manager: leaving it with an
    exception leaves everything as it was.
    """

    def __init__(self, folder: str | Path) -> None:
        """Write to `folder`. Raises `MediaError` when something that may not be replaced stands there."""
        self._folder = Path(folder).resolve()
        self._stems: set[str] = set()
        self._size: tuple[int, ...] | None = None
        _check_replaceable(self._folder)
        self._part = partial_path(self._folder)
        self._parents: list[Path] = []

    def __enter__(self) -> MaskFolderWriter:
        self._parents = make_parent(self._folder)
        try:
            self._part.mkdir()
        except OSError as error:
            remove_empty(self._parents)
            raise write_error(self._folder, error) from error
        return self

    def write(self, stem: str, mask: NDArray[np.bool_]) -> None:
        """Write the mask (H, W), bool, of the frame called `stem` as `<stem>.png`.

        Raises `MediaError` when the name was used before, the mask is not bool (H, W) of the size of those
        before it, or the disk is full.
        """
        if not stem or "/" in stem or "\\" in stem or stem in self._stems:
            raise MediaError(f"stem is {stem!r}; accepted: a file name that no frame before it has")
        if mask.dtype != np.bool_ or mask.ndim != 2 or (self._size or mask.shape) != mask.shape:
            wanted = "(H, W)" if self._size is None else self._size
            raise MediaError(f"mask of {stem} is {mask.dtype} {mask.shape}; accepted: bool {wanted}")
        self._size = mask.shape
        self._stems.add(stem)
        try:
            (self._part / f"{stem}.png").write_bytes(encode_png(mask))
        except OSError as error:
            raise write_error(self._folder, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                _check_replaceable(self._folder)
                replace_folder(self._part, self._folder)
        except OSError as problem:
            raise write_error(self._folder, problem) from problem
        finally:
            shutil.rmtree(self._part, ignore_errors=True)
            remove_empty(self._parents)


def _check_replaceable(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise MediaError(f"{folder}: is a file; give the name of a folder")
    try:
        foreign = next(
            (f for f in sorted(folder.iterdir()) if not (f.is_file() and is_written_by_sam_edge(f))), None
        )
    except OSError as error:
        raise write_error(folder, error) from error
    if foreign is not None:
        raise MediaError(
            f"{folder}: holds {foreign.name}, which sam-edge did not write; only an earlier result is replaced: "
            "give another folder, or empty this one"
        )
