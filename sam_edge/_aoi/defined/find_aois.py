"""From what a person defined to masks on the frames of a recording."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.defined.definition import AoiPicture, DefinedAoi, FrameSpot, read_mask
from sam_edge._aoi.defined.mask_store import MaskStore
from sam_edge._aoi.defined.picture_search import FOUND_SCORE, PictureSearch, search_pictures
from sam_edge._aoi.defined.sweep import Followed, Sweep, to_frame_mask
from sam_edge.errors import InputError, SamEdgeWarning
from sam_edge.identity.known_views import KnownViews
from sam_edge.media.frame_reader import FrameReader, VideoFrame
from sam_edge.media.progress import ProgressBar
from sam_edge.segmenter import Segmenter
from sam_edge.stream.candidate import CLIP


@dataclass(frozen=True, slots=True, eq=False)
class FoundAois:
    """Where defined AOIs are. Close `masks` after use."""

    names: tuple[str, ...]
    """Their names, in order."""
    masks: MaskStore
    """The mask of each on every frame where it is visible."""
    warnings: tuple[str, ...]
    """What was found nowhere, and how near it came."""


def check_definitions(aois: Sequence[DefinedAoi], reader: FrameReader) -> None:
    """Compare definitions with the recording, and read their files, before the work starts.

    Raises:
        InputError: a frame, a time, a place or a mask does not fit the recording.
        MediaError: a picture cannot be read.
    """
    for aoi in aois:
        for picture in aoi.pictures:
            AoiPicture.read(picture)
        if aoi.spot is not None:
            _frame_of(aoi.name, aoi.spot, reader)
            _check_place(aoi.name, aoi.spot, reader.size)


def find_aois(
    aois: Sequence[DefinedAoi], reader: FrameReader, model: Segmenter, *, progress: bool = False
) -> FoundAois:
    """Find AOIs on all frames of a recording.

    Args:
        aois: what `check_definitions` accepts.
        reader: of the video; it stays where it is.
        model: makes masks.
        progress: show progress bars on stderr.

    Raises:
        MediaError: a frame cannot be read.
        EngineError: the engine failed.
    """
    known = [KnownViews() for _ in aois]
    messages: list[str] = []
    starts: dict[int, tuple[int, NDArray[np.bool_] | FrameSpot]] = {
        number: (_frame_of(aoi.name, aoi.spot, reader), aoi.spot)
        for number, aoi in enumerate(aois)
        if aoi.spot is not None
    }
    for number, search in _search(aois, known, reader, model, progress=progress).items():
        if search.best is None or search.best.score < FOUND_SCORE:
            messages.append(_not_found(aois[number].name, search))
            continue
        logits = np.where(search.best.mask, CLIP, -CLIP).astype(np.float32)
        starts[number] = search.best.frame, to_frame_mask(logits, reader.size)
    store = MaskStore(len(aois), reader.count)
    followed = [
        Followed(number, frame, given, known[number]) for number, (frame, given) in sorted(starts.items())
    ]
    if followed:
        _sweep_once(followed, store, reader, model, progress=progress)
    messages += [
        f"aois: {aoi.name!r}: nothing was found at its place on frame {starts[number][0]}; give a mask or a larger box"
        for number, aoi in enumerate(aois)
        if number in starts and not store.visible[number].any()
    ]
    for message in messages:
        warnings.warn(message, SamEdgeWarning, stacklevel=3)
    return FoundAois(tuple(aoi.name for aoi in aois), store, tuple(messages))


def _search(
    aois: Sequence[DefinedAoi],
    known: Sequence[KnownViews],
    reader: FrameReader,
    model: Segmenter,
    *,
    progress: bool,
) -> dict[int, PictureSearch]:
    searches = {
        number: PictureSearch(model, [AoiPicture.read(path) for path in aoi.pictures], known[number])
        for number, aoi in enumerate(aois)
        if aoi.pictures
    }
    if searches:
        with reader.reopen() as frames, _bar(reader.count, "search pictures", progress) as bar:
            search_pictures(_counted(frames, bar), list(searches.values()), fps=reader.fps)
    return searches


def _sweep_once(
    followed: list[Followed], store: MaskStore, reader: FrameReader, model: Segmenter, *, progress: bool
) -> None:
    """Learn how each AOI looks where it is given, then look for all of them on every frame."""
    sweep = Sweep(model, followed, store, fps=reader.fps)
    for start in sorted({aoi.start for aoi in followed}):
        with reader.reopen(start) as frames:
            sweep.learn_given(next(frames))
    with _bar(reader.count, "find AOIs", progress) as bar, reader.reopen() as frames:
        sweep.run(_counted(frames, bar))


def _counted(frames: Iterator[VideoFrame], bar: ProgressBar) -> Iterator[VideoFrame]:
    for frame in frames:
        yield frame
        bar.advance()


def _bar(count: int, label: str, progress: bool) -> ProgressBar:
    return ProgressBar(count, label=label, unit="frames", silent=not progress)


def _not_found(name: str, search: PictureSearch) -> str:
    came = (
        "nothing on any frame looked like it"
        if search.best is None
        else f"the nearest was frame {search.best.frame} with a score of {search.best.score:.1f}, and {FOUND_SCORE:g} "
        "counts as found"
    )
    return f"aois: {name!r}: its picture was found nowhere; {came}; give another picture, or its place on a frame"


def _frame_of(name: str, spot: FrameSpot, reader: FrameReader) -> int:
    if spot.frame is not None:
        if spot.frame >= reader.count:
            raise InputError(
                f"aois: {name!r}: frame: {spot.frame}; accepted: 0 to {reader.count - 1}, the frames of the recording"
            )
        return spot.frame
    time_ns = round((spot.time_s or 0.0) * 1e9)
    if time_ns >= reader.times.end_ns:
        raise InputError(
            f"aois: {name!r}: time_s: {spot.time_s:g}; accepted: below {reader.times.end_ns / 1e9:.3f}, where the "
            "recording ends"
        )
    return int(np.searchsorted(reader.times.begin_ns, time_ns, side="right")) - 1


def _check_place(name: str, spot: FrameSpot, size: tuple[int, int]) -> None:
    height, width = size
    if spot.mask is not None:
        mask = read_mask(spot.mask)
        if mask.shape != size:
            raise InputError(
                f"aois: {name!r}: mask: {spot.mask} is {mask.shape[1]}x{mask.shape[0]}; accepted: {width}x{height}, "
                "the size of the frames"
            )
        if not mask.any():
            raise InputError(
                f"aois: {name!r}: mask: {spot.mask} is black all over; give one that is white on the AOI"
            )
    corners = [] if spot.box is None else [spot.box[:2], spot.box[2:]]
    for x, y in (*corners, *spot.points):
        if not (0 <= x <= width and 0 <= y <= height):
            field = "box" if spot.box is not None else "points"
            raise InputError(
                f"aois: {name!r}: {field}: ({x:g}, {y:g}) lies outside the frame; accepted: 0 to {width}, 0 to {height}"
            )
