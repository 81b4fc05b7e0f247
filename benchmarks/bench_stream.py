"""Selection in live video: accuracy, time and memory of `sam-edge track`, beside the peer, in one run.

    python benchmarks/bench_stream.py --data DAVIS [--sequences dog,libby] [--seeds 0,1,2]
                                      [--modes realtime,offline] [--accuracy-deg 3] [--peer]
                                      [--scorer SCRIPTS] [--json OUT.json] [-- TRACK OPTIONS]

DAVIS is a folder like that of the DAVIS challenge: JPEGImages/SEQUENCE/*.jpg and Annotations/SEQUENCE/*.png, also with
`480p` between; docs/reference/benchmarks.md says where to get it. `observer.py` makes the gaze, `mask_scores.py`
scores, and `published_pipeline.py` is the peer. With `--scorer`, scripts of that folder are used instead:
`observer.py`, `score_masks.py` and `peer_mobile_sam.py`. Options after `--` go to `sam-edge track`. With
`--accuracy-deg` the tracker is off by that, and says so; with `--no-covariance` it says nothing.

Runs go one after the other, everything of one sequence and seed together, so that a drift of the machine hits all
alike. Columns: J (region), F (boundary), their mean JF, and hits (IoU > 0.5); `on time`, the
share of frames whose own mask was there before the next frame came; `fresh`, the share of the frames scored that
showed such a mask; p50, p95 and p99, milliseconds of a step, of all steps that the report tells (for the peer, of one
encode and decode); `first`, milliseconds from the moment when gaze landed on the object to the first mask with
IoU > 0.5, the median over the sequences where it comes, and in how many runs it comes; `mended`, milliseconds from the
onset of the second dwell on the object to the first right mask, the median over the runs whose mask was wrong before
it, and `of`, how many these are; `filled`, frames before that dwell whose mask fills more than 40 % of the frame. The
last line of a system is the mean over sequences; its steps are those of all runs together, its memory the most of any.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from endings import run_script
from mask_scores import MaskScores, score_folder
from numpy.typing import NDArray
from published_pipeline import DECODER, ENCODER, MODELS
from python_process import run_python
from results import Figure, gather

from sam_edge.media.environment import Environment

BENCHMARKS = Path(__file__).resolve().parent
GRACE_S = 0.5
RIGHT, MUCH = 0.5, 0.4
"""IoU of a right mask; the share of the frame that only background fills."""
MODES = ("realtime", "offline")


@dataclass(frozen=True)
class Case:
    """One sequence seen by one observer."""

    sequence: str
    seed: int
    frames: Path
    truth: Path
    gaze: Path
    onset_s: float
    dwells_s: tuple[float, ...] = ()
    """When the dwells on the object begin."""

    @property
    def second_s(self) -> float | None:
        """When the second dwell on the object begins."""
        return self.dwells_s[1] if len(self.dwells_s) > 1 else None


@dataclass(frozen=True)
class Result:
    """One run of one system."""

    system: str
    sequence: str
    seed: int
    j: float
    f: float
    jf: float
    hits: float
    frames: int
    first_ms: float | None
    """Gaze landing to the first right mask; None when there is none."""
    on_time: float | None = None
    fresh: float | None = None
    peak_memory_mb: float | None = None
    steps_ms: tuple[float, ...] = field(default=(), repr=False)
    environment: dict[str, Any] = field(default_factory=dict, repr=False)
    mended_ms: float | None = None
    """Second dwell on the object to the first right mask; None where the mask was right before, or never is."""
    wrong_first: bool = False
    """Whether the mask was wrong when the second dwell began."""
    filled: int = 0
    """Frames before the second dwell whose mask fills much of the frame."""


class Scorer:
    """Makes gaze, and scores masks."""

    def __init__(
        self, folder: Path | None, accuracy_deg: float | None = None, *, covariance: bool = True
    ) -> None:
        """Use the scripts of a folder, or, with None, those of this project."""
        for name in ("observer.py", "score_masks.py"):
            if folder is not None and not (folder / name).is_file():
                raise SystemExit(f"--scorer: {folder} has no {name}; leave it out to use this project's own")
        self.folder, self.accuracy_deg, self.covariance = folder, accuracy_deg, covariance
        self.scoring = None if folder is None else loaded(folder / "score_masks.py")

    def gaze(self, truth: Path, out: Path, seed: int, fps: float) -> tuple[float, ...]:
        """Write an observer's gaze, and return when the dwells on the object begin, seconds."""
        script, options = BENCHMARKS / "observer.py", []
        if self.accuracy_deg is not None:
            options = ["--accuracy-deg", self.accuracy_deg]
        elif self.folder is not None:
            script = self.folder / "observer.py"
        if not self.covariance:
            options.append("--no-covariance")
        run_python(script, truth, out, "--seed", seed, "--fps", fps, *options)
        events = json.loads(Path(f"{out}.truth.json").read_text())["events"]
        return tuple(float(event["start_s"]) for event in events if event["kind"] == "on_object")

    def score(self, masks: Path, case: Case, fps: float) -> MaskScores:
        """Score a folder of masks."""
        masks.mkdir(exist_ok=True)
        start_s = case.onset_s + GRACE_S
        if self.scoring is None:
            return score_folder(masks, case.truth, start_s=start_s, fps=fps)
        scores = self.scoring.score(masks, case.truth, start_s, fps)
        return MaskScores(scores["J"], scores["F"], scores["hits"], scores["frames"])

    @property
    def peer(self) -> Path:
        """The script that runs the published pipeline."""
        return (
            BENCHMARKS / "published_pipeline.py"
            if self.folder is None
            else self.folder / "peer_mobile_sam.py"
        )


