"""The whole way from gaze to mask, stage by stage, in a real session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2

from sam_edge.gaze.recordings import read
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.frames import FrameReader, open_frames
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.measure.statistics import Summary, summarise
from sam_edge.profile.measure.timed_runtime import open_engine
from sam_edge.profile.plan import Engine
from sam_edge.stream.playback import GazeFeed, Shown, in_real_time
from sam_edge.stream.selection import Selection
from sam_edge.stream.session import GazeSession
from sam_edge.stream.trace import Trace

PX_PER_DEG = 15.0
"""Frame pixels in a degree where the recording says nothing."""
WAITED_FRAMES = 48
"""Frames of the session that waits for each: enough for its medians, and soon done."""
WARM_FRAMES = 3
"""First frames whose times are left out: engines open on them."""
WAITING, ON_A_CLOCK = "every step waits", "on a clock"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a session is run."""

    mode: str
    """`WAITING` or `ON_A_CLOCK`."""
    size: tuple[int, int] | None = None
    """The encoder's input (height, width) for whole frames; None is the session's choice."""
    encode_every: int = 1
    """One frame in so many is encoded, where every step waits."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session on a video and a gaze recording."""

    engine: Engine
    """The model and its engine."""
    mode: str
    """`every step waits` for its own frame's encoding, or `on a clock` in real time, with the encoder in a thread."""
    frames: int = 0
    """Frames that were stepped, without the first ones."""
    frame_size: tuple[int, int] = (0, 0)
    """(height, width) of the frames, pixels."""
    fps: float = 0.0
    """Frames a second of the video."""
    late: int = 0
    """Frames whose selection was not there when the next one came; on a clock only."""
    stages: dict[str, Summary] = field(default_factory=dict)
    """Times of each stage of a step, and their `total`."""
    age_ms: Summary | None = None
    """How much older than its frame the frame is that a mask was decoded on."""
    sources: dict[str, int] = field(default_factory=dict)
    """Frames by where their mask came from."""
    failed: str | None = None
    """Why there is nothing."""

    @property
    def file_name(self) -> str:
        """What a file of its trace is called."""
        return f"trace_{self.mode.replace(' ', '_')}.json"


Keep = Callable[[SessionRow, Trace | None], None]


def measure_sessions(engine: Engine, video: Path, gaze: Path, keep: Keep) -> Generator[str]:
    """Play a video and a recording through sessions of both kinds.

    Args:
        engine: the model and its engine.
        video: a video, or a folder of frames.
        gaze: a recording of where the person looked.
        keep: given each row as soon as it is there, with its trace where the session was played.
    """
    for mode, play in ((WAITING, waiting), (ON_A_CLOCK, on_a_clock)):
        yield f"{mode}, {engine.label}"
        try:
            keep(*measure_session(engine, video, gaze, Schedule(mode), play))
        except Exception as error:  # an engine may raise anything; the rest of the profile is to go on
            keep(SessionRow(engine, mode, failed=reason(error)), None)


Play = Callable[[GazeSession, FrameReader, Sequence[GazeSample]], list[Shown]]


def measure_session(
    engine: Engine, video: Path, gaze: Path, schedule: Schedule, play: Play
) -> tuple[SessionRow, Trace]:
    """Play one session."""
    recording = read(gaze)
    px_per_deg = recording.px_per_deg or PX_PER_DEG
    threads = cv2.getNumThreads()
    # OpenCV's own threads would compete with the encoder's, as docs/selection.md says to those who write an app.
    cv2.setNumThreads(1)
    try:
        with (
            open_engine(engine) as model,
            open_frames(video) as reader,
            GazeSession(
                model,
                px_per_deg=px_per_deg,
                size=schedule.size,
                mode="live" if schedule.mode == ON_A_CLOCK else "sequential",
                encode_every=schedule.encode_every,
            ) as session,
        ):
            with session.trace() as trace:
                shown = play(session, reader, recording.samples)
            return summed_up(engine, schedule.mode, shown, reader), trace
    finally:
        cv2.setNumThreads(threads)


def waiting(session: GazeSession, reader: FrameReader, samples: Sequence[GazeSample]) -> list[Shown]:
    """Step every one of the first frames, and wait for it."""
    feed = GazeFeed(samples)
    shown = []
    for frame in islice(reader, WAITED_FRAMES):
        session.feed(feed.until(frame.end_ns))
        selection = session.step(frame.image, frame.time_ns)
        shown.append(Shown(frame, selection, dropped=False, timing_ms=selection.timing_ms))
    return shown


def on_a_clock(session: GazeSession, reader: FrameReader, samples: Sequence[GazeSample]) -> list[Shown]:
    """Play in real time."""
    return list(in_real_time(session, reader, samples))


def summed_up(engine: Engine, mode: str, shown: Sequence[Shown], reader: FrameReader) -> SessionRow:
    """Summarise what was played."""
    kept = shown[WARM_FRAMES:]
    names = dict.fromkeys(name for one in kept for name in one.timing_ms)
    # `total` comes last.
    order = [name for name in names if name != "total"] + ["total"] * ("total" in names)
    stages = {
        name: summarise([one.timing_ms[name] for one in kept if name in one.timing_ms]) for name in order
    }
    selections: list[Selection] = [one.selection for one in kept if one.selection is not None]
    return SessionRow(
        engine=engine,
        mode=mode,
        frames=len(kept),
        frame_size=reader.size,
        fps=reader.fps,
        late=sum(one.dropped for one in kept),
        stages={name: summary for name, summary in stages.items() if summary is not None},
        age_ms=summarise([one.age_ms for one in selections if one.mask is not None]),
        sources=dict(Counter(one.origin for one in selections)),
    )
