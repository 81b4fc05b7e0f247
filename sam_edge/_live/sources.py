"""From one address to a scene camera and the gaze on it."""

from __future__ import annotations

from sam_edge import gaze as gaze_sources
from sam_edge._live.screen_eye import ScreenGaze
from sam_edge.errors import InputError
from sam_edge.gaze.adapters.replay import ReplaySource
from sam_edge.gaze.adapters.rtsp_login import mask_login
from sam_edge.gaze.source import GazeSource
from sam_edge.gaze.webcam.source import WebcamSource
from sam_edge.scene.camera import SceneCamera
from sam_edge.scene.local_camera import FileCamera, on_host_clock
from sam_edge.scene.registry import describe

WITH_EYES = ("neon", "invisible", "tobii-g3", "pupil-core")
"""Schemes whose address gives the scene camera and the gaze on it."""
ON_A_SCREEN = ("tobii-pro", "gazepoint")
"""Schemes of gaze on a screen, not in a scene camera's frames."""
EYE_WEBCAM = "webcam"
"""Scheme of gaze on a screen that is mapped to the picture which a page shows there."""


def scheme_of(url: str) -> str:
    """Return the scheme of an address, lower case."""
    return url.partition(":")[0].lower()


def check_eye(url: str, eye: str | None) -> None:
    """Check that a scene camera's address and the address of the gaze go together, before anything is opened.

    Raises:
        InputError: the address has no gaze and no eye is given, or the eye's positions are those of a screen.
    """
    scheme = scheme_of(url)
    if eye is None:
        if scheme not in (*WITH_EYES, "file"):
            raise InputError(
                f"eye: {mask_login(url)} is a camera without gaze; give the address of the gaze as well, for example "
                "mouse: or pupil-core://127.0.0.1"
            )
        return
    if scheme_of(eye) in ON_A_SCREEN:
        raise InputError(
            f"eye: {eye} gives gaze on a screen, and the frames are those of {mask_login(url)}; accepted are "
            "mouse:, webcam: and trackers with a scene camera"
        )
    if scheme_of(eye) == EYE_WEBCAM == scheme and _camera_number(eye) == _camera_number(url):
        raise InputError(
            f"eye: {eye} is the camera that shows the scene, too; a second camera has to see the face: list them "
            "with `v4l2-ctl --list-devices` or in the system's settings, and give its number, for example webcam:1"
        )


def is_on_screen(eye: str | GazeSource | None) -> bool:
    """Return whether an address of gaze gives positions on a screen."""
    return isinstance(eye, str) and scheme_of(eye) == EYE_WEBCAM


def _camera_number(url: str) -> str:
    return url.partition(":")[2].partition("?")[0] or "0"


def describe_camera(url: str, *, timeout_s: float) -> SceneCamera:
    """Return the scene camera of an address, not yet connected. Raises `InputError`."""
    return describe(url) if scheme_of(url) == "file" else describe(url, timeout=timeout_s)


def open_eye(url: str, eye: str | None, camera: SceneCamera, *, timeout_s: float) -> GazeSource:
    """Open the gaze that belongs to an open camera. Raises as `sam_edge.gaze.open`."""
    if eye is not None and scheme_of(eye) == EYE_WEBCAM:
        return _open_screen_gaze(eye, camera, timeout_s=timeout_s)
    if eye is not None:
        return (
            gaze_sources.open(eye) if scheme_of(eye) == "mouse" else gaze_sources.open(eye, timeout=timeout_s)
        )
    if isinstance(camera, FileCamera):
        samples = [sample for sample in camera.gaze if sample.time_ns >= 0]
        source = ReplaySource(on_host_clock(samples, camera.begin_ns), name=f"the gaze of {url}")
        source.open()
        return source
    size = {"size": size_of(camera)} if scheme_of(url) == "pupil-core" else {}
    return gaze_sources.open(url.partition("?")[0], timeout=timeout_s, **size)


def _open_screen_gaze(eye: str, camera: SceneCamera, *, timeout_s: float) -> ScreenGaze:
    frame_size = size_of(camera)
    source = gaze_sources.open(eye, timeout=timeout_s)
    assert isinstance(source, WebcamSource)
    return ScreenGaze(
        source,
        screen_size=source.estimator.screen.size,
        frame_size=frame_size,
        timeout_s=timeout_s,
    )


def size_of(camera: SceneCamera) -> tuple[int, int]:
    """Return (height, width) of an open camera's frames. Raises `InputError` where none comes."""
    if isinstance(camera, FileCamera):
        image = camera.first_image()
        return image.shape[0], image.shape[1]
    frame = camera.read(5.0)
    if frame is None:
        raise InputError(f"{camera.name} sent no frame within 5 s; check its world camera")
    return frame.image.shape[0], frame.image.shape[1]
