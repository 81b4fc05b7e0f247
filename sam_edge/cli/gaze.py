"""`sam-edge gaze`: eye trackers, recordings, events and calibration."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_edge.cli.options import add_format, add_min_confidence
from sam_edge.errors import InputError
from sam_edge.gaze.samples import SCENE_PX_PER_DEG
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.progress import ProgressBar

if TYPE_CHECKING:
    from sam_edge.gaze.fit import GazeFit
    from sam_edge.gaze.recordings import GazeRecording
    from sam_edge.gaze_video.camera_path import CameraPath

SCREEN_PX_PER_DEG = 38.0
"""Pixels in a degree, for a screen of 24 inches and 1920x1080 seen from 60 cm."""
WEBCAM_STEADY_DEG = 4.0
"""Accepted spread of a webcam's gaze at a calibration target, degrees: it is noisier than a tracker's."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `gaze` to the command line."""
    parser = subparsers.add_parser("gaze", help="eye trackers, gaze recordings, events, calibration")
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="gaze_command", metavar="COMMAND", required=True)

    commands.add_parser("sources", help="list the live gaze sources")

    events = commands.add_parser("events", help="label every sample: fixation, saccade, pursuit, ...")
    events.add_argument("recording", type=Path, help="gaze CSV, or another recording that `info` reads")
    events.add_argument(
        "--out",
        type=Path,
        metavar="LABELS.csv",
        help="CSV file to write (default: only the summary is printed)",
    )
    events.add_argument(
        "--as-live",
        action="store_true",
        help="tell fixation from pursuit as the live detector does, without what comes later",
    )
    events.add_argument(
        "--video",
        type=Path,
        help="video of the head-mounted camera, or folder of its frames: gaze that moves with the picture as a whole "
        "fixates what stands still, e.g. sam-edge gaze events gaze.csv --video world.mp4 --out labels.csv",
    )
    events.add_argument("--fps", type=float, help="frames a second of --video; needed for a folder of frames")
    _add_reading(events)

    info = commands.add_parser(
        "info", help="show rate, loss and noise of a recording, and what is wrong with it"
    )
    info.add_argument("recording", type=Path, nargs="+", help="file or folder of any known format")
    info.add_argument(
        "--video", type=Path, help="video or folder of frames: check that the gaze fits its time and its size"
    )
    _add_reading(info)

    convert = commands.add_parser("convert", help="convert a recording to sam-edge's CSV or to BIDS")
    convert.add_argument("recording", type=Path, help="file or folder of any known format")
    convert.add_argument(
        "out", type=Path, help="OUT.csv, or for BIDS a folder or a prefix such as bids/sub-01_task-look"
    )
    convert.add_argument(
        "--to", choices=("csv", "bids"), help="target format (default: by the ending of OUT)"
    )
    _add_reading(convert)

    calibrate = commands.add_parser("calibrate", help="calibrate a tracker on this screen")
    calibrate.add_argument("--source", required=True, metavar="URL", help="see `sam-edge gaze sources`")
    calibrate.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="calibration file to write"
    )
    calibrate.add_argument("--points", type=int, default=9, choices=(5, 9, 13), help="targets (default 9)")
    calibrate.add_argument(
        "--screen", default="1920x1080", metavar="WxH", help="screen size in pixels (default 1920x1080)"
    )
    calibrate.add_argument(
        "--px-per-deg",
        type=float,
        default=SCREEN_PX_PER_DEG,
        help=f"screen pixels in a degree of visual angle (default {SCREEN_PX_PER_DEG:g})",
    )
    calibrate.add_argument(
        "--steady-deg",
        type=float,
        metavar="DEG",
        help=f"largest spread of steady gaze at a target (default 1.5; {WEBCAM_STEADY_DEG:g} for a webcam)",
    )


def run(args: argparse.Namespace) -> int:
    """Carry out a `sam-edge gaze` command and return the exit code."""
    commands = {
        "sources": _sources,
        "events": _events,
        "info": _info,
        "convert": _convert,
        "calibrate": _calibrate,
    }
    return commands[args.gaze_command](args)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--px-per-deg",
        type=float,
        help=f"pixels in a degree of visual angle (default: the recording's, else {SCENE_PX_PER_DEG:g})",
    )
    add_format(parser)
    add_min_confidence(parser)


def _sources(args: argparse.Namespace) -> int:
    from sam_edge.gaze.registry import schemes

    for info in schemes():
        state = "" if info.installed else f"  (needs: {info.install_command})"
        print(f"{info.scheme:<14} {info.summary}{state}")
        print(f"{'':<14} {info.example}")
    return 0


def _events(args: argparse.Namespace) -> int:
    inputs = {"RECORDING": args.recording} | ({} if args.video is None else {"--video": args.video})
    with (
        prepare_outputs(Output("--out", args.out), inputs=inputs),
        ProgressBar(None, label="gaze events", unit="recordings"),
    ):
        return _label_events(args)