def loaded(path: Path) -> ModuleType:
    """Import a script by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask PNG as bool (H, W); raises `SystemExit` if it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(image > 0)


def first_right_ms(case: Case, masks: Path, frames: Sequence[dict[str, Any]], fps: float) -> float | None:
    """Return the time from the gaze's landing to the first mask with IoU > 0.5, milliseconds.

    A mask counts as seen when its step returned, where that is known and in time, and else at its frame's end.
    """
    return right_after_ms(case, masks, frames, fps, case.onset_s)


def mended_ms(
    case: Case, masks: Path, frames: Sequence[dict[str, Any]], fps: float
) -> tuple[bool, float | None]:
    """Return whether the mask was wrong when the second dwell began, and if so how soon after it is right."""
    second_s = case.second_s
    if second_s is None:
        return False, None
    before = int(second_s * fps) - 1
    names = [path.name for path in sorted(case.truth.glob("*.png"))]
    if before < 0 or is_right(case.truth / names[before], masks / names[before]):
        return False, None
    return True, right_after_ms(case, masks, frames, fps, second_s)


def filled_frames(case: Case, masks: Path, fps: float) -> int:
    """Count the frames before the second dwell on the object whose mask fills much of the frame."""
    end = len(list(case.truth.glob("*.png"))) if case.second_s is None else int(case.second_s * fps)
    shown = (masks / path.name for path in sorted(case.truth.glob("*.png"))[:end])
    return sum(float(read_mask(path).mean()) > MUCH for path in shown if path.is_file())


def is_right(truth: Path, shown: Path) -> bool:
    """Return whether a mask is there and has IoU > 0.5 with a truth that is not empty."""
    if not shown.is_file():
        return False
    true, pred = read_mask(truth), read_mask(shown)
    return bool(true.any() and np.count_nonzero(true & pred) > RIGHT * np.count_nonzero(true | pred))


def right_after_ms(
    case: Case, masks: Path, frames: Sequence[dict[str, Any]], fps: float, begin_s: float
) -> float | None:
    """Return the time from a moment to the first right mask that is seen after it, milliseconds."""
    for index, path in enumerate(sorted(case.truth.glob("*.png"))):
        end_s = (index + 1) / fps
        if end_s <= begin_s or not is_right(path, masks / path.name):
            continue
        record = frames[index] if index < len(frames) else {}
        step_ms = record.get("stages_ms", {}).get("total")
        if step_ms is not None and not record["dropped"]:
            end_s = min(end_s, index / fps + step_ms / 1e3)
        return max(0.0, 1e3 * (end_s - begin_s))
    return None


def ours(case: Case, scorer: Scorer, work: Path, mode: str, args: argparse.Namespace) -> Result:
    """Run `sam-edge track` on a case, and score it."""
    masks, report = work / f"ours-{mode}", work / f"ours-{mode}.json"
    clock = ["--realtime"] if mode == "realtime" else []
    threads = ["--threads", args.threads] if args.threads else []
    run_python(
        *("-m", "sam_edge.cli", "track", case.frames, "--gaze", case.gaze, "--fps", args.fps),
        *("--masks", masks, "--report", report, "--quiet", *clock, *threads, *args.track),
    )
    content = json.loads(report.read_text())
    frames = content["frames"]
    scores = scorer.score(masks, case, args.fps)
    timed = frames if mode == "realtime" else ()
    wrong_first, mended = mended_ms(case, masks, timed, args.fps)
    scored = [one for one in frames if one["index"] / args.fps >= case.onset_s + GRACE_S]
    return Result(
        system=f"ours, {mode}",
        sequence=case.sequence,
        seed=case.seed,
        **of_scores(scores),
        # Without a clock every frame is waited for, and none of this is known.
        first_ms=first_right_ms(case, masks, timed, args.fps),
        mended_ms=mended,
        wrong_first=wrong_first,
        filled=filled_frames(case, masks, args.fps),
        on_time=share(not one["dropped"] for one in frames) if mode == "realtime" else None,
        fresh=share(not one["dropped"] and one["origin"] != "none" for one in scored),
        peak_memory_mb=content["summary"]["peak_memory_mb"],
        steps_ms=tuple(
            one["stages_ms"]["total"] for one in frames if one["stages_ms"].get("total") is not None
        ),
        environment=content["environment"],
    )


def peer(case: Case, scorer: Scorer, work: Path, mode: str, args: argparse.Namespace) -> Result:
    """Run the peer on a case, and score it."""
    masks = work / f"peer-{mode}"
    clock = ["--realtime"] if mode == "realtime" else []
    printed = run_python(
        *(scorer.peer, case.frames, case.gaze, masks, "--fps", args.fps),
        *("--encoder", args.peer_encoder, "--decoder", args.peer_decoder),
        *("--threads", args.threads or 2, *clock),
    )
    told = json.loads(printed.splitlines()[-1])
    return Result(
        system=f"peer, {mode}",
        sequence=case.sequence,
        seed=case.seed,
        **of_scores(scorer.score(masks, case, args.fps)),
        first_ms=first_right_ms(case, masks, (), args.fps),
        steps_ms=(told["encode_ms"] + told["decode_ms"],),
    )


def of_scores(scores: MaskScores) -> dict[str, Any]:
    """Return the scores by the names that a `Result` has for them."""
    return {**asdict(scores), "jf": scores.jf}


def share(values: Iterable[bool]) -> float | None:
    """Return the share that is true; None of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else None


