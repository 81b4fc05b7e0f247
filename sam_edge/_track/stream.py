"""The job of `track` as an iterator: each frame is stepped, written and yielded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from sam_edge._track.annotate import FrameAnnotator, GazeTrail
from sam_edge._track.outputs import OutputPaths, TrackOutputs, name_argument
from sam_edge._track.report import FrameRecord, Mode, TrackReport
from sam_edge._track.result import StreamedFrame
from sam_edge.closing import Closing
from sam_edge.errors import SessionError
from sam_edge.gaze.fit import fit_gaze
from sam_edge.gaze.recordings.recorded_event import RecordedEvent
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video import GazeVideo
from sam_edge.media.environment import Environment, peak_memory_mb
from sam_edge.media.frame_reader import FrameReader
from sam_edge.segmenter import Segmenter, load
from sam_edge.stream.motion import FRAMES_KEPT
from sam_edge.stream.playback import PlayedFrame, play_every_frame, play_in_real_time
from sam_edge.stream.recording import SessionRecorder
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.session import GazeSession, small_size
from sam_edge.stream.tuning import DEFAULT_TUNING
from sam_edge.timeline import FixationOrigin, Table, TimelineBuilder, TimelineTables

ENCODINGS_PER_S = 5.0
"""How often the target is found where that is chosen, on an input of the live mode's size. On head-mounted recordings
this gives better masks and dwell times than twice a second at full size, in less time."""
OpenModel: TypeAlias = Callable[[], Segmenter]
"""Opens a model."""


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """The checked arguments of `track`."""

    source: GazeVideo
    """The video, the gaze, and which times count."""
    mode: Mode
    px_per_deg: float
    size: tuple[int, int] | None
    """(height, width) of the encoder's input for whole frames."""
    paths: OutputPaths
    inputs: Mapping[str, Path]
    """Paths that are read, by the name of their argument."""
    progress: bool
    fixations_from: FixationOrigin
    margin_deg: float
    """Gaze this near to the mask counts as on it, degrees."""
    follow: bool | None
    """Whether the follower network corrects the mask on every frame of the live mode; None: where it is fast enough."""
    encode_every: int | None = 1
    """Frames from one assessment to the next in the sequential mode; None chooses it and `size` by the video."""


