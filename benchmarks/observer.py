"""A simulated observer: the gaze of a person who follows one object of a video, with a tracker's error.

    python benchmarks/observer.py MASKS OUT.csv [--fps 24] [--rate 200] [--seed 0] [--px-per-deg 15]
                                  [--accuracy-deg 0.5] [--no-covariance]

MASKS is a folder with one mask image a frame, not zero on the object. The person looks elsewhere first, then rests the
gaze on the object in one place after another, follows its motion, glances away for a moment in one of ten cases, and
blinks. A tracker's error is added: an offset that stays for the whole recording, noise of every sample, and a slow
drift.

OUT.csv is a gaze CSV of sam-edge. Its covariance columns state the error's expected size, as a calibrated tracker does;
`--no-covariance` leaves them out. OUT.csv.truth.json is for scoring alone: when gaze first rests on the object, the
true movements, and the offset.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

from sam_edge.gaze.recordings import plain
from sam_edge.gaze.samples import GazeSample

Mask = NDArray[np.bool_]
Point = NDArray[np.float64]
Course = Callable[[float], Point]
"""Where gaze is at a time, pixels."""

FIRST_HOLD_S, GLANCE_S, GLANCES = 0.40, 0.22, 0.10
"""Length of the first fixation, which is off the object; of a glance; share of fixations that are glances."""
HOLD_MEDIAN_S, HOLD_SIGMA, HOLD_RANGE_S = 0.32, 0.4, (0.12, 1.2)
"""Fixations on the object: log-normal, clipped."""
PURSUIT_GAIN, PURSUIT_LAG_S = 0.95, 0.06
"""The eye makes this share of the object's motion, this much later."""
BLINK_S, FIRST_BLINK_S, BLINK_GAP_S = 0.15, (0.8, 2.2), (2.0, 5.0)
"""Length of a blink, when the first one comes, and the time from one to the next."""
PRECISION_DEG, DRIFT_STEP_DEG = 0.12, 0.004
"""Standard deviations of a sample's noise and of the drift's step from sample to sample."""
START_DEG = 2.0
"""Gaze begins this far from the centre of the frame: standard deviation along each axis."""


@dataclass(frozen=True)
class Movement:
    """One thing the eyes did."""

    kind: str
    """`saccade`, `fixation` (off the object), `on_object` or `blink`."""
    start_s: float
    """When it began, seconds after the first frame."""
    end_s: float
    """When it ended."""


@dataclass(frozen=True)
class Tracker:
    """How a tracker errs; degrees along each axis."""

    px_per_deg: float = 15.0
    """Frame pixels in a degree."""
    accuracy_deg: float = 0.5
    """Standard deviation of the offset that a recording has."""

    @property
    def variance_px2(self) -> float:
        """The expected square of the error along each axis, offset and noise together, square pixels."""
        return float((self.accuracy_deg**2 + PRECISION_DEG**2) * self.px_per_deg**2)

    def offset_px(self, rng: np.random.Generator) -> Point:
        """Draw a recording's offset."""
        return rng.normal(0.0, self.accuracy_deg * self.px_per_deg, 2)

    def jitter_px(self, count: int, rng: np.random.Generator) -> Point:
        """Draw noise and drift of `count` samples: (count, 2) pixels."""
        noise = rng.normal(0.0, PRECISION_DEG, (count, 2))
        drift = np.cumsum(rng.normal(0.0, DRIFT_STEP_DEG, (count, 2)), axis=0)
        return np.asarray((noise + drift - drift.mean(axis=0)) * self.px_per_deg)


class MaskSequence(Protocol):
    """Masks of one object, one a frame: an array, or read when they are needed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, H, W)."""
        ...

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, frame: int, /) -> Mask:
        """Return the mask of a frame: (H, W)."""
        ...