def sequences_in(folder: Path) -> Path:
    """Return the folder whose folders are sequences: DAVIS has one for each resolution between."""
    return folder / "480p" if (folder / "480p").is_dir() else folder


def cases(args: argparse.Namespace, scorer: Scorer, work: Path) -> Iterator[Case]:
    """Make every sequence's and seed's gaze as it is needed."""
    pictures, truths = (sequences_in(args.data / name) for name in ("JPEGImages", "Annotations"))
    if not pictures.is_dir() or not truths.is_dir():
        raise SystemExit(
            f"--data: {args.data} has no JPEGImages and Annotations; give a folder like that of DAVIS"
        )
    names = args.sequences or sorted(one.name for one in truths.iterdir() if one.is_dir())
    for name in names:
        if not (pictures / name).is_dir() or not (truths / name).is_dir():
            raise SystemExit(
                f"--sequences: {name} is not in {args.data}; there are {sorted(p.name for p in truths.iterdir())}"
            )
        for seed in args.seeds:
            folder = work / f"{name}-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            gaze = folder / "gaze.csv"
            dwells_s = scorer.gaze(truths / name, gaze, seed, args.fps)
            onset_s = dwells_s[0] if dwells_s else 0.0
            yield Case(name, seed, pictures / name, truths / name, gaze, onset_s, dwells_s)


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of those that are known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of those that are known."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def row(name: str, results: Sequence[Result]) -> dict[str, Any]:
    """Sum up some runs of one system: means over sequences of the means over seeds."""
    sequences = sorted({one.sequence for one in results})
    grouped = [[one for one in results if one.sequence == sequence] for sequence in sequences]
    means = {
        key: mean(mean(getattr(one, key) for one in group) for group in grouped)
        for key in ("j", "f", "jf", "hits", "on_time", "fresh")
    }
    steps = [step for one in results for step in one.steps_ms]
    percentiles = np.percentile(steps, (50, 95, 99)).tolist() if steps else [None] * 3
    # Of a sequence, the median over its seeds; of all, the median over the sequences where a right mask comes.
    firsts = [median(one.first_ms for one in group) for group in grouped]
    memory = [one.peak_memory_mb for one in results if one.peak_memory_mb is not None]
    return {
        "name": name,
        **means,
        **dict(zip(("p50_ms", "p95_ms", "p99_ms"), percentiles, strict=True)),
        "first_ms": median(firsts),
        "first_in": sum(one.first_ms is not None for one in results),
        "mended_ms": median(one.mended_ms for one in results),
        "wrong_first": sum(one.wrong_first for one in results),
        "filled": sum(one.filled for one in results),
        "runs": len(results),
        "peak_memory_mb": max(memory) if memory else None,
    }


