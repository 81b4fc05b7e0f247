"""Frames, dwells and masks for the tests of the data engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.annotate import Annotation, Annotator, Journal, SeekableVideo
from sam_edge.everything import GeneratedMask
from sam_edge.gaze.events import Fixation
from sam_edge.gaze.events.types import EventKind, Phase
from sam_edge.masks import Rle
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter

SOURCE = {"video": "clip", "gaze": "gaze.csv", "samples": 3}
FPS = 10.0


def make_dwell(frame: int, x: float, y: float, *, kind: EventKind = EventKind.FIXATION) -> Fixation:
    """A dwell of 300 ms whose middle is shown by a frame of `FPS`; no two begin together."""
    onset_ns = int((frame + 0.5) * 1e9 / FPS) - 150_000_000 + int(x)
    return Fixation(7, kind, Phase.END, onset_ns, onset_ns + 300_000_000, x, y, (1.0, 0.0, 1.0), 60)


def make_rectangle(
    x0: int, y0: int, x1: int, y1: int, *, size: tuple[int, int] = (300, 400)
) -> GeneratedMask:
    """A rectangle."""
    mask = np.zeros(size, np.bool_)
    mask[y0:y1, x0:x1] = True
    box = (float(x0), float(y0), float(x1 - x0), float(y1 - y0))
    crop = (0.0, 0.0, float(size[1]), float(size[0]))
    return GeneratedMask(Rle.from_mask(mask), int(mask.sum()), box, 0.9, ((x0 + 1.0, y0 + 1.0),), 0.95, crop)


@pytest.fixture
def dwell() -> Callable[..., Fixation]:
    """Make a dwell."""
    return make_dwell


@pytest.fixture
def rectangle() -> Callable[..., GeneratedMask]:
    """Make a mask as `generate_masks` returns it."""
    return make_rectangle


@pytest.fixture
def annotation() -> Callable[..., Annotation]:
    """Make an annotation."""

    def make(stem: str = "00000", index: int = 0, *, category: str = "object") -> Annotation:
        return Annotation(
            stem, index, "assisted", make_rectangle(5, 6, 20, 30), "accepted", {"model": "fake"}, category
        )

    return make


@pytest.fixture
def source() -> dict[str, object]:
    """The description of video and gaze in the journal."""
    return dict(SOURCE)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of five frames, 400x300."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(5):
        cv2.imwrite(str(folder / f"{index:05d}.png"), np.full((300, 400, 3), 90 + index, np.uint8))
    return folder


@pytest.fixture
def start_annotator(frames: Path, tmp_path: Path) -> Iterator[Callable[..., Annotator]]:
    """Open an annotator in `tmp_path/set` as a new program would, after closing the last one."""
    opened: list[Annotator] = []

    def close() -> None:
        while opened:
            last = opened.pop()
            last.journal.close()
            last.video.close()

    def start(*dwells: Fixation, stride: int = 100, **options: object) -> Annotator:
        close()
        annotator = Annotator(
            Segmenter(Fake()),
            Journal(tmp_path / "set", SOURCE),
            SeekableVideo(frames, fps=FPS),
            dwells,
            stride=stride,
            size=(224, 224),
            provenance={"model": "fake"},
            **options,  # type: ignore[arg-type]
        )
        opened.append(annotator)
        return annotator

    yield start
    close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of twelve frames with a disc, 128x96."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(12):
        image = np.full((96, 128, 3), 40, np.uint8)
        cv2.circle(image, (40, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)
    return folder


@pytest.fixture
def gaze(tmp_path: Path) -> Path:
    """Gaze that rests on the disc for half a second."""
    rows = [f"{index / 200:.4f},40,48,1.0" for index in range(100)]
    path = tmp_path / "gaze.csv"
    path.write_text("\n".join(["timestamp_s,x_px,y_px,confidence", *rows]) + "\n")
    return path