class Scene:
    """A video's masks of one object, over time."""

    def __init__(self, masks: MaskSequence, fps: float) -> None:
        """Take masks (frames, H, W) and frames a second."""
        self.masks, self.fps = masks, fps
        self._centres: dict[int, Point | None] = {}

    @property
    def duration_s(self) -> float:
        """Length of the video."""
        return len(self.masks) / self.fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.masks.shape[1], self.masks.shape[2]

    def frame(self, time_s: float) -> int:
        """Return the frame that is shown at a time."""
        return int(np.clip(int(time_s * self.fps), 0, len(self.masks) - 1))

    def centre(self, time_s: float) -> Point | None:
        """Return the object's centre of mass, pixels; None where it is not on the frame."""
        frame = self.frame(time_s)
        if frame not in self._centres:
            self._centres[frame] = self._centre(self.masks[frame])
        return self._centres[frame]

    def place_on(self, time_s: float, rng: np.random.Generator) -> Point | None:
        """Draw a place on the object, likelier the farther it is from its edge; None where there is no object."""
        inside = cv2.distanceTransform(self.masks[self.frame(time_s)].astype(np.uint8), cv2.DIST_L2, 5)
        weights = np.where(inside >= 0.25 * inside.max(), inside, 0.0).ravel()
        if not weights.any():
            return None
        row, column = divmod(int(rng.choice(weights.size, p=weights / weights.sum())), inside.shape[1])
        return np.array([column + 0.5, row + 0.5])

    def place_off(self, time_s: float, rng: np.random.Generator) -> Point:
        """Draw a place beside the object, not at the frame's very edge."""
        height, width = self.size
        mask = self.masks[self.frame(time_s)]
        for _ in range(50):
            place = rng.uniform(0.05, 0.95, 2) * (width, height)
            if not mask[int(place[1]), int(place[0])]:
                break
        return np.asarray(place)

    @staticmethod
    def _centre(mask: Mask) -> Point | None:
        rows, columns = np.nonzero(mask)
        return np.array([columns.mean(), rows.mean()]) if len(rows) else None


class Observer:
    """A person's eyes, from the first frame to the last."""

    def __init__(self, scene: Scene, rng: np.random.Generator, *, rate_hz: float, px_per_deg: float) -> None:
        """Begin near the centre of the frame."""
        self._scene, self._rng = scene, rng
        self._step_s, self._px_per_deg = 1.0 / rate_hz, px_per_deg
        height, width = scene.size
        self._here = np.array([width, height]) / 2 + rng.normal(0.0, START_DEG * px_per_deg, 2)
        self._ticks = 0
        self._next_blink_s = rng.uniform(*FIRST_BLINK_S)
        self.times_s: list[float] = []
        self.places_px: list[Point] = []
        self.movements: list[Movement] = []

    @property
    def now_s(self) -> float:
        """Time of the next sample."""
        return self._ticks * self._step_s

    def watch(self) -> None:
        """Look until the video ends."""
        self._look(away=True, hold_s=FIRST_HOLD_S)
        while self.now_s < self._scene.duration_s:
            if self._rng.random() < GLANCES:
                self._look(away=True, hold_s=GLANCE_S)
            else:
                hold_s = self._rng.lognormal(math.log(HOLD_MEDIAN_S), HOLD_SIGMA)
                self._look(away=False, hold_s=float(np.clip(hold_s, *HOLD_RANGE_S)))

    def _look(self, *, away: bool, hold_s: float, until_s: float = math.inf) -> None:
        """Jump to a place and rest there, at `until_s` for the shortest time; blink when it is time."""
        begin_s = self.now_s
        on_object = None if away else self._scene.place_on(begin_s, self._rng)
        place = self._scene.place_off(begin_s, self._rng) if on_object is None else on_object
        self._jump(place)
        hold_s = min(hold_s, max(HOLD_RANGE_S[0], until_s - self.now_s))
        if on_object is None:
            self._move("fixation", hold_s if away else GLANCE_S, lambda _: place)
        else:
            self._move("on_object", hold_s, self._pursuit(place, self._scene.centre(begin_s)))
        if self.now_s > self._next_blink_s:
            here = self._here
            self._move("blink", BLINK_S, lambda _: np.full(2, math.nan))
            self._here = here
            self._next_blink_s = self.now_s + self._rng.uniform(*BLINK_GAP_S)

    def _jump(self, place: Point) -> None:
        """Make a saccade of the duration that its amplitude has in people."""
        start, begin_s = self._here, self.now_s
        amplitude_deg = float(np.linalg.norm(place - start)) / self._px_per_deg
        length_s = (21.0 + 2.2 * amplitude_deg) / 1e3
        self._move(
            "saccade",
            length_s,
            lambda time_s: (
                start
                + (place - start) * math.sin(0.5 * math.pi * min(1.0, (time_s - begin_s) / length_s)) ** 2
            ),
        )

    def _pursuit(self, place: Point, centre: Point | None) -> Course:
        """Return the path of gaze that rests on one place of the moving object."""
        last = place

        def path(time_s: float) -> Point:
            nonlocal last
            seen = self._scene.centre(max(0.0, time_s - PURSUIT_LAG_S))
            if seen is not None and centre is not None:
                last = place + PURSUIT_GAIN * (seen - centre)
            return last

        return path

    def _move(self, kind: str, length_s: float, path: Course) -> None:
        """Sample a path for some time."""
        start_s, end_s = self.now_s, self.now_s + length_s
        self.movements.append(Movement(kind, round(start_s, 4), round(end_s, 4)))
        while self.now_s < min(end_s, self._scene.duration_s):
            self._here = path(self.now_s)
            self.times_s.append(self.now_s)
            self.places_px.append(self._here)
            self._ticks += 1


