"""Decoding of video: `open_frames` and OpenCV's reader on the same file, in turns, in one run.

    python benchmarks/bench_video.py [VIDEO] [--frames 300] [--rounds 5]

Without VIDEO, a clip of 1920x1080 in H.264 is made from the demo's frames. Both readers give RGB (H, W, 3) frames in
memory: OpenCV's BGR is converted, as every user of it does. Frames are compared before they are timed. Prints frames
per second of each, the median over the rounds, and the ratio in every round and in the median: above 1, `open_frames`
is faster.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

import sam_edge
from sam_edge.cores import available_cores
from sam_edge.media.environment import cpu_name
from sam_edge.media.frames import open_frames
from sam_edge.media.video_writer import VideoWriter

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"
SIZE = (1080, 1920)
FPS = 30.0
MAX_MEAN_DIFFERENCE = 3.0
"""Frames of the two readers differ by less than this in the mean, of 255: they convert colours with other rounding."""

Image = NDArray[np.uint8]


def make_clip(path: Path, count: int) -> None:
    """Write `count` frames of the demo, forwards and again from the start, at 1920x1080."""
    with open_frames(DEMO) as reader:
        images = [cv2.resize(frame.image, SIZE[::-1]) for frame in itertools.islice(reader, 60)]
    with VideoWriter(path, SIZE, fps=FPS) as writer:
        for image in itertools.islice(itertools.cycle(images), count):
            writer.write(np.asarray(image, np.uint8))


def read_with_sam_edge(path: Path) -> Iterator[Image]:
    """Yield RGB frames through `open_frames`."""
    with open_frames(path) as reader:
        for frame in reader:
            yield frame.image


def read_with_opencv(path: Path) -> Iterator[Image]:
    """Yield RGB frames through OpenCV's reader."""
    capture = cv2.VideoCapture(str(path))
    while True:
        ok, image = capture.read()
        if not ok:
            break
        yield np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    capture.release()


def time_reader(read: Callable[[Path], Iterator[Image]], path: Path, count: int) -> float:
    """Return frames per second over the first `count` frames, opening included."""
    begin = time.perf_counter()
    frames = sum(1 for _ in itertools.islice(read(path), count))
    return frames / (time.perf_counter() - begin)


def compare_frames(path: Path) -> None:
    """Check that both readers give the same first frames.

    Raises:
        SystemExit: they do not.
    """
    pairs = zip(read_with_sam_edge(path), read_with_opencv(path), strict=False)
    for index, (ours, other) in enumerate(itertools.islice(pairs, 30)):
        difference = (
            float(np.abs(ours.astype(np.int16) - other).mean()) if ours.shape == other.shape else 255.0
        )
        if difference > MAX_MEAN_DIFFERENCE:
            raise SystemExit(
                f"{path}: frame {index} differs by {difference:.1f} in the mean; nothing is timed"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", nargs="?", type=Path, help="a video (default: made, 1920x1080 in H.264)")
    parser.add_argument("--frames", type=int, default=300, help="frames per round")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.video or Path(folder) / "clip.mp4"
        if args.video is None:
            make_clip(path, args.frames)
        compare_frames(path)
        rounds = [
            (
                time_reader(read_with_sam_edge, path, args.frames),
                time_reader(read_with_opencv, path, args.frames),
            )
            for _ in range(args.rounds)
        ]
    ours, other = (float(np.median(column)) for column in zip(*rounds, strict=True))
    ratios = [first / second for first, second in rounds]
    print(
        f"{cpu_name()}, {available_cores()} cores, Python {platform.python_version()}, PyAV {av.__version__}, "
        f"OpenCV {cv2.__version__}, sam-edge {sam_edge.__version__}"
    )
    print(f"open_frames {ours:.1f} frames/s, OpenCV {other:.1f} frames/s, medians of {args.rounds} rounds")
    print(f"ratio {np.median(ratios):.2f} in the median; by round: {', '.join(f'{r:.2f}' for r in ratios)}")


if __name__ == "__main__":
    run_script(main)
