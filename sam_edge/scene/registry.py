"""Opens a scene camera by its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.rtsp_login import mask_login
from sam_edge.gaze.address import SourceAddress
from sam_edge.scene.camera import SceneCamera
from sam_edge.scene.login import split_login

CAMERA_SCHEMES: Mapping[str, str] = {
    "neon": "Pupil Labs Neon: neon://PHONE",
    "invisible": "Pupil Labs Invisible: invisible://PHONE",
    "tobii-g3": "Tobii Pro Glasses 3: tobii-g3://HOST",
    "pupil-core": "Pupil Labs Core with Pupil Capture: pupil-core://HOST",
    "rtsp": "any camera that streams H.264: rtsp://[USER:PASSWORD@]HOST:554/PATH",
    "webcam": "a camera of this computer: webcam:0",
    "file": "a recording with its video, played as if it were live: file:FOLDER, or file:VIDEO?gaze=FILE",
}
"""Schemes of scene cameras, each with what it is and an address."""


def open(url: str, **options: object) -> SceneCamera:
    """Open a scene camera, connected and reading.

    Args:
        url: `scheme:address?option=value`; `CAMERA_SCHEMES` lists the schemes.
        **options: the same options as Python values. All: `timeout`, seconds without a frame that are an error (5).
            `webcam`: `size`. `tobii-g3`: `rtsp_port`. `file`: `gaze`, where the
            path is a video or a folder of frames.

    Returns:
        The open camera. Close it, or use it as a context manager.

    Raises:
        InputError: unknown scheme or option, or a value that is not accepted.
        MissingExtraError: a library is not installed.
        TrackerError: the camera cannot be reached within the time-out.
        GazeDataError, MediaError: a recording cannot be read.
    """
    camera = describe(url, **options)
    camera.open()
    return camera


def describe(url: str, **options: object) -> SceneCamera:
    """Return the camera of an address, not yet connected. Raises `InputError`."""
    scheme = url.partition(":")[0].lower()
    if scheme not in CAMERA_SCHEMES:
        known = "; ".join(CAMERA_SCHEMES.values())
        raise InputError(f"url is {mask_login(url)!r}; accepted is the address of a scene camera: {known}")
    if scheme != "rtsp" and "@" in url.partition("//")[2].partition("/")[0]:
        raise InputError(
            f"the address of the {scheme} camera holds a user name, which it does not ask for; leave it out"
        )
    if scheme == "rtsp":
        return _rtsp(url, options)
    address = SourceAddress(url, options)
    camera = _OPENERS[scheme](address, url)
    address.reject_unknown()
    return camera


def _companion(address: SourceAddress, url: str) -> SceneCamera:
    from sam_edge.scene.rtsp_camera import CompanionCamera

    return CompanionCamera(
        address.need_host(),
        address.port or 8080,
        generation=address.scheme,
        name=url,
        timeout_s=address.timeout_s(),
    )


def _glasses(address: SourceAddress, url: str) -> SceneCamera:
    from sam_edge.scene.rtsp_camera import GlassesCamera

    return GlassesCamera(
        address.need_host(),
        address.port or 80,
        rtsp_port=address.integer("rtsp_port", 8554, least=1, most=65535),
        name=url,
        timeout_s=address.timeout_s(),
    )


def _core(address: SourceAddress, url: str) -> SceneCamera:
    from sam_edge.scene.core_camera import CoreCamera

    return CoreCamera(address.need_host(), address.port or 50020, name=url, timeout_s=address.timeout_s())


def _rtsp(url: str, options: Mapping[str, object]) -> SceneCamera:
    from sam_edge.scene.rtsp_camera import RtspCamera

    bare, login = split_login(url)
    # The path may have a query of its own.
    address = SourceAddress(bare.partition("?")[0], options)
    host = address.need_host()
    rest = bare.partition("//")[2].partition("/")[2]
    shown = f"[{host}]" if ":" in host else host
    camera = RtspCamera(
        f"rtsp://{shown}:{address.port or 554}/{rest}",
        login=login,
        name=mask_login(url),
        timeout_s=address.timeout_s(),
    )
    address.reject_unknown()
    return camera


def _webcam(address: SourceAddress, url: str) -> SceneCamera:
    from sam_edge.scene.local_camera import Webcam

    number = address.path or "0"
    if not number.isdecimal():
        raise InputError(f"url is {url!r}; accepted is webcam:NUMBER, for example webcam:0")
    return Webcam(int(number), size=address.size(), name=url, timeout_s=address.timeout_s())


def _file(address: SourceAddress, url: str) -> SceneCamera:
    from sam_edge.gaze_video import open_gaze_video
    from sam_edge.scene.local_camera import FileCamera

    path = unquote(address.host + address.path)
    if not path:
        raise InputError(f"url is {url!r}; accepted is file:FOLDER, a recording with its video")
    gaze = address.text("gaze")
    return FileCamera(open_gaze_video(Path(path), gaze), name=url)


_OPENERS: dict[str, Callable[[SourceAddress, str], SceneCamera]] = {
    "neon": _companion,
    "invisible": _companion,
    "tobii-g3": _glasses,
    "pupil-core": _core,
    "webcam": _webcam,
    "file": _file,
}
