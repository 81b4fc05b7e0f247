"""`sam-edge track`: a video and a gaze recording in, the selection on every frame out."""

from __future__ import annotations

import argparse
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.cli.options import add_model, open_model, parse_size
from sam_edge.errors import InputError
from sam_edge.gaze.recordings import Recording, read
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.environment import Environment, peak_memory_mb
from sam_edge.media.frames import FrameReader, open_frames
from sam_edge.media.mask_folder import MaskFolderWriter
from sam_edge.media.overlay import draw_selection
from sam_edge.media.progress import ProgressBar
from sam_edge.media.report import FrameRecord, TrackReport
from sam_edge.media.video_writer import VideoWriter
from sam_edge.segmenter import Segmenter
from sam_edge.stream.playback import Shown, every_frame, in_real_time
from sam_edge.stream.recording import SessionRecorder
from sam_edge.stream.session import GazeSession

PX_PER_DEG = 15.0
"""VideoFrame pixels in a degree where nothing is stated: about that of the scene cameras of head-mounted trackers."""
FARTHEST = 10
"""Gaze farther outside than so many frames is taken for a wrong unit."""
TRAIL_S = 0.4
"""How much of the gaze's path is drawn."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `track`."""
    parser = subparsers.add_parser("track", help="select what is looked at in a video, from a gaze recording")
    parser.add_argument("video", type=Path, help="a video, or a folder of frames")
    parser.add_argument(
        "--gaze", type=Path, required=True, metavar="GAZE.csv", help="CSV, or any known recording"
    )
    parser.add_argument("--fps", type=float, help="frames a second (default: the video's; 24 for a folder)")
    parser.add_argument("--out", type=Path, metavar="VIDEO.mp4", help="annotated video")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="one PNG a frame, 255 on the selection")
    parser.add_argument(
        "--report", type=Path, metavar="REPORT.json", help="times of every frame, and their summary"
    )
    parser.add_argument(
        "--px-per-deg", type=float, help="frame pixels in a degree (default: the recording's, else 15)"
    )
    parser.add_argument(
        "--realtime", action="store_true", help="play on a clock; late frames are not waited for"
    )
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="record the session; `sam-edge replay` plays it again"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Track, write what was asked for, and print a summary."""
    check_outputs(given)
    recording = read(given.gaze)
    px_per_deg = given.px_per_deg or recording.px_per_deg or PX_PER_DEG
    size = parse_size(given.size)
    options = {"px_per_deg": px_per_deg, "size": size}
    with ExitStack() as stack:
        model = stack.enter_context(open_model(given))
        reader = stack.enter_context(open_frames(given.video, fps=given.fps))
        recorder = SessionRecorder(given.record, model=model, options=options) if given.record else None
        session = stack.enter_context(
            GazeSession(
                model,
                px_per_deg=px_per_deg,
                size=size,
                mode="live" if given.realtime else "sequential",
                recorder=recorder,
            )
        )
        check_unit(recording, reader.size)
        report = play(given, model, session, reader, recording)
    if given.report:
        report.write(given.report)
    if not given.quiet:
        print(report.summary_table())
    return 0


def check_outputs(given: argparse.Namespace) -> None:
    """Refuse to write over what is read.

    Raises:
        InputError: an output is one of the inputs, or nothing is to be made.
    """
    inputs = {given.video.resolve(), given.gaze.resolve()}
    for option, path in (("--out", given.out), ("--masks", given.masks), ("--report", given.report)):
        if path is not None and path.resolve() in inputs:
            raise InputError(f"{option}: {path} is an input; give another name")
    if given.record and given.realtime:
        raise InputError("--record: not with --realtime; what a clock decided cannot be played again alike")
    if given.px_per_deg is not None and not given.px_per_deg > 0:
        raise InputError(f"--px-per-deg: {given.px_per_deg} is not accepted; give a positive number")


def check_unit(recording: Recording, size: tuple[int, int]) -> None:
    """Refuse gaze that cannot be in pixels of these frames. A little outside is fine: people look past the camera.

    Raises:
        InputError: a sample lies farther outside than ten frames.
    """
    height, width = size
    for sample in recording.samples:
        if sample.valid and not (
            abs(sample.x_px) <= FARTHEST * width and abs(sample.y_px) <= FARTHEST * height
        ):
            raise InputError(
                f"gaze: {recording.name} at {sample.time_ns / 1e9:.3f} s lies at ({sample.x_px:g}, {sample.y_px:g}), "
                f"far outside frames of {width}x{height}; give scene pixels"
            )


def play(
    given: argparse.Namespace,
    model: Segmenter,
    session: GazeSession,
    reader: FrameReader,
    recording: Recording,
) -> TrackReport:
    """Play every frame through the session, writing as it goes; what is written is complete or not there at all."""
    records = []
    size, fps = reader.size, reader.fps
    with ExitStack() as stack:
        masks = stack.enter_context(MaskFolderWriter(given.masks)) if given.masks else None
        video = stack.enter_context(VideoWriter(given.out, fps, size)) if given.out else None
        bar = stack.enter_context(ProgressBar(reader.count, label="track", unit="frames", silent=given.quiet))
        mode = in_real_time if given.realtime else every_frame
        for shown in mode(session, reader, recording.samples):
            records.append(record_of(shown))
            if masks is not None and shown.mask is not None:
                masks.write(shown.frame.stem, shown.mask)
            if video is not None:
                video.write(annotated(shown, recording, fps))
            bar.advance()
    runtime = model.runtime
    environment = Environment.gather(
        engine=runtime.name,
        precision=runtime.precision,
        threads=runtime.threads,
        model=model.bundle.manifest.name if model.bundle else "checkpoint",
    )
    return TrackReport(
        name=reader.name,
        size=size,
        fps=fps,
        realtime=given.realtime,
        frames=records,
        environment=environment,
        peak_memory_mb=peak_memory_mb(),
    )


def record_of(shown: Shown) -> FrameRecord:
    """Describe one frame for the report."""
    selection = shown.selection
    return FrameRecord(
        index=shown.frame.index,
        stem=shown.frame.stem,
        source=selection.origin if selection is not None else "none",
        dropped=shown.dropped,
        score=selection.score if selection is not None else None,
        stages_ms=shown.timing_ms,
    )


def annotated(shown: Shown, recording: Recording, fps: float) -> NDArray[np.uint8]:
    """Draw the selection, the gaze and the latency on a frame."""
    end_s = (shown.frame.index + 1) / fps
    trail = [
        (sample.x_px, sample.y_px, end_s - sample.time_ns / 1e9)
        for sample in recent(recording, end_s)
        if sample.valid
    ]
    selection = shown.selection
    if selection is None:
        return draw_selection(shown.frame.image, gaze_trail=trail, caption=("waiting",))
    caption = [selection.state.value]
    if selection.score is not None:
        caption.append(f"object {selection.object_id}, predicted IoU {selection.score:.2f}")
    if not shown.dropped and "total" in selection.timing_ms:
        caption.append(f"{selection.timing_ms['total']:.0f} ms, {selection.origin}")
    return draw_selection(
        shown.frame.image,
        mask=selection.mask,
        box=selection.box,
        gaze_trail=trail,
        fixation=selection.fixation,
        caption=caption,
    )


def recent(recording: Recording, end_s: float) -> Sequence[GazeSample]:
    """Return the samples of the last moments before `end_s`."""
    begin = bisect_left(recording.samples, (end_s - TRAIL_S) * 1e9, key=time_of)
    return recording.samples[begin : bisect_right(recording.samples, end_s * 1e9, key=time_of)]


def time_of(sample: GazeSample) -> float:
    """Return the sample's time, nanoseconds."""
    return sample.time_ns
