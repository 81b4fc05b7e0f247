"""`sam-edge replay`: run a recorded session again, and list the frames whose selections differ."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sam_edge.cli.options import add_model, open_model
from sam_edge.errors import InputError
from sam_edge.gaze_video import open_video
from sam_edge.media.frame_reader import FrameReader
from sam_edge.media.progress import ProgressBar
from sam_edge.stream.recording import SessionRecording, read_session_recording
from sam_edge.stream.replay import compare_selections, replay

DIFFERS = 1
MAX_LISTED = 10
"""Number of differing frames that are listed without `--all`."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="run a recorded session again, and compare",
        description="Run a recorded session again. Exit status 1 when a selection is not identical bit for bit.",
    )
    parser.add_argument("recording", type=Path, help="folder of the recording")
    parser.add_argument(
        "video", type=Path, help="the video that was recorded, or its folder of frames or recording"
    )
    parser.add_argument(
        "--fps",
        type=float,
        metavar="RATE",
        help="frames a second, evenly spaced (default: the times at which the session had the frames)",
    )
    parser.add_argument("--any-model", action="store_true", help="allow another model than the recorded one")
    parser.add_argument("--all", action="store_true", help="list every frame that differs")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_model(parser)
    parser.set_defaults(run=run)


def open_recorded_video(recording: SessionRecording, video: Path, fps: float | None) -> FrameReader:
    """Open the video of a session at the times that the session has for its frames, where it has all of them."""
    reader = open_video(video, fps=fps)
    recorded_ns = [frame.time_ns for frame in recording.frames]
    if fps is not None or len(recorded_ns) != reader.count or recorded_ns[0] != 0:
        return reader
    reader.close()
    return open_video(video, recorded_ns=recorded_ns)


def run(args: argparse.Namespace) -> int:
    """Replay and compare. Returns 0 when everything is the same, 1 when something differs.

    Raises:
        InputError: `--size` is set, or the model or the video is not the recorded one.
    """
    if args.size is not None:
        raise InputError(f"--size: {args.size} is not accepted; a replay uses the recorded size")
    recording = read_session_recording(args.recording)
    frames = 0
    differing: list[tuple[int, str]] = []
    with (
        open_model(args) as model,
        open_recorded_video(recording, args.video, args.fps) as reader,
        ProgressBar(reader.count, label="replay") as bar,
    ):
        for recorded, again in replay(args.recording, reader, model, any_model=args.any_model):
            frames += 1
            bar.advance()
            differences = compare_selections(recorded, again)
            if differences:
                differing.append((recorded.frame_time_ns, "; ".join(map(str, differences))))
    result = {
        "frames": frames,
        "different": len(differing),
        "complete": recording.complete,
        "differences": [{"frame_time_ns": time_ns, "what": what} for time_ns, what in differing],
    }
    if args.json:
        print(json.dumps(result))
    else:
        for time_ns, what in differing if args.all else differing[:MAX_LISTED]:
            print(f"{time_ns / 1e9:9.3f} s  {what}")
        if len(differing) > MAX_LISTED and not args.all:
            print(f"... and {len(differing) - MAX_LISTED} more (--all lists them)")
        ending = "" if recording.complete else "; the recording was not closed, so its end is missing"
        print(f"{frames - len(differing)} of {frames} frames are the same{ending}")
    return DIFFERS if differing else 0
