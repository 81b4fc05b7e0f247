"""AOIs that are defined beforehand: on how many frames are they found, and on how many are they not there?

Runs on folders that gallery.py made. Each object is given by its true mask on one frame, or by a cut-out picture
from another gallery with the same objects (--pictures):

    python benchmarks/bench_aois.py --galleries /data/A0 /data/B0
    python benchmarks/bench_aois.py --galleries /data/A0 --pictures /data/A1

Prints precision and recall of presence a frame, over all objects and for each; the mean IoU of the masks where both are
there; and the processor time relative to the length of the recording.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from endings import run_script
from gallery_truth import read_labels
from numpy.typing import NDArray

import sam_edge
from sam_edge._aoi.defined.definition import DefinedAoi, FrameSpot
from sam_edge._aoi.defined.find_aois import FoundAois, find_aois
from sam_edge.media.environment import Environment
from sam_edge.media.frames import open_frames
from sam_edge.media.images import read_image

IOU_EVERY = 5
"""Masks are compared on every n-th frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """A simulated recording and its truth."""

    folder: Path
    names: list[str]
    fps: float
    areas: NDArray[np.int64]
    """(frames, objects) visible pixels."""

    @classmethod
    def read(cls, folder: Path) -> Gallery:
        """Read the truth of a gallery."""
        facts = json.loads((folder / "truth.json").read_text())
        names = facts["things"]
        paths = sorted((folder / "truth").glob("*.png"))
        counts = [np.bincount(read_labels(path).ravel(), minlength=len(names) + 1) for path in paths]
        return cls(folder, names, facts["fps"], np.stack(counts)[:, 1 : len(names) + 1])

    def mask(self, frame: int, number: int) -> NDArray[np.bool_]:
        """Return where an object is on a frame."""
        return np.asarray(read_labels(self.folder / "truth" / f"{frame:05d}.png") == number + 1)


def by_mask(gallery: Gallery, work: Path, seed: int) -> list[DefinedAoi]:
    """Give each object by its mask on a frame, chosen by chance where it is at least half as large as it gets."""
    rng = np.random.default_rng(seed)
    found = []
    for number, name in enumerate(gallery.names):
        areas = gallery.areas[:, number]
        frame = int(rng.choice(np.flatnonzero(areas > 0.5 * areas.max())))
        path = work / f"{name}.png"
        cv2.imwrite(str(path), gallery.mask(frame, number).astype(np.uint8) * 255)
        found.append(DefinedAoi(name, FrameSpot(frame=frame, mask=path)))
    return found


def by_picture(other: Gallery, work: Path) -> list[DefinedAoi]:
    """Cut each object out of another gallery, where it is largest."""
    found = []
    for number, name in enumerate(other.names):
        frame = int(other.areas[:, number].argmax())
        mask = other.mask(frame, number)
        image = read_image(other.folder / "input" / "frames" / f"{frame:05d}.jpg")
        left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
        part = np.s_[top : top + height, left : left + width]
        path = work / f"{name}.png"
        cv2.imwrite(str(path), np.dstack([image[part][:, :, ::-1], mask[part].astype(np.uint8) * 255]))
        found.append(DefinedAoi(name, pictures=(path,)))
    return found


def score(found: FoundAois, gallery: Gallery, number: int | None) -> dict[str, float]:
    """Return precision and recall of presence a frame, of one object or of all."""
    chosen = slice(None) if number is None else slice(number, number + 1)
    visible, true = found.masks.visible.T[:, chosen], (gallery.areas > 0)[:, chosen]
    both = int(np.count_nonzero(visible & true))
    scores = {
        "precision": both / max(1, int(np.count_nonzero(visible))),
        "recall": both / max(1, int(np.count_nonzero(true))),
    }
    if number is not None:
        frames = np.flatnonzero(visible[:, 0] & true[:, 0])[::IOU_EVERY].tolist()
        scores["iou"] = float(np.mean([mask_iou(found, gallery, frame, number) for frame in frames] or [0.0]))
    return scores


def mask_iou(found: FoundAois, gallery: Gallery, frame: int, number: int) -> float:
    """Return the IoU of the mask that was found on a frame and the true one."""
    own, true = found.masks.get(number, frame), gallery.mask(frame, number)
    if own is None:
        return 0.0
    common, both = int(np.count_nonzero(own & true)), int(np.count_nonzero(own | true))
    return common / max(1, both)


def measure(
    gallery: Gallery, aois: list[DefinedAoi], model: sam_edge.Segmenter
) -> dict[str, dict[str, float]]:
    """Find the objects of a gallery, and score what was found."""
    begun_s, used_s = time.perf_counter(), time.process_time()
    with (
        open_frames(gallery.folder / "input" / "frames", fps=gallery.fps) as reader,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        found = find_aois(aois, reader, model)
        length_s = reader.times.end_ns / 1e9
    with found.masks:
        rows = {name: score(found, gallery, number) for number, name in enumerate(gallery.names)}
        rows["all"] = score(found, gallery, None)
    rows["all"]["cpu_share"] = (time.process_time() - used_s) / length_s
    rows["all"]["wall_share"] = (time.perf_counter() - begun_s) / length_s
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--galleries", type=Path, nargs="+", required=True, help="folders of gallery.py")
    parser.add_argument("--pictures", type=Path, help="a gallery of the same objects, to cut pictures out of")
    parser.add_argument("--seed", type=int, default=0, help="chooses the frames of the masks")
    parser.add_argument("--work", type=Path, default=Path("bench_aois"), help="folder for masks and pictures")
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    results = {}
    with sam_edge.load() as model:
        bundle = model.bundle
        here = Environment.gather(
            engine=model.runtime.name,
            precision=model.runtime.precision,
            threads=model.runtime.threads,
            model=bundle.manifest.name if bundle else "-",
        )
        print(here)
        for folder in args.galleries:
            gallery = Gallery.read(folder)
            work = args.work / folder.name
            work.mkdir(exist_ok=True)
            aois = (
                by_picture(Gallery.read(args.pictures), work)
                if args.pictures
                else by_mask(gallery, work, args.seed)
            )
            results[folder.name] = rows = measure(gallery, aois, model)
            for name, row in rows.items():
                print(
                    f"{folder.name:<8}{name:<18}"
                    + "  ".join(f"{key} {value:.3f}" for key, value in row.items())
                )
    if args.json:
        args.json.write_text(json.dumps({"environment": str(here), "galleries": results}, indent=1) + "\n")


if __name__ == "__main__":
    run_script(main)
