"""`track`: the main job as one function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args, overload

from sam_edge._track.inputs import GazeInput, check_margin_deg, choose_px_per_deg, open_inputs
from sam_edge._track.outputs import OutputPaths
from sam_edge._track.report import Mode
from sam_edge._track.result import CompressedFrame, TrackResult
from sam_edge._track.stream import OpenModel, TrackOptions, TrackStream
from sam_edge.errors import InputError
from sam_edge.segmenter import Segmenter, check_size
from sam_edge.stream.session import check_options
from sam_edge.timeline import FixationOrigin, choose_fixation_origin


@overload
def track(
    video: str | Path,
    gaze: GazeInput | None = ...,
    *,
    model: Segmenter | OpenModel | None = ...,
    mode: Mode = ...,
    format: str | None = ...,
    recording_name: str | None = ...,
    min_confidence: float | None = ...,
    fps: float | None = ...,
    value_range: tuple[float, float] | None = ...,
    px_per_deg: float | None = ...,
    size: tuple[int, int] | None = ...,
    out: str | Path | None = ...,
    masks: str | Path | None = ...,
    report: str | Path | None = ...,
    record: str | Path | None = ...,
    timeline: str | Path | None = ...,
    samples: str | Path | None = ...,
    fixations: str | Path | None = ...,
    fixations_from: FixationOrigin | None = ...,
    margin_deg: float = ...,
    follow: bool | None = ...,
    encode_every: int | None = ...,
    progress: bool = ...,
    stream: Literal[False] = ...,
) -> TrackResult: ...


@overload
def track(
    video: str | Path,
    gaze: GazeInput | None = ...,
    *,
    model: Segmenter | OpenModel | None = ...,
    mode: Mode = ...,
    format: str | None = ...,
    recording_name: str | None = ...,
    min_confidence: float | None = ...,
    fps: float | None = ...,
    value_range: tuple[float, float] | None = ...,
    px_per_deg: float | None = ...,
    size: tuple[int, int] | None = ...,
    out: str | Path | None = ...,
    masks: str | Path | None = ...,
    report: str | Path | None = ...,
    record: str | Path | None = ...,
    timeline: str | Path | None = ...,
    samples: str | Path | None = ...,
    fixations: str | Path | None = ...,
    fixations_from: FixationOrigin | None = ...,
    margin_deg: float = ...,
    follow: bool | None = ...,
    encode_every: int | None = ...,
    progress: bool = ...,
    stream: Literal[True],
) -> TrackStream: ...


def track(
    video: str | Path,
    gaze: GazeInput | None = None,
    *,
    model: Segmenter | OpenModel | None = None,
    mode: Mode = "sequential",
    format: str | None = None,
    recording_name: str | None = None,
    min_confidence: float | None = None,
    fps: float | None = None,
    value_range: tuple[float, float] | None = None,
    px_per_deg: float | None = None,
    size: tuple[int, int] | None = None,
    out: str | Path | None = None,
    masks: str | Path | None = None,
    report: str | Path | None = None,
    record: str | Path | None = None,
    timeline: str | Path | None = None,
    samples: str | Path | None = None,
    fixations: str | Path | None = None,
    fixations_from: FixationOrigin | None = None,
    margin_deg: float = 0.0,
    follow: bool | None = None,
    encode_every: int | None = 1,
    progress: bool = False,
    stream: bool = False,
) -> TrackResult | TrackStream:
    """Select the object that a person looks at, on every frame of a video.

    Args:
        video: the folder of a tracker's recording, with its scene video and its gaze; or a video file or a folder of
            images, with `gaze`.
        gaze: a gaze CSV or another recording (see `read_recording`), a `GazeRecording`, or `GazeSample`s
            in order of time. Positions are frame pixels; time 0 is the moment at which the first frame is shown.
            None: `video` is a recording's folder.
        model: from `load`; it stays open. A function that opens a model: called after the inputs are checked, and the
            model is closed at the end. None: the default model, closed at the end.
        mode: `sequential` steps through every frame and waits for each, and two runs give the same masks. `live` plays
            the frames on a clock and does not wait for late ones, to measure what a viewer would see; it yields the
            frames when the clock has stopped.
        format: format of the gaze, where `gaze` is a path and several fit; None recognises it by content.
        recording_name: name of the recording, or of its participant, where the file of the gaze holds several.
        min_confidence: gaze of lower confidence, 0..1, counts as lost. None: the format's own threshold, 0.6 for Pupil
            Core and 0 for the others.
        fps: frames a second, evenly spaced, with a `SamEdgeWarning` where it differs from the file's own times. None:
            each frame at the time that the recording states, else at the time that the video states; 24 frames a second
            for a folder of images.
        value_range: for a folder of images of more than 8 bits, the stored values that become black and white on every
            frame, as (black, white). None finds those of each frame.
        px_per_deg: frame pixels in a degree of visual angle; None: the recording's, else 15.
        size: (height, width) of the encoder's input for whole frames; None: chosen by the frame.
        out: annotated video to write; the ending chooses the format (.mp4, .webm, ...).
        masks: folder to write, with an 8-bit PNG for each frame that has a selection: 255 on the object.
        report: JSON file to write: every frame with its object, its box and its times, and a summary.
        record: folder to write a recording of the session to, for `sam-edge replay`; sequential only.
        timeline: table to write, a line a frame: what was shown, and whether the gaze was on it. The ending chooses
            the format: .csv, .parquet (needs pyarrow) or .jsonl. docs/reference/tables.md has the columns of all three
            tables.
        samples: table to write, a line a gaze sample.
        fixations: table to write, a line a fixation, with the object that it was on.
        fixations_from: `tracker`: the fixations that the recording holds; `detector`: those that sam-edge finds.
            None: the tracker's where there are any.
        margin_deg: gaze this near to the mask counts as on the object, degrees.
        follow: whether the bundle's follower network corrects the mask on every frame of the live mode; None: where it
            is fast enough on this machine.
        encode_every: in the sequential mode, find the target on every n-th frame, and carry its mask by motion to those
            between. None: about five times a second, on a smaller input of the encoder.
        progress: show a progress bar on stderr.
        stream: return an iterator that yields each frame as it is made, instead of the result of all.

    Returns:
        A `TrackResult`, a sequence of `TrackedFrame`; with `stream`, a `TrackStream`, which yields `StreamedFrame`s.

    Raises:
        InputError: an argument is not accepted, or an output is an input.
        GazeDataError: the gaze file cannot be read, or the gaze does not fit the video: no valid sample falls into its
            time, none has a position, or the positions are not in frame pixels. A `SamEdgeWarning` says what else does
            not fit.
        MediaError: the video cannot be read, or an output cannot be written. No partly written output is left.
        EngineError: the engine failed.
        MissingExtraError: a table is to be Parquet, and pyarrow is not installed.

    Example:
        >>> import sam_edge
        >>> result = sam_edge.track("video.mp4", "gaze.csv", out="annotated.mp4", masks="masks")
        >>> for frame in result:
        ...     print(frame.time_s, frame.selection.state.value, frame.selection.box)
    """
    if not (model is None or isinstance(model, Segmenter) or callable(model)):
        raise InputError(
            f"model: {model!r}; accepted: a Segmenter from `load`, a function that opens one, or None"
        )
    if mode not in get_args(Mode):
        raise InputError(f"mode: {mode!r}; accepted: {', '.join(get_args(Mode))}")
    if record is not None and mode == "live":
        raise InputError("record: not accepted with mode 'live', whose timing cannot be replayed")
    check_options(1.0, mode, 1 if encode_every is None else encode_every)
    outputs = (out, masks, report, record, timeline, samples, fixations)
    paths = OutputPaths(*(None if path is None else Path(path) for path in outputs))
    source = open_inputs(
        Path(video),
        gaze,
        format=format,
        min_confidence=min_confidence,
        fps=fps,
        recording_name=recording_name,
    )
    if value_range is not None:
        source = replace(source, value_range=value_range)
    inputs = {"video": source.video}
    if isinstance(gaze, (str, Path)):
        inputs["gaze"] = Path(gaze)
    options = TrackOptions(
        source=source,
        mode=mode,
        px_per_deg=choose_px_per_deg(px_per_deg, source.gaze),
        size=None if size is None else check_size(size),
        paths=paths,
        inputs=inputs,
        progress=progress,
        fixations_from=choose_fixation_origin(fixations_from, source.gaze),
        margin_deg=check_margin_deg(margin_deg),
        follow=follow,
        encode_every=encode_every,
    )
    opened = TrackStream(options, model)
    if stream:
        return opened
    with opened as frames:
        compressed = tuple(CompressedFrame.compress(frame) for frame in frames)
    return TrackResult(opened.report, compressed, opened.tables)
