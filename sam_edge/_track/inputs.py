"""The inputs of `track`: gaze of any accepted kind, and checks that the input makes sense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from sam_edge.errors import InputError
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings.recording import discard_low_confidence
from sam_edge.gaze.samples import SCENE_PX_PER_DEG, GazeSample
from sam_edge.gaze_video import GazeVideo, attach_gaze, open_gaze_video

GazeInput: TypeAlias = str | Path | GazeRecording | Sequence[GazeSample]
"""Gaze as `track` accepts it: a file or folder that `read_recording` reads, a recording, or samples."""


def open_inputs(
    video: Path,
    gaze: GazeInput | None,
    *,
    format: str | None = None,
    min_confidence: float | None = None,
    fps: float | None = None,
    recording_name: str | None = None,
) -> GazeVideo:
    """Find the video and the gaze, and the times of the frames; see `track` for the arguments.

    Raises:
        GazeDataError: a gaze file cannot be read.
        InputError: there is no gaze or no video, `gaze` is of another type, or its samples are none or not in order.
    """
    if gaze is None or isinstance(gaze, (str, Path)):
        return open_gaze_video(
            video,
            gaze,
            format=format,
            min_confidence=min_confidence,
            fps=fps,
            recording_name=recording_name,
        )
    for name, value in (("format", format), ("recording_name", recording_name)):
        if value is not None:
            raise InputError(f"{name}: {value!r} is accepted with a path only; leave it out")
    recording = _as_recording(gaze)
    if min_confidence is not None:
        recording = discard_low_confidence(recording, min_confidence)
    return attach_gaze(video, recording, fps=fps)


def _as_recording(gaze: GazeRecording | Sequence[GazeSample]) -> GazeRecording:
    if isinstance(gaze, GazeRecording):
        return gaze
    samples = (
        [sample for sample in gaze if isinstance(sample, GazeSample)] if isinstance(gaze, Sequence) else []
    )
    if not isinstance(gaze, Sequence) or len(samples) < len(gaze):
        raise InputError(
            f"gaze: {type(gaze).__name__}; accepted: a path, a GazeRecording, or a sequence of GazeSample"
        )
    if not samples:
        raise InputError("gaze: no samples; give at least one")
    for index, (previous, sample) in enumerate(pairwise(samples), start=1):
        if sample.time_ns <= previous.time_ns:
            raise InputError(
                f"gaze: sample {index} at {sample.time_ns} ns does not come after the previous one at "
                f"{previous.time_ns} ns; give samples with rising times"
            )
    return GazeRecording(samples=tuple(samples), name="samples", format="samples")


def choose_px_per_deg(px_per_deg: float | None, recording: GazeRecording) -> float:
    """Return the scale that is given, else the recording's, else the default.

    Raises:
        InputError: the given scale is not a positive number.
    """
    if px_per_deg is None:
        return recording.px_per_deg or SCENE_PX_PER_DEG
    if not (px_per_deg > 0 and math.isfinite(px_per_deg)):
        raise InputError(f"px_per_deg: {px_per_deg} is not accepted; give a positive number, for example 15")
    return px_per_deg


def check_margin_deg(margin_deg: float) -> float:
    """Return the margin round a mask. Raises `InputError` unless it is 0 or a positive number of degrees."""
    if not (margin_deg >= 0 and math.isfinite(margin_deg)):
        raise InputError(
            f"margin_deg: {margin_deg} is not accepted; give degrees, 0 or more, for example 0.5"
        )
    return margin_deg
