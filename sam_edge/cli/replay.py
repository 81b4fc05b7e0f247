"""`sam-edge replay`: step a recorded session again, and say where the selections differ."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sam_edge.cli.options import add_model, open_model
from sam_edge.errors import InputError
from sam_edge.media.frames import open_frames
from sam_edge.stream.recording import read_recording
from sam_edge.stream.replay import compare, replay

DIFFERS = 1
SHOWN = 10
"""Frames that differ which are listed without `--all`."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="step a recorded session again, and compare",
        description="Step a recorded session again. Status 1 when a selection is not the same bit for bit.",
    )
    parser.add_argument("recording", type=Path, help="the folder of a recording")
    parser.add_argument("video", type=Path, help="the video that it was made with, or its folder of frames")
    parser.add_argument("--fps", type=float, help="frames a second (default: the video's; 24 for a folder)")
    parser.add_argument(
        "--any-model", action="store_true", help="compare with another model than the one recorded"
    )
    parser.add_argument("--all", action="store_true", help="list every frame that differs")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Replay and compare. Returns 0 when everything is the same, 1 when something differs.

    Raises:
        InputError: a size was asked for, or the recording and what was given with it do not fit.
    """
    if given.size is not None:
        raise InputError(f"--size: {given.size} is not accepted; a replay takes the size that was recorded")
    recording = read_recording(given.recording)
    frames = 0
    found: list[tuple[int, str]] = []
    with open_model(given) as model, open_frames(given.video, fps=given.fps) as reader:
        for recorded, again in replay(given.recording, reader, model, any_model=given.any_model):
            frames += 1
            differences = compare(recorded, again)
            if differences:
                found.append((recorded.frame_time_ns, "; ".join(map(str, differences))))
    result = {
        "frames": frames,
        "different": len(found),
        "complete": recording.complete,
        "differences": [{"frame_time_ns": time_ns, "what": what} for time_ns, what in found],
    }
    if given.json:
        print(json.dumps(result))
    else:
        for time_ns, what in found if given.all else found[:SHOWN]:
            print(f"{time_ns / 1e9:9.3f} s  {what}")
        if len(found) > SHOWN and not given.all:
            print(f"... and {len(found) - SHOWN} more (--all lists them)")
        ending = "" if recording.complete else "; the recording was not closed, so its end is missing"
        print(f"{frames - len(found)} of {frames} frames are the same{ending}")
    return DIFFERS if found else 0
