"""Following a given object without a clock: motion alone, close-ups by SAM, and the follower network, in one run.

    python benchmarks/bench_follow.py --data DAVIS [--every 12] [--sequences dog libby] [--threads 2]
                                      [--rows motion closeups network] [--bundle BUNDLE] [--models .cache/models]

DAVIS is a folder with JPEGImages/SEQUENCE/*.jpg and Annotations/SEQUENCE/*.png. The true mask is given on every n-th
frame; the frames between are scored by `mask_scores.py`: the mean of J (region) and F (boundary), for each
sequence, and the mean over sequences. A frame whose object is lost scores 0 where there is one.

Milliseconds are the median time of a frame, motion left out of the network's and the close-ups' (its own row has it).
Where `peer_encoder_1024.onnx` is among the models (`benchmarks/peer_encoder.py`), the peer's encode is timed in the
same run, and each row's ratio to it is printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from endings import run_script
from mask_scores import boundary_accuracy, region_similarity
from numpy.typing import NDArray

import sam_edge
from sam_edge.follow.follower import Followed, begin, follow
from sam_edge.follow.network import RuntimeFollower
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter
from sam_edge.stream.candidate import CLIP, upsample_mask
from sam_edge.stream.closeup import Track, look_closer
from sam_edge.stream.motion import FrameMotion, grid_of
from sam_edge.stream.render import render_mask

REPO = Path(__file__).resolve().parent.parent
ROWS = ("motion", "closeups", "network")
PEER = "peer_encoder_1024.onnx"
PEER_ROUNDS = 5
Mask = NDArray[np.bool_]
Image = NDArray[np.uint8]


class MotionOnly:
    """The mask as motion carries it."""

    def __init__(self, motion: FrameMotion) -> None:
        self._motion = motion
        self._track: Track | None = None

    def begin(self, image: Image, mask: Mask, time_ns: int) -> None:
        """Take the true mask."""
        rows, columns = grid_of((mask.shape[0], mask.shape[1]))
        share = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        self._track = Track(1, time_ns, np.asarray((2 * share - 1) * CLIP, np.float32), 1.0, time_ns)

    def step(self, image: Image, time_ns: int) -> Mask | None:
        """Follow to the next frame."""
        self._track = self.carried(time_ns)
        size = (image.shape[0], image.shape[1])
        return None if self._track is None else upsample_mask(self._track.grid_logits, size)

    def carried(self, time_ns: int) -> Track | None:
        """Carry the track to the next frame."""
        track = self._track
        motion = None if track is None else self._motion.between(track.time_ns, time_ns)
        if track is None or motion is None:
            return None
        return Track(1, time_ns, motion.carry(track.grid_logits), track.score, track.decoded_ns)


class CloseUps(MotionOnly):
    """A close-up by SAM on every frame, as the live session makes it."""

    def __init__(self, motion: FrameMotion, model: Segmenter) -> None:
        super().__init__(motion)
        self._model = model

    def step(self, image: Image, time_ns: int) -> Mask | None:
        """Follow to the next frame."""
        if self._track is None:
            return None
        self._track = track = look_closer(self._model, image, self._track, lambda: self.carried(time_ns))
        size = (image.shape[0], image.shape[1])
        return (
            None
            if track is None
            else render_mask(track.grid_logits, track.lowres_logits, track.embedding, size)
        )


class Network:
    """The follower network on every frame."""

    def __init__(self, motion: FrameMotion, model: Segmenter) -> None:
        self._motion = motion
        self._network = RuntimeFollower(model.runtime)
        self._object: Followed | None = None
        self._time_ns = 0

    def begin(self, image: Image, mask: Mask, time_ns: int) -> None:
        """Take the true mask."""
        self._object = begin(self._network, image, mask.astype(np.float32))
        self._time_ns = time_ns

    def step(self, image: Image, time_ns: int) -> Mask | None:
        """Follow to the next frame."""
        motion = self._motion.between(self._time_ns, time_ns)
        self._time_ns = time_ns
        if self._object is None or motion is None:
            return None
        (self._object,) = follow(self._network, image, motion.back, [self._object])
        return None if self._object is None else self._object.mask((image.shape[0], image.shape[1]))


@dataclass
class Row:
    """What one way of following reached."""

    name: str
    scores: dict[str, float] = field(default_factory=dict)
    """Mean of J and F, by sequence."""
    first: list[float] = field(default_factory=list)
    """J on the frames right after a true mask."""
    frames_ms: list[float] = field(default_factory=list)

    def line(self, peer_ms: float | None) -> str:
        """Write the row of the table."""
        cost = statistics.median(self.frames_ms)
        ratio = f"{cost / peer_ms:>8.4f}" if peer_ms else ""
        mean = statistics.fmean(self.scores.values())
        cells = "".join(f"{score:>8.3f}" for score in self.scores.values())
        return f"{self.name:<10}{mean:>8.3f}{statistics.fmean(self.first):>8.3f}{cost:>8.1f}{ratio}{cells}"


def frames_of(data: Path, sequence: str) -> Iterator[tuple[Image, Mask]]:
    """Read the frames of a sequence and their true masks."""
    for path in sorted((data / "JPEGImages" / sequence).glob("*.jpg")):
        image = cv2.imread(str(path))
        label = cv2.imread(str(data / "Annotations" / sequence / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        if image is None or label is None:
            raise SystemExit(f"{path} or its annotation cannot be read")
        yield np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), np.asarray(label > 0)


def follow_sequence(
    row: Row,
    sequence: str,
    frames: Iterator[tuple[Image, Mask]],
    every: int,
    way: MotionOnly | Network,
    motion: FrameMotion,
) -> None:
    """Follow one sequence, and add its score to the row."""
    found = []
    for index, (image, true) in enumerate(frames):
        begun = time.perf_counter()
        motion.advance(image, index)
        if index % every == 0:
            way.begin(image, true, index)
            continue
        moved = time.perf_counter()
        mask = way.step(image, index)
        row.frames_ms.append(1e3 * (time.perf_counter() - (begun if row.name == "motion" else moved)))
        shown = np.zeros_like(true) if mask is None else mask
        if true.any():
            region = region_similarity(shown, true)
            found.append((region + boundary_accuracy(shown, true)) / 2)
            if index % every == 1:
                row.first.append(region)
    row.scores[sequence] = statistics.fmean(found)


def time_peer(models: Path, threads: int) -> float | None:
    """Return the median time of the peer's encode, milliseconds; None when it is not here."""
    path = models / PEER
    if not path.is_file():
        return None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    feed = {entry.name: np.zeros([side if isinstance(side, int) else 1 for side in entry.shape], np.float32)}
    times = []
    for _ in range(PEER_ROUNDS):
        begun = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder like DAVIS")
    parser.add_argument(
        "--every", type=int, default=12, help="frames from one true mask to the next (default: 12)"
    )
    parser.add_argument("--sequences", nargs="+", help="names (default: all)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", type=Path, default=REPO / ".cache" / "models")
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    sequences: Sequence[str] = args.sequences or sorted(
        path.name for path in (args.data / "JPEGImages").iterdir() if path.is_dir()
    )
    peer_ms = time_peer(args.models, args.threads)
    with sam_edge.load(args.bundle, runtime=args.runtime, threads=args.threads) as model:
        ways: dict[str, Callable[[FrameMotion], MotionOnly | Network]] = {
            "motion": MotionOnly,
            "closeups": lambda motion: CloseUps(motion, model),
            "network": lambda motion: Network(motion, model),
        }
        rows = [Row(name) for name in args.rows]
        for sequence in sequences:
            for row in rows:
                motion = FrameMotion()
                frames = frames_of(args.data, sequence)
                follow_sequence(row, sequence, frames, args.every, ways[row.name](motion), motion)
        print(f"{model.runtime.name}, {model.runtime.precision}, {args.threads} threads", end="")
        print(f"; the peer's encode takes {peer_ms:.0f} ms" if peer_ms else "; the peer is not here")
        ratio = f"{'ratio':>8}" if peer_ms else ""
        print(
            f"{'':<10}{'J&F':>8}{'first J':>8}{'ms':>8}{ratio}"
            + "".join(f" {name[:7]:>7}" for name in sequences)
        )
        for row in rows:
            print(row.line(peer_ms))


if __name__ == "__main__":
    run_script(main)
