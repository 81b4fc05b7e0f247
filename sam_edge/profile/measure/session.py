"""The whole path from gaze to mask in a real session, stage by stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import cv2

from sam_edge.config import Mode
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video import GazeVideo
from sam_edge.media.frames import FrameReader
from sam_edge.profile.measure.failures import describe_error
from sam_edge.profile.measure.statistics import LatencySummary, summarise
from sam_edge.profile.measure.timed_runtime import open_engine
from sam_edge.profile.plan import EngineConfig
from sam_edge.stream.playback import GazeFeed, PlayedFrame, play_in_real_time
from sam_edge.stream.selection import Selection
from sam_edge.stream.session import GazeSession
from sam_edge.stream.trace import Trace

PX_PER_DEG = 15.0
"""Frame pixels per degree of visual angle, for recordings that do not state it."""
SEQUENTIAL_FRAMES = 48
"""Frames of a sequential session: enough for its medians."""
WARMUP_FRAMES = 3
"""First frames, which are not counted: the engine compiles its graphs during them."""
SEQUENTIAL: Mode = "sequential"
LIVE: Mode = "live"
"""Session modes: every step waits for its own encoding; or real time, with encoding in the background."""


@dataclass(frozen=True, slots=True)
class SessionSchedule:
    """How a session is run."""

    mode: Mode
    """`sequential` or `live`."""
    size: tuple[int, int] | None = None
    """Encoder input (height, width) for whole frames; None lets the session choose."""
    encode_every: int = 1
    """In sequential mode, every n-th frame is encoded."""


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One session on a video and a gaze recording."""

    engine: EngineConfig
    mode: Mode
    """`sequential` or `live`."""
    frames: int = 0
    """Steps, without the warm-up."""
    frame_size: tuple[int, int] = (0, 0)
    """(height, width) of the frames, pixels."""
    fps: float = 0.0
    """Frames per second of the video."""
    late: int = 0
    """In live mode, frames whose selection was not ready when the next frame came."""
    stages: dict[str, LatencySummary] = field(default_factory=dict)
    """Duration of each stage of a step, and the `total`."""
    mask_age_ms: LatencySummary | None = None
    """Age of the frame that the mask was decoded on, at each step."""
    origins: dict[str, int] = field(default_factory=dict)
    """Number of frames by the origin of the mask: `encoded`, `reused`, `propagated`, `none`."""
    error: str | None = None
    """Why it was not measured; None on success."""

    @property
    def trace_name(self) -> str:
        """File name of the trace."""
        return f"trace_{self.mode}.json"


OnSession = Callable[[SessionResult, Trace | None], None]
PlaySession = Callable[[GazeSession, FrameReader, Sequence[GazeSample]], list[PlayedFrame]]


def measure_sessions(
    engine: EngineConfig, open_clip: Callable[[], GazeVideo], on_result: OnSession
) -> Generator[str]:
    """Play a video and a gaze recording through a sequential and a live session.

    Args:
        engine: the model and its engine.
        open_clip: finds the video and its gaze.
        on_result: receives each result as soon as it is known, with the trace if the session was played.
    """
    for mode, play in ((SEQUENTIAL, play_sequential), (LIVE, play_live)):
        yield f"{mode}, {engine.label}"
        try:
            on_result(*measure_session(engine, open_clip(), SessionSchedule(mode), play))
        except Exception as error:  # an engine may raise anything; the rest of the profile still runs
            on_result(SessionResult(engine, mode, error=describe_error(error)), None)


def measure_session(
    engine: EngineConfig, clip: GazeVideo, schedule: SessionSchedule, play: PlaySession
) -> tuple[SessionResult, Trace]:
    """Play one session."""
    px_per_deg = clip.gaze.px_per_deg or PX_PER_DEG
    threads = cv2.getNumThreads()
    # OpenCV's threads would compete with the encoder's. docs/explanation/selection.md recommends this to apps.
    cv2.setNumThreads(1)
    try:
        with (
            open_engine(engine) as model,
            clip.open_frames() as reader,
            GazeSession(
                model,
                px_per_deg=px_per_deg,
                size=schedule.size,
                mode=schedule.mode,
                encode_every=schedule.encode_every,
            ) as session,
        ):
            with session.trace() as trace:
                steps = play(session, reader, clip.gaze.samples)
            return summarise_session(engine, schedule.mode, steps, reader), trace
    finally:
        cv2.setNumThreads(threads)


def play_sequential(
    session: GazeSession, reader: FrameReader, samples: Sequence[GazeSample]
) -> list[PlayedFrame]:
    """Step the first frames, and wait for each."""
    feed = GazeFeed(samples)
    steps = []
    for frame in islice(reader, SEQUENTIAL_FRAMES):
        session.feed(feed.until(frame.end_ns))
        selection = session.step(frame.image, frame.time_ns)
        steps.append(PlayedFrame(frame, selection, dropped=False, timing_ms=selection.timing_ms))
    return steps


def play_live(session: GazeSession, reader: FrameReader, samples: Sequence[GazeSample]) -> list[PlayedFrame]:
    """Play in real time."""
    return list(play_in_real_time(session, reader, samples))


def summarise_session(
    engine: EngineConfig, mode: Mode, steps: Sequence[PlayedFrame], reader: FrameReader
) -> SessionResult:
    """Summarise the steps after the warm-up."""
    counted = steps[WARMUP_FRAMES:]
    names = dict.fromkeys(name for step in counted for name in step.timing_ms)
    # `total` comes last.
    order = [name for name in names if name != "total"] + ["total"] * ("total" in names)
    stages = {
        name: summarise([step.timing_ms[name] for step in counted if name in step.timing_ms])
        for name in order
    }
    selections: list[Selection] = [step.selection for step in counted if step.selection is not None]
    return SessionResult(
        engine=engine,
        mode=mode,
        frames=len(counted),
        frame_size=reader.size,
        fps=reader.fps,
        late=sum(step.dropped for step in counted),
        stages={name: summary for name, summary in stages.items() if summary is not None},
        mask_age_ms=summarise([selection.age_ms for selection in selections if selection.mask is not None]),
        origins=dict(Counter(selection.origin for selection in selections)),
    )
