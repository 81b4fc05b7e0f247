"""Scores the event detector on hand-labelled recordings, beside published detectors, in one run.

    python benchmarks/bench_events.py --data LUND2013_DIR

Prints Cohen's kappa by class, category, coder and rate; how long after the true start of a rest its onset is reported;
and the cost of a sample. Needs scipy to read the files. REMoDNaV (pip install remodnav "scipy<1.17") and pymovements
run beside it when they are installed; both are offline and see the whole recording.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import lund
import numpy as np
from endings import run_script
from numpy.typing import NDArray

from sam_edge.gaze.events import EventDetector, LabelledSample, Phase, smooth_kinds

Labels = NDArray[np.int64]
RATES_HZ = (200.0, 120.0, 60.0, 30.0)
LESS_LOOKAHEAD_MS = (8.5, 0.0)
REMODNAV_NUMBER = {
    "FIXA": lund.FIXATION,
    "SACC": lund.SACCADE,
    "ISAC": lund.SACCADE,
    "HPSO": lund.PSO,
    "LPSO": lund.PSO,
    "IHPS": lund.PSO,
    "ILPS": lund.PSO,
    "PURS": lund.PURSUIT,
}
IVT_THRESHOLD_DEG_S = 45.36
IVT_MINIMUM_MS = 55
MIN_REST_S = 0.06
MATCH_BEFORE_S = 0.04


def ours(recording: lund.Recording, lookahead_ms: float = 20.0) -> Labels:
    """Our labels, sample by sample."""
    return np.array([lund.NUMBER[label.kind] for label in live_labels(recording, lookahead_ms)])


def whole(recording: lund.Recording) -> Labels:
    """Our labels, with the whole recording in view."""
    live = live_labels(recording, 20.0)
    smoothed = smooth_kinds(recording.samples(), live, px_per_deg=recording.px_per_deg)
    return np.array([lund.NUMBER[label.kind] for label in smoothed])


def live_labels(recording: lund.Recording, lookahead_ms: float) -> list[LabelledSample]:
    """The live detector's labels."""
    detector = EventDetector(
        px_per_deg=recording.px_per_deg, rate_hz=recording.rate_hz, lookahead_ms=lookahead_ms
    )
    said = [label for sample in recording.samples() for label in detector.update(sample).labels]
    return [*said, *detector.flush().labels]


def remodnav(recording: lund.Recording) -> Labels:
    """REMoDNaV with its own defaults (Dar, Wagner and Hanke 2021)."""
    from remodnav import EyegazeClassifier

    data = np.recarray(len(recording.time_s), dtype=[("x", float), ("y", float)])
    data["x"], data["y"] = recording.gaze_px.T
    classifier = EyegazeClassifier(px2deg=1.0 / recording.px_per_deg, sampling_rate=recording.rate_hz)
    said = np.zeros(len(data), dtype=int)
    for event in classifier(classifier.preproc(data)):
        start, stop = (round(float(event[k]) * recording.rate_hz) for k in ("start_time", "end_time"))
        said[start:stop] = REMODNAV_NUMBER[event["label"]]
    return said


def pymovements_ivt(recording: lund.Recording) -> Labels:
    """pymovements' I-VT; what is no fixation counts as saccade."""
    import pymovements

    degrees = recording.gaze_px / recording.px_per_deg
    velocity = np.nan_to_num(np.gradient(degrees, 1.0 / recording.rate_hz, axis=0), nan=1e3)
    ticks = np.round(recording.time_s * 1e3).astype(int)
    events = pymovements.events.ivt(
        velocity,
        timesteps=ticks,
        minimum_duration=IVT_MINIMUM_MS,
        velocity_threshold=IVT_THRESHOLD_DEG_S,
    )
    said = np.full(len(ticks), lund.SACCADE)
    for row in events.frame.iter_rows(named=True):
        said[(ticks >= row["onset"]) & (ticks <= row["offset"])] = lund.FIXATION
    return said


