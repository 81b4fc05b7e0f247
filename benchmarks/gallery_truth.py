"""The truth about a simulated head-mounted recording: which objects are looked at, from when until when.

A gallery is a folder that gallery.py makes. `input/` is for the program under test: `frames/00000.jpg ...` and
`gaze.csv`. `truth/00000.png ...` are label images, in which a pixel is the number of the visible object, from 1 on, and
0 elsewhere. `truth.json` holds what this module reads and writes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]
"""A label image (H, W)."""
FILE = "truth.json"


@dataclass(frozen=True, slots=True)
class Visit:
    """The time for which the eye stays with one object."""

    thing: int
    """Number of the object, from 1 on."""
    start_s: float
    """When gaze lands on it, seconds after the first frame."""
    end_s: float
    """When the eye leaves for the next object."""

    @property
    def length_s(self) -> float:
        """From landing to leaving, seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class EyeMovement:
    """One true movement of the eyes."""

    kind: str
    """`saccade`, `on_object`, `elsewhere` (a fixation on no object) or `blink`."""
    thing: int
    """Number of the object that is fixated; 0 for none."""
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class GalleryTruth:
    """What a gallery shows, and what is looked at in it."""

    fps: float
    """Frames a second."""
    things: Sequence[str]
    """Names of the objects; the first one has number 1."""
    visits: Sequence[Visit]
    """Visits on which gaze lands, in the order of time."""
    events: Sequence[EyeMovement]
    """All movements of the eyes, in the order of time."""
    seed: int
    """Seed of the random numbers."""

    def write(self, gallery: Path) -> None:
        """Write it into the folder of a gallery."""
        (gallery / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, gallery: Path) -> GalleryTruth:
        """Read it from the folder of a gallery."""
        content = json.loads((gallery / FILE).read_text(encoding="utf-8"))
        events = [
            EyeMovement(item["kind"], item.get("thing", 0), item["start_s"], item["end_s"])
            for item in content["events"]
        ]
        visits = [Visit(**item) for item in content["visits"]]
        return cls(content["fps"], content["things"], visits, events, content["seed"])


def read_labels(path: Path) -> Labels:
    """Read a label image. Raises `SystemExit` where it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise SystemExit(f"{path} cannot be read as an image")
    return np.asarray(image, np.uint8)
