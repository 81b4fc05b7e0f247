"""`live`: a camera and the gaze on it, stepped through a session as the frames come."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2

from sam_edge._live.meeting import GazeMeeting
from sam_edge._live.screen_eye import PICTURE_DEG
from sam_edge._live.sources import check_eye, describe_camera, is_on_screen, open_eye, size_of
from sam_edge._live.step import LiveStep
from sam_edge.closing import Closing
from sam_edge.errors import SamEdgeWarning, TrackerError
from sam_edge.gaze.adapters.mouse import MouseSource
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.source import GazeSource, SourceStats
from sam_edge.scene.camera import CameraStats, SceneCamera
from sam_edge.scene.local_camera import FileCamera
from sam_edge.segmenter import Segmenter, load
from sam_edge.stream.recording import SessionRecorder
from sam_edge.stream.session import GazeSession

if TYPE_CHECKING:
    from sam_edge._live.window import LiveWindow

DEFAULT_PX_PER_DEG = 15.0
READ_S = 0.1
"""A read of the camera waits this long before the caller may stop the run."""
OpenModel: TypeAlias = Callable[[], Segmenter]
OnProblem: TypeAlias = Callable[[TrackerError], None]


class LiveRun(Closing, Iterator[LiveStep]):
    """Yields every frame that comes with its selection. A context manager; `live` makes it.

    The camera never waits: frames that come during a step are skipped, and the newest is taken next.
    """

    def __init__(
        self,
        camera: SceneCamera,
        source: GazeSource,
        session: GazeSession,
        meeting: GazeMeeting,
        on_problem: OnProblem,
        *,
        px_per_deg: float,
        owned: ExitStack,
    ) -> None:
        """Use an open camera, the meeting of its gaze, and a session; what is `owned` is closed with the run."""
        self.camera = camera
        """The scene camera."""
        self.gaze = source
        """The gaze on its frames."""
        self.session = session
        """The session: pin, unpin, rename and merge objects here."""
        self.px_per_deg = px_per_deg
        """Frame pixels in a degree of visual angle that the session uses."""
        self._meeting = meeting
        self._on_problem = on_problem
        self._owned = owned
        self.is_warm = False
        """Whether the engine has been called for frames of this size; the first frame does so otherwise."""

    @property
    def camera_stats(self) -> CameraStats:
        """What came from the camera so far."""
        return self.camera.stats

    @property
    def gaze_stats(self) -> SourceStats:
        """What came from the tracker so far."""
        return self.gaze.stats

    def __next__(self) -> LiveStep:
        """Wait for the next frame and step it.

        Raises:
            StopIteration: the recording is at its end, or the run was closed.
            TrackerError: camera or tracker failed for good. A silent one is a problem, and is waited for.
            EngineError: the engine failed.
        """
        while True:
            step = self.step(READ_S)
            if step is not None:
                return step
            if self.camera.finished:
                raise StopIteration

    def step(self, timeout_s: float) -> LiveStep | None:
        """Step the next frame; None if none comes within `timeout_s` seconds. Raises as `__next__`."""
        try:
            frame = self.camera.read(timeout_s)
        except TrackerError as error:
            if self.camera.finished:
                raise
            self._on_problem(error)
            return None
        if frame is None:
            return None
        if not self.is_warm:
            # The engine's first call is slow, and the camera goes on meanwhile: begin with the frame after it.
            self.session.warm_up(frame.image)
            self.is_warm = True
            return None
        samples = self._meeting.until(frame.time_ns)
        self.session.feed(samples)
        selection = self.session.step(frame.image, frame.time_ns)
        latency_ms = (host_now_ns() - frame.time_ns) / 1e6
        return LiveStep(frame, selection, tuple(samples), latency_ms, self._meeting.waited_ms)

    def window(self) -> LiveWindow:
        """Open a window that shows steps, and pins what is looked at; a mouse as the eye tracker is that window's.

        Returns:
            The window, a context manager.

        Raises:
            SessionError: no window can be opened here.

        Example:
            >>> with sam_edge.live("webcam:0", eye="mouse:") as run, run.window() as window:  # doctest: +SKIP
            ...     for step in run:
            ...         if not window.show(step):
            ...             break
        """
        # Imported here: most runs have no window.
        from sam_edge._live.window import LiveWindow

        return LiveWindow(self.session, self.gaze if isinstance(self.gaze, MouseSource) else None)

    def close(self) -> None:
        """End the session, and close what the run has opened: camera, gaze, model. Closing twice is allowed."""
        self._owned.close()


def live(
    url: str,
    *,
    eye: str | GazeSource | None = None,
    model: Segmenter | OpenModel | None = None,
    px_per_deg: float | None = None,
    size: tuple[int, int] | None = None,
    record: str | Path | None = None,
    gaze_wait_ms: float = 50.0,
    timeout_s: float = 5.0,
    on_problem: OnProblem | None = None,
) -> LiveRun:
    """Select objects in a live scene camera by live gaze.

    Args:
        url: address of the scene camera; `sam_edge.scene.CAMERA_SCHEMES` lists them: `neon://PHONE`,
            `tobii-g3://HOST`, `pupil-core://HOST` give gaze as well, `file:RECORDING` is played as if it were live,
            `rtsp://...` and `webcam:0` need an `eye`.
        eye: address of the gaze, in pixels of the camera's frames, or an open source; None: that of `url`. With
            `webcam:` the gaze is on the screen, and `run.gaze` is a `ScreenGaze` that has to know where the frames are
            shown: call its `show_at`.
        model: from `load`; it stays open. A function that opens a model, or None, the default model: closed with the
            run.
        px_per_deg: frame pixels in a degree of visual angle; None: the camera's, else 15; for gaze on a screen a
            thirtieth of the frame's width.
        size: (height, width) of the encoder's input for whole frames; None: chosen by the frame.
        record: folder to write a recording of the session to.
        gaze_wait_ms: a frame waits at most this long for gaze of its time, milliseconds.
        timeout_s: seconds without a frame or a sample that are a problem, and the longest wait for a connection.
        on_problem: is told when camera or tracker is silent, and the run goes on; None: a `SamEdgeWarning`.

    Returns:
        A `LiveRun`, an iterator of `LiveStep`s.

    Raises:
        InputError: an address is not accepted, or the two do not go together.
        MissingExtraError: a library is not installed.
        TrackerError: camera or tracker cannot be reached.

    Example:
        >>> with sam_edge.live("neon://neon.local") as run:  # doctest: +SKIP
        ...     for step in run:
        ...         print(step.selection.state.value, step.selection.object_id, f"{step.latency_ms:.0f} ms")
    """
    tell = on_problem or _warn
    camera = describe_camera(url, timeout_s=timeout_s)
    if eye is None or isinstance(eye, str):
        check_eye(url, eye)
    # OpenCV's own threads compete with the encoder for the cores.
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        if not isinstance(camera, FileCamera):
            # A device that is not there is said before the model is opened.
            stack.enter_context(camera)
        opened = model if isinstance(model, Segmenter) else stack.enter_context((model or load)())
        chosen = px_per_deg or _default_px_per_deg(camera, eye)
        options = {"px_per_deg": chosen, "size": size}
        recorder = SessionRecorder(Path(record), model=opened, options=options) if record else None
        session = stack.enter_context(
            GazeSession(opened, px_per_deg=chosen, size=size, mode="live", recorder=recorder)
        )
        if isinstance(camera, FileCamera):
            # The engine's first call is slow: the recording begins to play after it.
            session.warm_up(camera.first_image())
            stack.enter_context(camera)
        if eye is None or isinstance(eye, str):
            source = stack.enter_context(open_eye(url, eye, camera, timeout_s=timeout_s))
        else:
            source = eye
        meeting = GazeMeeting(source, wait_ms=gaze_wait_ms, on_problem=tell)
        run = LiveRun(camera, source, session, meeting, tell, px_per_deg=chosen, owned=stack.pop_all())
        run.is_warm = isinstance(camera, FileCamera)
        return run


def _default_px_per_deg(camera: SceneCamera, eye: str | GazeSource | None) -> float:
    if is_on_screen(eye):
        return size_of(camera)[1] / PICTURE_DEG
    return camera.px_per_deg or DEFAULT_PX_PER_DEG


def _warn(problem: TrackerError) -> None:
    warnings.warn(str(problem), SamEdgeWarning, stacklevel=4)