class TrackStream(Closing, Iterator[StreamedFrame]):
    """Yields every frame with its image and its selection, and writes the outputs. `track(stream=True)` returns it.

    A context manager and an iterator. The outputs appear under their names after the last frame. A stream that is
    closed before discards them; only a recording of the session (`record`) keeps the frames so far.

    Example:
        >>> with sam_edge.track("video.mp4", "gaze.csv", stream=True) as stream:
        ...     for frame in stream:
        ...         print(frame.index, frame.selection.object_id, frame.image.shape)
        >>> print(stream.report.summary_table())
    """

    def __init__(self, options: TrackOptions, model: Segmenter | OpenModel | None) -> None:
        """Open the video, check the gaze, and open the model (None: the default), the session and the outputs."""
        self._options = options
        self._report: TrackReport | None = None
        self._tables: TimelineTables | None = None
        with ExitStack() as stack:
            stack.enter_context(options.paths.prepare(options.inputs))
            self._reader = stack.enter_context(options.source.open_frames())
            fit = fit_gaze(options.source.gaze, size=self._reader.size, times=self._reader.times)
            self._gaze, self._warnings = fit.checked(stacklevel=4), fit.warnings
            self._model = model if isinstance(model, Segmenter) else stack.enter_context((model or load)())
            self._session = stack.enter_context(_open_session(options, self._model, self._reader))
            annotator = FrameAnnotator(GazeTrail(self.gaze), mode=options.mode)
            self._outputs = TrackOutputs(options.paths, self._reader, annotator, progress=options.progress)
            self._open = stack.pop_all()
        self._frames = self._play()

    @property
    def report(self) -> TrackReport:
        """Times of every frame, their summary, and the environment.

        Raises:
            SessionError: the last frame has not been yielded.
        """
        if self._report is None:
            raise SessionError("track: the report is ready after the last frame; iterate to the end")
        return self._report

    @property
    def gaze(self) -> Sequence[GazeSample]:
        """The samples that are used, in order of time, frame pixels; those that were found to be lost have NaN."""
        return self._gaze.samples

    @property
    def events(self) -> Sequence[RecordedEvent]:
        """Named moments of the recording, in order of time."""
        return self._gaze.events

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, pixels."""
        return self._reader.size

    @property
    def model(self) -> Segmenter:
        """The model that makes the masks."""
        return self._model

    @property
    def px_per_deg(self) -> float:
        """Frame pixels in a degree of visual angle."""
        return self._options.px_per_deg

    @property
    def reader(self) -> FrameReader:
        """The reader of the frames; read them from another one, of `reopen`."""
        return self._reader

    @property
    def duration_ns(self) -> int:
        """When the last frame ends, nanoseconds after the first one."""
        return self._reader.times.end_ns

    @property
    def tables(self) -> TimelineTables:
        """Which object the gaze was on: by frames, by samples, and by fixations.

        Raises:
            SessionError: the last frame has not been yielded.
        """
        if self._tables is None:
            raise SessionError("track: the tables are ready after the last frame; iterate to the end")
        return self._tables

    def __next__(self) -> StreamedFrame:
        """Step, write and return the next frame.

        Raises:
            MediaError: a frame cannot be read, or an output cannot be written.
            EngineError: the engine failed.
        """
        return next(self._frames)

    def close(self) -> None:
        """Close everything that the stream opened. Before the last frame, outputs are discarded."""
        self._frames.close()
        # A generator that was never started has not entered its blocks.
        with self._open:
            self._outputs.__exit__(GeneratorExit, GeneratorExit(), None)

    def _play(self) -> Generator[StreamedFrame, None, None]:
        records: list[FrameRecord] = []
        timeline = self._begin_timeline()
        with self._open:
            with self._outputs:
                for shown in self._play_frames():
                    frame = _to_streamed_frame(shown)
                    records.append(_to_record(frame))
                    timeline.add(frame.time_ns, frame.end_ns, frame.selection, events=frame.events)
                    self._outputs.write(frame)
                    yield frame
            tables = timeline.finish()
            report = self._make_report(list(_name_objects(records, tables.timeline)))
        if self._options.paths.report is not None:
            report.write(self._options.paths.report)
        self._options.paths.write_tables(tables)
        self._report, self._tables = report, tables

    def _begin_timeline(self) -> TimelineBuilder:
        return TimelineBuilder(
            self.gaze,
            px_per_deg=self._options.px_per_deg,
            margin_deg=self._options.margin_deg,
            fixations=self._gaze.fixations if self._options.fixations_from == "tracker" else None,
        )

    def _play_frames(self) -> Iterator[PlayedFrame]:
        if self._options.mode == "live":
            return play_in_real_time(
                self._session, self._reader, self.gaze, on_frame=self._outputs.count_played
            )
        return play_every_frame(self._session, self._reader, self.gaze)

    def _make_report(self, records: list[FrameRecord]) -> TrackReport:
        runtime, bundle = self._model.runtime, self._model.bundle
        environment = Environment.gather(
            engine=runtime.name,
            precision=runtime.precision,
            threads=runtime.threads,
            model=bundle.manifest.name if bundle else "checkpoint",
        )
        return TrackReport(
            name=self._reader.name,
            size=self._reader.size,
            fps=self._reader.fps,
            mode=self._options.mode,
            frames=records,
            environment=environment,
            warnings=self._warnings,
            peak_memory_mb=peak_memory_mb(),
        )


def _open_session(options: TrackOptions, model: Segmenter, reader: FrameReader) -> GazeSession:
    px_per_deg, size, folder = options.px_per_deg, options.size, options.paths.record
    encode_every = options.encode_every
    if encode_every is None:
        encode_every = min(FRAMES_KEPT, max(1, round(reader.fps / ENCODINGS_PER_S)))
        size = size or small_size(reader.size)
    with name_argument("record"):
        recorded = {"px_per_deg": px_per_deg, "size": size, "encode_every": encode_every}
        recorder = SessionRecorder(folder, model=model, options=recorded) if folder else None
    return GazeSession(
        model,
        px_per_deg=px_per_deg,
        size=size,
        mode=options.mode,
        encode_every=encode_every,
        recorder=recorder,
        check_gaze=False,
        tuning=replace(DEFAULT_TUNING, follow=options.follow),
    )


def _to_streamed_frame(shown: PlayedFrame) -> StreamedFrame:
    frame = shown.frame
    return StreamedFrame(
        index=frame.index,
        stem=frame.stem,
        time_ns=frame.time_ns,
        end_ns=frame.end_ns,
        selection=shown.selection or _empty_selection(frame.time_ns),
        dropped=shown.dropped,
        timing_ms=shown.timing_ms,
        events=shown.events,
        image=frame.image,
    )


def _empty_selection(time_ns: int) -> Selection:
    """Return the selection of a frame that is shown before the session has returned one."""
    return Selection(time_ns, State.NONE, mask=None, box=None, score=None, object_id=None, origin="none")


def _to_record(frame: StreamedFrame) -> FrameRecord:
    return FrameRecord(
        index=frame.index,
        stem=frame.stem,
        origin=frame.selection.origin,
        dropped=frame.dropped,
        score=frame.selection.score,
        age_ms=None if frame.selection.box is None else frame.mask_age_ms,
        stages_ms=frame.timing_ms,
        time_ns=frame.time_ns,
        state=frame.selection.state.value,
        box=frame.selection.box,
    )


def _name_objects(records: Iterable[FrameRecord], timeline: Table) -> Iterator[FrameRecord]:
    """Yield the records with the numbers and labels that their objects have in the end."""
    labels = timeline.values["label"].tolist()
    for record, object_id, label in zip(records, timeline.numbers("object"), labels, strict=True):
        yield replace(record, object_id=object_id, label=label)
