"""Objects over time, on head-mounted recordings with ground truth: numbers that come back, masks, dwell times.

Runs `sam-edge track` on folders that gallery.py made, and scores masks and timeline with gallery_scores.py;
gallery_figures.py defines the figures:

    python benchmarks/gallery.py DAVIS out/A0 --sequences dog blackswan car-shadow horsejump-high
    python benchmarks/bench_gallery.py --galleries out/A0 --mode sequential
    python benchmarks/bench_gallery.py --galleries out/A0 --mode live

The live mode plays on a clock: run it on a quiet machine, one job at a time. Means are over galleries; `right_ms` is
the median over them. Options after `--` go to `sam-edge track`. `--judge FOLDER` scores with FOLDER/score_gallery.py, a
script with the arguments and the output of gallery_scores.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from endings import run_script
from python_process import run_python

from sam_edge.media.environment import Environment

COLUMNS = ("back", "idf1", "ids", "dwell_error", "JF", "right_ms", "hits", "never", "revisits", "objects")
SCORER = Path(__file__).resolve().parent / "gallery_scores.py"
OTHER_SCORER = "score_gallery.py"
"""Name of the script in the folder of `--judge`."""


def measure(gallery: Path, work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Track one gallery, and score it."""
    masks, timeline = work / gallery.name / "masks", work / gallery.name / "timeline.csv"
    masks.parent.mkdir(parents=True, exist_ok=True)
    fps = json.loads((gallery / "truth.json").read_text())["fps"]
    clock = ["--realtime"] if args.mode == "live" else []
    threads = ["--threads", args.threads] if args.threads else []
    run_python(
        *(
            "-m",
            "sam_edge.cli",
            "track",
            gallery / "input" / "frames",
            "--gaze",
            gallery / "input" / "gaze.csv",
        ),
        *("--fps", fps, "--masks", masks, "--timeline", timeline, "--quiet", *clock, *threads, *args.track),
    )
    masks.mkdir(exist_ok=True)
    scores: dict[str, Any] = json.loads(run_python(args.scorer, masks, timeline, gallery).splitlines()[-1])
    return {"gallery": gallery.name, **scores, "objects": count_objects(timeline)}


def count_objects(timeline: Path) -> int:
    """Return how many numbers a timeline has."""
    rows = timeline.read_text().splitlines()
    column = rows[0].split(",").index("object")
    return len({row.split(",")[column] for row in rows[1:]} - {""})


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over galleries, of `right_ms` the median."""
    known = {key: [row[key] for row in rows if row.get(key) is not None] for key in COLUMNS}
    means = {key: statistics.fmean(values) if values else None for key, values in known.items()}
    return {"gallery": "mean", **means, "right_ms": statistics.median(known["right_ms"] or [float("nan")])}


def format_row(row: dict[str, Any]) -> str:
    """Write a row of the table."""
    cells = ["-" if row.get(key) is None else f"{row[key]:.3f}".rstrip("0").rstrip(".") for key in COLUMNS]
    return f"{row['gallery']:<12}" + "".join(f"{cell:>12}" for cell in cells)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help=f"score with FOLDER/{OTHER_SCORER}")
    parser.add_argument("--galleries", type=Path, nargs="+", required=True, help="folders of gallery.py")
    parser.add_argument("--mode", choices=("sequential", "live"), default="sequential")
    parser.add_argument("--jobs", type=int, default=1, help="galleries at a time; 1 in the live mode")
    parser.add_argument("--threads", type=int, help="threads of the engine; default: every core")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep masks and timelines here")
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    own, track = sys.argv[1:], []
    if "--" in own:
        cut = own.index("--")
        own, track = own[:cut], own[cut + 1 :]
    args = parser.parse_args(own)
    args.track = track
    args.scorer = args.judge / OTHER_SCORER if args.judge else SCORER
    if not args.scorer.is_file():
        parser.error(f"--judge: {args.judge} has no {OTHER_SCORER}; leave it out to score with {SCORER.name}")
    for folder in args.galleries:
        if not (folder / "truth.json").is_file():
            parser.error(f"--galleries: {folder} has no truth.json; make it with benchmarks/gallery.py")
    if args.mode == "live" and args.jobs != 1:
        parser.error(
            f"--jobs: {args.jobs} in the live mode; accepted: 1, its clock needs the machine for itself"
        )
    return args


def main() -> None:
    """Measure and print."""
    args = arguments()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(args.jobs) as pool:
        work = args.work or Path(scratch)
        print(
            f"{args.mode}, options {args.track or 'none'}\n{'':<12}"
            + "".join(f"{key:>12}" for key in COLUMNS)
        )
        rows = []
        for row in pool.map(lambda folder: measure(folder, work, args), args.galleries):
            rows.append(row)
            print(format_row(row), flush=True)
    mean = summarise(rows)
    print(format_row(mean))
    if args.json:
        here = Environment.gather(engine="-", precision="-", threads=args.threads or 0, model="-")
        content = {"mode": args.mode, "environment": str(here), "galleries": rows, "mean": mean}
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