HEAD = (
    f"{'':<20}{'JF':>7}{'J':>7}{'F':>7}{'hits':>7}{'on time':>9}{'fresh':>7}"
    f"{'p50':>8}{'p95':>8}{'p99':>8}{'first':>7}{'in':>7}{'mended':>8}{'of':>4}{'filled':>8}{'MB':>6}"
)


def line(values: dict[str, Any]) -> str:
    """Write a row of the table."""

    def cell(key: str, width: int, form: str) -> str:
        return f"{'-' if values[key] is None else format(values[key], form):>{width}}"

    scores = "".join(cell(key, 7, ".3f") for key in ("jf", "j", "f", "hits"))
    shares = cell("on_time", 9, ".3f") + cell("fresh", 7, ".3f")
    times = "".join(cell(key, 8, ".1f") for key in ("p50_ms", "p95_ms", "p99_ms"))
    first = f"{cell('first_ms', 7, '.0f')}{values['first_in']:>4}/{values['runs']:<2}"
    intent = f"{cell('mended_ms', 8, '.0f')}{values['wrong_first']:>4}{values['filled']:>8}"
    return f"{values['name']:<20}{scores}{shares}{times}{first}{intent}{cell('peak_memory_mb', 6, '.0f')}"


def tables(results: Sequence[Result]) -> dict[str, list[dict[str, Any]]]:
    """Sum up: for each system a row a sequence, and the mean."""
    made = {}
    for system in dict.fromkeys(one.system for one in results):
        own = [one for one in results if one.system == system]
        rows = [
            row(name, [one for one in own if one.sequence == name])
            for name in dict.fromkeys(one.sequence for one in own)
        ]
        made[system] = [*rows, row("mean", own)]
    return made


def machine(results: Sequence[Result], args: argparse.Namespace) -> dict[str, Any]:
    """Describe on what it ran: what the first run of ours said of itself, and the peer's engine."""
    said = next((one.environment for one in results if one.environment), None)
    here = Environment.gather(engine="-", precision="-", threads=args.threads or 0, model="-")
    return said or asdict(here)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def words(text: str) -> list[str]:
        return [word for word in text.split(",") if word]

    parser.add_argument("--data", type=Path, required=True, help="a folder like that of DAVIS")
    parser.add_argument(
        "--scorer", type=Path, metavar="SCRIPTS", help="folder of other scripts that make gaze and score"
    )
    parser.add_argument("--sequences", type=words, help="default: all")
    parser.add_argument("--seeds", type=lambda text: [int(word) for word in words(text)], default=[0, 1, 2])
    parser.add_argument("--modes", type=words, default=list(MODES), help="of realtime,offline; default: both")
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--threads", type=int, help="default: every core; 2 for the peer")
    parser.add_argument("--accuracy-deg", type=float, help="make gaze with a tracker that is off by this")
    parser.add_argument("--no-covariance", action="store_true", help="that tracker does not state its error")
    parser.add_argument("--peer", action="store_true", help="run the peer, too")
    parser.add_argument(
        "--peer-encoder", type=Path, default=MODELS / ENCODER, help="default: what `make models` brings"
    )
    parser.add_argument("--peer-decoder", type=Path, default=MODELS / DECODER)
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write the figures for docs/reference/benchmarks.md"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep gaze, masks and reports here")
    parser.add_argument("track", nargs="*", help="after --: options of sam-edge track")
    args = parser.parse_args()
    if set(args.modes) - set(MODES) or not args.modes:
        parser.error(f"--modes: {args.modes}; accepted: {','.join(MODES)}")
    for path in (args.peer_encoder, args.peer_decoder) if args.peer else ():
        if not path.is_file():
            parser.error(
                f"--peer: {path} is missing; get it: make models && python benchmarks/peer_encoder.py"
            )
    return args