def _label_events(args: argparse.Namespace) -> int:
    from collections import Counter

    from sam_edge.gaze.events import label_recording, label_whole_recording, write_labels
    from sam_edge.gaze.recordings.files import seconds_from_ns
    from sam_edge.gaze.recordings.plain import timestamp_texts

    if args.video is None:
        recording = _without_lost(_read(args.recording, args))
        samples_seen, notes = recording.samples, recording.notes
    else:
        recording, camera = _follow_camera(args)
        samples_seen, notes = tuple(camera.steady(recording.samples)), (*recording.notes, *camera.notes())
    px_per_deg = _px_per_deg(args, recording)
    to_labels = label_recording if args.as_live else label_whole_recording
    labels = to_labels(samples_seen, px_per_deg=px_per_deg)
    if recording.format == "csv":
        times = timestamp_texts(args.recording)
    else:
        times = [seconds_from_ns(sample.time_ns) for sample in recording.samples]
    if args.out is not None:
        write_labels(args.out, times, labels)
    samples: Counter[str] = Counter()
    events: Counter[str] = Counter()
    before: tuple[str, int] | None = None
    for label in labels:
        samples[label.kind.value] += 1
        if before != (label.kind.value, label.event_id):
            before = (label.kind.value, label.event_id)
            events[label.kind.value] += 1
    written = "" if args.out is None else f" -> {args.out}"
    print(f"{args.recording}: {len(labels)} samples at {_rate(recording)}, {px_per_deg:g} px/deg{written}")
    for kind, count in samples.most_common():
        print(f"  {kind:<9} {count:>8} samples ({count / len(labels):6.1%}) in {events[kind]} events")
    for note in notes:
        print(f"  note: {note}")
    return 0


def _follow_camera(args: argparse.Namespace) -> tuple[GazeRecording, CameraPath]:
    """Read gaze on the clock of its video, and how the camera turned."""
    from sam_edge.gaze_video import open_gaze_video
    from sam_edge.gaze_video.camera_path import follow_camera

    source = open_gaze_video(
        args.video,
        args.recording,
        format=args.format,
        fps=args.fps,
        min_confidence=args.min_confidence,
        recording_name=args.recording_name,
    )
    with source.open_frames() as reader:
        return _without_lost(source.gaze), follow_camera(reader)


def _info(args: argparse.Namespace) -> int:
    from sam_edge.gaze.recordings.summary import summarise

    for path in args.recording:
        fit = _fit(path, args)
        recording = fit.recording
        summary = summarise(recording)
        px_per_deg = _stated_px_per_deg(args, recording)
        print(f"{path}")
        print(f"  format    {recording.format}")
        print(f"  samples   {summary.samples} in {summary.duration_s:.3f} s at {_rate(recording)}")
        print(f"  lost      {summary.loss:.1%} ({summary.samples - summary.valid} invalid)")
        longest = f", the longest {summary.longest_gap_s * 1e3:.0f} ms" if summary.gaps else ""
        print(f"  gaps      {summary.gaps}{longest}")
        if summary.noise_px is None:
            print("  noise     unknown: no three valid positions in a row")
        else:
            degrees = f" = {summary.noise_px / px_per_deg:.3f} deg" if px_per_deg else ""
            print(f"  noise     {summary.noise_px:.2f} px{degrees} (RMS sample to sample)")
        if recording.fixations:
            print(f"  fixations {len(recording.fixations)} of the tracker's own software")
        if recording.frame_size is not None:
            print(f"  picture   {recording.frame_size[1]}x{recording.frame_size[0]}")
        if px_per_deg:
            print(f"  scale     {px_per_deg:.2f} px/deg")
        for note in recording.notes:
            print(f"  note      {note}")
        for name, texts in (("error", fit.errors), ("warning", fit.warnings)):
            for text in texts:
                print(f"  {name:<9} {text.removeprefix(f'gaze: {recording.name}: ')}")
    return 0


def _read(path: Path, args: argparse.Namespace) -> GazeRecording:
    from sam_edge.gaze.recordings import read

    return read(
        path,
        format=args.format,
        min_confidence=args.min_confidence,
        recording_name=args.recording_name,
    )


def _fit(path: Path, args: argparse.Namespace) -> GazeFit:
    """Read a recording, and check it against the video where one is given."""
    from sam_edge.gaze.fit import fit_gaze
    from sam_edge.gaze_video import open_gaze_video

    if args.video is None:
        return fit_gaze(_read(path, args))
    source = open_gaze_video(
        args.video,
        path,
        format=args.format,
        min_confidence=args.min_confidence,
        recording_name=args.recording_name,
    )
    with source.open_frames() as reader:
        return fit_gaze(source.gaze, size=reader.size, times=reader.times)


