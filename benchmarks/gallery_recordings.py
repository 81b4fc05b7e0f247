"""Wrap a gallery of gallery.py as a recording of Pupil Core, Neon or Glasses 3: video, gaze, frame times, fixations.

    python benchmarks/gallery_recordings.py /data/A0 out/A0 --kind pupil-core

The fixations are the true ones, for trackers whose recordings hold any. Positions and times are those of the gallery.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endings import run_script

from sam_edge.media.frames import open_frames
from sam_edge.media.video_writer import VideoWriter

KINDS = ("pupil-core", "neon", "glasses3")
BEGIN_NS = 1_700_000_000_000_000_000
"""UTC time of the first frame of a Neon recording."""
BEGIN_S = 1234.5
"""Time of the first frame on Pupil Core's clock."""
PX_PER_DEG = 15.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A gaze sample of a gallery."""

    time_s: float
    x_px: float
    """NaN where it is lost."""
    y_px: float


@dataclass(frozen=True, slots=True)
class Fixation:
    """A true fixation of a gallery."""

    start_s: float
    end_s: float
    thing: int
    """Number of the object that it is on; 0 for none."""


def read_samples(gallery: Path) -> list[Sample]:
    """Read the gaze of a gallery."""
    with (gallery / "input" / "gaze.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [
        Sample(float(row["timestamp_s"]), float(row["x_px"] or "nan"), float(row["y_px"] or "nan"))
        for row in rows
    ]


def read_fixations(gallery: Path) -> list[Fixation]:
    """Read the true fixations of a gallery: on objects, and elsewhere."""
    events = json.loads((gallery / "truth.json").read_text())["events"]
    return [
        Fixation(event["start_s"], event["end_s"], event["thing"])
        for event in events
        if event["kind"] in ("on_object", "elsewhere")
    ]


def convert(gallery: Path, out: Path, kind: str) -> None:
    """Write a gallery as a recording of `kind` into a new folder."""
    out.mkdir(parents=True)
    fps = json.loads((gallery / "truth.json").read_text())["fps"]
    name = {"pupil-core": "world.mp4", "neon": "Neon Scene Camera v1.mp4", "glasses3": "scenevideo.mp4"}[kind]
    with open_frames(gallery / "input" / "frames", fps=fps) as reader:
        height, width = reader.size
        times_ns = [int(time_ns) for time_ns in reader.times.begin_ns]
        with VideoWriter(out / name, reader.size) as writer:
            for frame in reader:
                writer.write(frame.image, frame.time_ns, frame.end_ns)
    samples, fixations = read_samples(gallery), read_fixations(gallery)
    if kind == "pupil-core":
        _write_pupil_core(out, samples, fixations, times_ns, (width, height))
    elif kind == "neon":
        _write_neon(out, samples, fixations, times_ns)
    else:
        _write_glasses3(out, samples, (width, height))


def _write_pupil_core(
    out: Path,
    samples: Sequence[Sample],
    fixations: Sequence[Fixation],
    times_ns: Sequence[int],
    size: tuple[int, int],
) -> None:
    width, height = size
    header = ["gaze_timestamp", "world_index", "confidence", "norm_pos_x", "norm_pos_y", "base_data"]
    rows = [
        [
            repr(BEGIN_S + sample.time_s),
            _frame_at(sample.time_s, times_ns),
            0.0 if math.isnan(sample.x_px) else 1.0,
            0.0 if math.isnan(sample.x_px) else repr(sample.x_px / width),
            0.0 if math.isnan(sample.x_px) else repr(1 - sample.y_px / height),
            "",
            *[""] * 3,
        ]
        for sample in samples
    ]
    points = [f"gaze_point_3d_{axis}" for axis in "xyz"]
    _write_csv(out / "gaze_positions.csv", [*header, *points], rows)
    stamps = [[f"{BEGIN_S + time_ns / 1e9:.9f}", index] for index, time_ns in enumerate(times_ns)]
    _write_csv(out / "world_timestamps.csv", ["# timestamps [seconds]", "pts"], stamps)
    columns = ["id", "start_timestamp", "duration", "start_frame_index", "end_frame_index"]
    columns += ["norm_pos_x", "norm_pos_y", "dispersion", "confidence", "method", *points, "base_data"]
    lines = [
        [
            number,
            f"{BEGIN_S + fixation.start_s:.9f}",
            f"{1e3 * (fixation.end_s - fixation.start_s):.6f}",
            _frame_at(fixation.start_s, times_ns),
            _frame_at(fixation.end_s, times_ns),
            *[0.5, 0.5, 1.0, 1.0, "2d gaze"],
            *[""] * 4,
        ]
        for number, fixation in enumerate(fixations, 1)
    ]
    _write_csv(out / "fixations.csv", columns, lines)


def _write_neon(
    out: Path, samples: Sequence[Sample], fixations: Sequence[Fixation], times_ns: Sequence[int]
) -> None:
    header = ["section id", "recording id", "timestamp [ns]", "gaze x [px]", "gaze y [px]", "worn"]
    rows = [
        ["s", "r", _utc(sample.time_s), sample.x_px, sample.y_px, 1, "", ""]
        if not math.isnan(sample.x_px)
        else ["s", "r", _utc(sample.time_s), 0.0, 0.0, 1, "", 1]
        for sample in samples
    ]
    _write_csv(out / "gaze.csv", [*header, "fixation id", "blink id"], rows)
    stamps = [["s", "r", BEGIN_NS + time_ns] for time_ns in times_ns]
    _write_csv(out / "world_timestamps.csv", ["section id", "recording id", "timestamp [ns]"], stamps)
    columns = ["section id", "recording id", "fixation id", "start timestamp [ns]", "end timestamp [ns]"]
    lines = [
        [
            "s",
            "r",
            number,
            _utc(item.start_s),
            _utc(item.end_s),
            round(1e3 * (item.end_s - item.start_s)),
            0,
            0,
        ]
        for number, item in enumerate(fixations, 1)
    ]
    columns += ["duration [ms]", "fixation x [px]", "fixation y [px]"]
    _write_csv(out / "fixations.csv", columns, lines)
    focal = PX_PER_DEG * 180 / math.pi
    matrix = [[focal, 0, 400], [0, focal, 300], [0, 0, 1]]
    (out / "scene_camera.json").write_text(json.dumps({"camera_matrix": matrix}))


def _write_glasses3(out: Path, samples: Sequence[Sample], size: tuple[int, int]) -> None:
    width, height = size
    lines = []
    for sample in samples:
        lost = math.isnan(sample.x_px)
        data = {} if lost else {"gaze2d": [sample.x_px / width, sample.y_px / height]}
        lines.append(json.dumps({"type": "gaze", "timestamp": sample.time_s, "data": data}) + "\n")
    (out / "gazedata.gz").write_bytes(gzip.compress("".join(lines).encode()))
    focal = PX_PER_DEG * 180 / math.pi
    camera = {
        "position": [0, 0, 0],
        "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "focal-length": [focal, focal],
        "resolution": [width, height],
    }
    facts = {"name": "gallery", "scenecamera": {"file": "scenevideo.mp4", "camera-calibration": camera}}
    (out / "recording.g3").write_text(json.dumps(facts))


def _utc(time_s: float) -> int:
    return BEGIN_NS + round(time_s * 1e9)


def _frame_at(time_s: float, times_ns: Sequence[int]) -> int:
    return max(0, sum(time_ns <= time_s * 1e9 for time_ns in times_ns) - 1)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])


def main() -> None:
    """Convert one gallery."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gallery", type=Path, help="folder of gallery.py")
    parser.add_argument("out", type=Path, help="new folder to write")
    parser.add_argument("--kind", choices=KINDS, required=True)
    args = parser.parse_args()
    convert(args.gallery, args.out, args.kind)


if __name__ == "__main__":
    run_script(main)