def measure(args: argparse.Namespace, work: Path) -> list[Result]:
    """Run every system on every case."""
    scorer = Scorer(args.scorer, args.accuracy_deg, covariance=not args.no_covariance)
    systems = (ours, peer) if args.peer else (ours,)
    results = []
    for case in cases(args, scorer, work):
        for mode in args.modes:
            for system in systems:
                result = system(case, scorer, case.gaze.parent, mode, args)
                results.append(result)
                first = "never" if result.first_ms is None else f"{result.first_ms:.0f} ms"
                print(
                    f"{case.sequence} {case.seed} {result.system}: JF {result.jf:.3f}, first {first}",
                    file=sys.stderr,
                )
    return results


def headline_figures(summed: dict[str, list[dict[str, Any]]], fps: float) -> list[Figure]:
    """Return the means over all sequences, of sam-edge and of the peer."""
    rows = {system: table[-1] for system, table in summed.items()}
    figures = []
    for mode, way in (("realtime", f"on a clock at {fps:g} frames/s"), ("offline", "every frame waited for")):
        own, peers = rows.get(f"ours, {mode}"), rows.get(f"peer, {mode}", {})
        if own is None:
            continue
        key = "stream" if mode == "realtime" else "waited"
        figures.append(Figure(f"{key}_jf", f"J&F on DAVIS, {way}", "", own["jf"], peers.get("jf"), 2))
        figures.append(
            Figure(f"{key}_hits", f"frames with an IoU above 0.5, {way}", "%", *_percent(own, peers, "hits"))
        )
        if mode == "realtime":
            figures.append(Figure("stream_on_time", f"frames done in time, {way}", "%", 100 * own["on_time"]))
            step = f"a frame, median, {way}"
            figures.append(Figure("stream_step", step, "ms", own["p50_ms"], peers.get("p50_ms")))
            figures.append(Figure("stream_p95", f"a frame, 95th percentile, {way}", "ms", own["p95_ms"]))
            if own["first_ms"] is not None:
                what = f"from the landing of the gaze to the first right mask, median, {way}"
                figures.append(Figure("stream_first", what, "ms", own["first_ms"], peers.get("first_ms")))
    return figures


def _percent(own: dict[str, Any], peers: dict[str, Any], key: str) -> tuple[float, float | None]:
    return 100 * own[key], 100 * peers[key] if key in peers else None


def main() -> None:
    """Measure and print."""
    args = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        results = measure(args, args.work or Path(scratch))
    ran_on, summed = machine(results, args), tables(results)
    print(", ".join(f"{key} {value}" for key, value in ran_on.items()))
    print(f"{args.fps:g} frames/s, seeds {args.seeds}, track options {args.track or 'none'}")
    for system, rows in summed.items():
        print(f"\n-- {system}\n{HEAD}")
        print("\n".join(map(line, rows)))
    if args.results:
        threads = int(ran_on.get("threads") or args.threads or 0)
        peer_is = (
            "the published MobileSAM files on ONNX Runtime at 1024x1024, prompted by the newest gaze point"
        )
        figures = headline_figures(summed, args.fps)
        gather("Selection in live video", figures, threads=threads, peer=peer_is).write(args.results)
    if args.json:
        content = {
            "environment": ran_on,
            "fps": args.fps,
            "seeds": args.seeds,
            "tables": summed,
            "runs": [asdict(one) for one in results],
        }
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