def report(title: str, recordings: list[lund.Recording], label: Callable[[lund.Recording], Labels]) -> None:
    """Label all recordings and print kappas; say so when a peer is missing or fails on a recording."""
    said = []
    for recording in recordings:
        try:
            said.append((recording, label(recording)))
        except ImportError as error:  # noqa: PERF203 one failure must not hide the other recordings
            print(f"{title}: not measured, {error}", flush=True)
            return
        except ValueError as error:
            print(f"{title}: failed on {recording.name}: {error}", flush=True)
    for coder in ("MN", "RA"):
        for category in ("images", "dots", "video"):
            pairs = [(p, r.labels[coder]) for r, p in said if r.category == category]
            if pairs:
                scores = lund.kappas([p for p, _ in pairs], [t for _, t in pairs])
                cells = "  ".join(
                    f"{name} {'  -  ' if v != v else format(v, '.3f')}" for name, v in scores.items()
                )
                print(f"{title:18s} {coder} {category:7s} {len(pairs):2d} recordings  {cells}", flush=True)


def onset_delays(recording: lund.Recording) -> tuple[list[float], int]:
    """Seconds from each true start of a rest to its onset's report; how many rests had no onset of their own."""
    detector = EventDetector(px_per_deg=recording.px_per_deg, rate_hz=recording.rate_hz)
    onsets = []
    for sample in recording.samples():
        update = detector.update(sample)
        onsets += [
            (report.onset_ns * 1e-9, sample.time_ns * 1e-9)
            for report in update.fixations
            if report.phase is Phase.ONSET
        ]
    rest = np.isin(recording.labels["MN"], (lund.FIXATION, lund.PURSUIT)).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rest, [0]])))
    delays, missed = [], 0
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        begin_s, end_s = start / recording.rate_hz, stop / recording.rate_hz
        if start == 0 or end_s - begin_s < MIN_REST_S:
            continue
        told = [said for onset, said in onsets if begin_s - MATCH_BEFORE_S <= onset < end_s]
        if told:
            delays.append(told[0] - begin_s)
        else:
            missed += 1
    return delays, missed


def report_delays(title: str, recordings: list[lund.Recording]) -> None:
    """Print the onset delay's median and 95th percentile."""
    results = [onset_delays(r) for r in recordings]
    delays = np.array([d for found, _ in results for d in found]) * 1e3
    missed = sum(m for _, m in results)
    p50, p95 = np.percentile(delays, (50, 95))
    share = missed / (missed + len(delays))
    print(
        f"{title:18s} onset delay p50 {p50:.0f} ms, p95 {p95:.0f} ms; {len(delays)} onsets, "
        f"{share:.1%} of true rests had none of their own",
        flush=True,
    )


def report_cost(recordings: list[lund.Recording]) -> None:
    """Print microseconds a sample of `update`, best of three passes."""
    best = float("inf")
    count = 0
    for _ in range(3):
        spent, count = 0.0, 0
        for recording in recordings:
            samples = recording.samples()
            detector = EventDetector(px_per_deg=recording.px_per_deg, rate_hz=recording.rate_hz)
            begin = time.perf_counter()
            for sample in samples:
                detector.update(sample)
            spent += time.perf_counter() - begin
            count += len(samples)
        best = min(best, spent / count)
    print(
        f"cost               {best * 1e6:.1f} microseconds a sample ({count} samples, best of 3 passes)",
        flush=True,
    )


def version(package: str) -> str:
    """Installed version of a package, or a dash."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "-"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the .mat files")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "remodnav", "pymovements"))
    print(
        f"{platform.machine()} {platform.processor()}, Python {sys.version.split()[0]}, {versions}, 1 thread"
    )
    recordings = lund.load(args.data)
    if not recordings:
        raise SystemExit(f"{args.data} holds no *_labelled_MN.mat files")
    report("ours, native rate", recordings, ours)
    report("whole, native rate", recordings, whole)
    report_delays("ours, native rate", recordings)
    for ahead_ms in LESS_LOOKAHEAD_MS:
        report(f"ours, {ahead_ms:g} ms ahead", recordings, partial(ours, lookahead_ms=ahead_ms))
    for rate in RATES_HZ:
        thinned = [r.at_rate(rate) for r in recordings]
        report(f"ours, {rate:.0f} Hz", thinned, ours)
        report(f"whole, {rate:.0f} Hz", thinned, whole)
        report_delays(f"ours, {rate:.0f} Hz", thinned)
    report_cost([r for r in recordings if r.rate_hz == 500.0])
    report("REMoDNaV, native", recordings, remodnav)
    report("pymovements I-VT", recordings, pymovements_ivt)


if __name__ == "__main__":
    run_script(main)