def simulate(
    masks: NDArray[np.bool_],
    *,
    fps: float,
    rate_hz: float = 200.0,
    seed: int = 0,
    tracker: Tracker = Tracker(),
    covariance: bool = True,
) -> tuple[list[GazeSample], dict[str, Any]]:
    """Return the samples of one recording, frame pixels, and the truth about it."""
    rng = np.random.default_rng(seed)
    observer = Observer(Scene(masks, fps), rng, rate_hz=rate_hz, px_per_deg=tracker.px_per_deg)
    observer.watch()
    offset_px = tracker.offset_px(rng)
    measured = np.array(observer.places_px) + offset_px + tracker.jitter_px(len(observer.places_px), rng)
    samples = list(to_samples(observer.times_s, measured, tracker.variance_px2 if covariance else None))
    onset_s = next((item.start_s for item in observer.movements if item.kind == "on_object"), None)
    return samples, {
        "onset_s": onset_s,
        "bias_px": offset_px.tolist(),
        "accuracy_deg": tracker.accuracy_deg,
        "events": [asdict(item) for item in observer.movements],
        "rate_hz": rate_hz,
        "fps": fps,
        "seed": seed,
    }


def to_samples(
    times_s: Sequence[float], places_px: Point, variance_px2: float | None
) -> Iterator[GazeSample]:
    """Yield gaze samples of places (count, 2), frame pixels; NaN is a lost sample. They state the variance, if any."""
    covariance = None if variance_px2 is None else (variance_px2, 0.0, variance_px2)
    for time_s, (x_px, y_px) in zip(times_s, places_px, strict=True):
        lost = math.isnan(x_px)
        yield GazeSample(
            round(time_s * 1e9),
            float(x_px),
            float(y_px),
            0.0 if lost else 1.0,
            covariance_px2=None if lost else covariance,
        )


def read_masks(folder: Path) -> NDArray[np.bool_]:
    """Read a folder of mask images in the order of their names: bool (frames, H, W)."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".bmp"))
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in files]
    if not images or any(image is None for image in images):
        raise SystemExit(f"{folder}: no masks, or one that cannot be read; give a folder of PNG images")
    return np.stack([np.asarray(image) > 0 for image in images])


def main() -> None:
    """Write one recording."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("masks", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=200.0, help="samples a second")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--px-per-deg", type=float, default=15.0)
    parser.add_argument("--accuracy-deg", type=float, default=0.5, help="standard deviation of the offset")
    parser.add_argument("--no-covariance", action="store_true", help="state no error")
    args = parser.parse_args()
    samples, truth = simulate(
        read_masks(args.masks),
        fps=args.fps,
        rate_hz=args.rate,
        seed=args.seed,
        tracker=Tracker(args.px_per_deg, args.accuracy_deg),
        covariance=not args.no_covariance,
    )
    plain.write(args.out, samples)
    Path(f"{args.out}.truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