def _without_lost(recording: GazeRecording) -> GazeRecording:
    """Return the recording without the positions of lost samples; warn of all that is wrong with it."""
    from sam_edge.gaze.fit import fit_gaze

    fit = fit_gaze(recording)
    return replace(fit, errors=(), warnings=(*fit.errors, *fit.warnings)).checked()


def _convert(args: argparse.Namespace) -> int:
    from sam_edge.gaze.recordings.bids_write import bids_paths

    out: Path = args.out
    target = args.to or ("csv" if out.suffix == ".csv" and not out.is_dir() else "bids")
    prefix = out if out.name.startswith("sub-") and not out.is_dir() else out / "sub-01_task-gaze"
    prefix = _without_ending(prefix)
    paths = [out] if target == "csv" else bids_paths(prefix)
    with (
        prepare_outputs(*(Output("OUT", path) for path in paths), inputs={"RECORDING": args.recording}),
        ProgressBar(None, label="gaze convert", unit="recordings"),
    ):
        return _write_converted(args, None if target == "csv" else prefix)


def _write_converted(args: argparse.Namespace, bids_prefix: Path | None) -> int:
    from sam_edge.gaze.recordings import write_bids, write_csv
    from sam_edge.gaze.recordings.plain import write_sidecar

    recording = _without_lost(_read(args.recording, args))
    recording = replace(recording, px_per_deg=_stated_px_per_deg(args, recording))
    if bids_prefix is None:
        write_csv(args.out, recording.samples)
        written = [args.out]
        if recording.px_per_deg is not None or recording.frame_size is not None:
            written.append(write_sidecar(args.out, recording))
    else:
        written = list(write_bids(bids_prefix, recording))
    print(
        f"{args.recording}: {recording.format}, {len(recording.samples)} samples -> {', '.join(map(str, written))}"
    )
    return 0


def _calibrate(args: argparse.Namespace) -> int:
    from sam_edge.gaze.calibration import STEADY_DEG
    from sam_edge.media.screen import check_screen

    size = _screen(args.screen)
    if not args.px_per_deg > 0:
        raise InputError(f"--px-per-deg is {args.px_per_deg}; accepted: above 0")
    webcam = args.source.partition(":")[0].lower() == "webcam"
    steady_deg = args.steady_deg or (WEBCAM_STEADY_DEG if webcam else STEADY_DEG)
    if not steady_deg > 0:
        raise InputError(f"--steady-deg is {args.steady_deg}; accepted: above 0")
    with prepare_outputs(Output("--out", args.out)):
        check_screen()
        return _calibrate_and_save(args, size, steady_deg)


def _calibrate_and_save(args: argparse.Namespace, size: tuple[int, int], steady_deg: float) -> int:
    from sam_edge.gaze import registry
    from sam_edge.gaze.calibration import FullScreen, calibrate_on_screen

    with registry.open(args.source) as source:
        display = FullScreen()
        try:
            outcome = calibrate_on_screen(
                source,
                display,
                size=size,
                points=args.points,
                px_per_deg=args.px_per_deg,
                steady_deg=steady_deg,
            )
        finally:
            display.close()
    outcome.calibration.save(args.out)
    for name, quality in (("before", outcome.before), ("after", outcome.after)):
        print(
            f"{name:<7} accuracy {quality.accuracy_deg:.2f} deg (worst {quality.worst_deg:.2f}), precision "
            f"{quality.rms_s2s_deg:.2f} deg RMS, {quality.sd_deg:.2f} deg SD, lost {quality.loss:.1%}"
        )
    if outcome.calibration.rejected:
        print(
            f"excluded targets {', '.join(map(str, outcome.calibration.rejected))}: they disagree with the others"
        )
    print(f"-> {args.out}")
    return 0


def _stated_px_per_deg(args: argparse.Namespace, recording: GazeRecording) -> float | None:
    value: float | None = args.px_per_deg
    if value is None:
        return recording.px_per_deg
    if not 0 < value < 1e4:
        raise InputError(f"--px-per-deg is {value}; accepted: above 0 and below 10000")
    return value


def _px_per_deg(args: argparse.Namespace, recording: GazeRecording) -> float:
    return _stated_px_per_deg(args, recording) or SCENE_PX_PER_DEG


def _rate(recording: GazeRecording) -> str:
    return "unknown rate" if recording.rate_hz is None else f"{recording.rate_hz:.1f} Hz"


def _screen(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if match is None:
        raise InputError(f"--screen is {text!r}; accepted: width x height in pixels, as in 1920x1080")
    return int(match[2]), int(match[1])


def _without_ending(path: Path) -> Path:
    for ending in ("_physio.tsv.gz", "_physio.json", "_physio"):
        if path.name.endswith(ending):
            return path.with_name(path.name[: -len(ending)])
    return path
