"""Frames from a folder of images."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

from sam_edge.errors import MediaError
from sam_edge.media.frame_reader import FrameReader, VideoFrame
from sam_edge.media.frame_times import FrameTimes, choose_times, times_at_rate
from sam_edge.media.images import IMAGE_SUFFIXES, ImageNotes, read_image
from sam_edge.media.pixels import ValueRange

FOLDER_FPS = 24.0
"""Frames a second of a folder of images, unless another rate or frame times are given."""


def open_folder(
    folder: Path,
    *,
    fps: float | None = None,
    recorded_ns: Sequence[int] = (),
    value_range: ValueRange | None = None,
) -> FrameReader:
    """Open the images of a folder as frames, in the natural order of their names; see `open_frames` for their times.

    Raises:
        MediaError: the folder cannot be read, holds no images, holds two images of one stem, or `recorded_ns` does not
            fit their number.
    """
    files = list_images(folder)
    name = folder.resolve().name
    if len(recorded_ns):
        times = choose_times(name, count=len(files), own=None, fps=fps, recorded_ns=recorded_ns)
    else:
        times = times_at_rate(len(files), FOLDER_FPS if fps is None else float(fps))
    return FrameReader(partial(_read_files, files, times, value_range), name=name, times=times)


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in the natural order of their names. Raises `MediaError` as `open_folder`."""
    try:
        files = [file for file in folder.iterdir() if _is_image_name(file) and file.is_file()]
    except OSError as error:
        raise MediaError(f"{folder}: the folder cannot be read ({error.strerror or error})") from error
    if not files:
        raise MediaError(
            f"{folder}: holds no images; accepted: {', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)}"
        )
    files.sort(key=_natural_key)
    name_of_stem: dict[str, str] = {}
    for file in files:
        if file.stem in name_of_stem:
            raise MediaError(
                f"{folder}: {name_of_stem[file.stem]} and {file.name} are both frame {file.stem!r}; keep one of them"
            )
        name_of_stem[file.stem] = file.name
    return files


def _read_files(
    files: list[Path], times: FrameTimes, value_range: ValueRange | None, first: int
) -> Generator[VideoFrame, None, None]:
    notes = ImageNotes()
    for index, file in enumerate(files[first : len(times)], first):
        image = read_image(file, value_range=value_range, notes=notes)
        yield VideoFrame(index, file.stem, *times.interval(index), image)


def _is_image_name(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")


def _natural_key(file: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """Return a sort key that compares the digits of a name as numbers."""
    parts = re.findall(r"\d+|\D+", file.stem)
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts], file.name
