"""A gallery: a simulated head-mounted recording with ground truth, of a person who looks from object to object.

    python benchmarks/gallery.py DAVIS OUT --sequences dog blackswan parkour [--seed 0] [--seconds 40]

DAVIS is a folder with JPEGImages/SEQUENCE/*.jpg and Annotations/SEQUENCE/*.png, not zero on the object; also with
`480p` between. The sequences move on a wall. A person looks at one object for some seconds, then at another one, often
at one that was looked at before. The head follows the eye, so that objects leave the picture and come back. It sways
and tilts, its turns blur the picture, and the exposure drifts. Gaze has saccades, fixations, pursuit, glances away,
blinks and a tracker's error, as in observer.py. The same seed gives the same recording.

OUT is a new folder: `input/frames` and `input/gaze.csv` for the program under test, `truth` and `truth.json` for
gallery_scores.py. gallery_truth.py describes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from endings import run_script
from gallery_gaze import GalleryObserver, ObjectMasks
from gallery_head import Camera, PlannedVisit, move_head, plan_visits
from gallery_truth import GalleryTruth
from gallery_wall import Layout, Wall, read_picture
from observer import Scene, Tracker, to_samples

from sam_edge.gaze.recordings import plain

JPEG_QUALITY = 90
COUNTS = (2, 255)
"""Fewest and most objects: there is a return only with two, and a label has 8 bits."""


LAYOUT = Layout()
"""Frames of 854x480 pixels, as DAVIS has them."""


@dataclass(frozen=True, slots=True)
class GalleryOptions:
    """How a gallery is made."""

    seed: int = 0
    """Seed of the random numbers."""
    seconds: float = 40.0
    """Length of the recording."""
    fps: float = 24.0
    """Frames a second."""
    rate_hz: float = 200.0
    """Gaze samples a second."""
    px_per_deg: float = 15.0
    """Pixels of the frame in a degree."""
    layout: Layout = LAYOUT
    """Sizes of the frame and of the wall."""


def make_gallery(
    data: Path, out: Path, sequences: Sequence[str], options: GalleryOptions = GalleryOptions()
) -> GalleryTruth:
    """Write a gallery into a new folder, and return its truth.

    Raises:
        SystemExit: too few or too many sequences, or one that cannot be read.
        FileExistsError: `out` exists.
    """
    if not COUNTS[0] <= len(sequences) <= COUNTS[1]:
        raise SystemExit(f"--sequences: {len(sequences)} names; accepted: {COUNTS[0]} to {COUNTS[1]}")
    rng = np.random.default_rng(options.seed)
    pictures = [read_picture(data, name, options.layout, rng) for name in sequences]
    for folder in (out / "input" / "frames", out / "truth"):
        folder.mkdir(parents=True)
    plan = plan_visits(len(sequences), options.seconds, rng)
    write_frames(out, Wall(pictures, options.layout, rng), plan, options, rng)
    observer = write_gaze(out, plan, len(sequences), options, rng)
    truth = GalleryTruth(options.fps, list(sequences), observer.visits(), observer.events, options.seed)
    truth.write(out)
    return truth


def write_frames(
    out: Path, wall: Wall, plan: Sequence[PlannedVisit], options: GalleryOptions, rng: np.random.Generator
) -> None:
    """Write what the camera sees, and the label images."""
    poses = list(move_head(wall, plan, round(options.seconds * options.fps), options.fps, rng))
    camera = Camera(wall, options.fps, rng)
    for frame, (pose, before) in enumerate(zip(poses, [poses[0], *poses], strict=False)):
        image, labels = camera.take(frame, pose, before)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        cv2.imwrite(str(out / "input" / "frames" / f"{frame:05d}.jpg"), image, quality)
        cv2.imwrite(str(out / "truth" / f"{frame:05d}.png"), labels)


def write_gaze(
    out: Path, plan: Sequence[PlannedVisit], count: int, options: GalleryOptions, rng: np.random.Generator
) -> GalleryObserver:
    """Simulate the eyes on the label images, write what a tracker measures, and return the observer."""
    paths = sorted((out / "truth").glob("*.png"))
    scenes = [Scene(ObjectMasks(paths, number), options.fps) for number in range(1, count + 1)]
    observer = GalleryObserver(scenes, plan, rng, rate_hz=options.rate_hz, px_per_deg=options.px_per_deg)
    observer.watch()
    tracker, places_px = Tracker(options.px_per_deg), np.array(observer.places_px)
    measured = places_px + tracker.offset_px(rng) + tracker.jitter_px(len(places_px), rng)
    plain.write(out / "input" / "gaze.csv", to_samples(observer.times_s, measured, None))
    return observer


def main() -> None:
    """Make one gallery."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder like that of DAVIS")
    parser.add_argument("out", type=Path, help="new folder to write")
    parser.add_argument("--sequences", nargs="+", required=True, metavar="NAME", help="two or more")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=200.0, help="gaze samples a second")
    parser.add_argument("--px-per-deg", type=float, default=15.0)
    args = parser.parse_args()
    for name in ("seconds", "fps", "rate", "px_per_deg"):
        if not getattr(args, name) > 0:
            parser.error(f"--{name.replace('_', '-')}: {getattr(args, name)}; accepted: above 0")
    if args.out.exists():
        parser.error(f"out: {args.out} exists; give a new folder")
    options = GalleryOptions(args.seed, args.seconds, args.fps, args.rate, args.px_per_deg)
    truth = make_gallery(args.data, args.out, args.sequences, options)
    print(f"{args.out}: {len(truth.things)} objects, {len(truth.visits)} visits in {args.seconds:g} s")


if __name__ == "__main__":
    run_script(main)
