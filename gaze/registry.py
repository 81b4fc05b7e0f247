"""The registry of gaze sources: opens a source by its URL, as in `open("pupil-core://192.168.0.7")`.

An adapter is imported only when its scheme is opened. Other packages add schemes through the entry point group
`sam_edge.gaze_sources`: the entry's name is the scheme, its value a function that takes a `SourceAddress` and returns
a `GazeSource`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TypeAlias, cast

from sam_edge.errors import InputError
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.source import GazeSource

ENTRY_POINT_GROUP = "sam_edge.gaze_sources"


@dataclass(frozen=True, slots=True)
class SchemeInfo:
    """A URL scheme that can be opened."""

    scheme: str
    """The part of the URL before the first colon."""
    summary: str
    """The tracker and its protocol, in a few words."""
    example: str
    """An example URL with address and options."""
    space: str
    """The image or screen that sample positions refer to, and whether they include lens distortion."""
    modules: tuple[str, ...] = ()
    """Python modules that it needs."""
    extra: str = ""
    """The extra of sam-edge that installs them; empty when there is none."""

    @property
    def installed(self) -> bool:
        """Whether the modules are installed. Nothing is imported."""
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    @property
    def install_command(self) -> str:
        """The pip command that installs the modules; empty when none is needed."""
        if self.extra:
            return f"pip install 'sam-edge[{self.extra}]'"
        return f"pip install {' '.join(self.modules).replace('_', '-')}" if self.modules else ""


Opener: TypeAlias = Callable[[SourceAddress], GazeSource]
"""Function that makes a source from its address; entering the source as a context manager opens it."""

_ADAPTERS = "sam_edge.gaze.adapters"
_SCENE = "scene camera image, lens distortion left in"
_SCREEN = "screen"
_BUILT_IN: tuple[tuple[SchemeInfo, str], ...] = (
    (
        SchemeInfo(
            "pupil-core",
            "Pupil Labs Core: Pupil Capture or Service over ZeroMQ",
            "pupil-core://127.0.0.1:50020?size=1280x720",
            _SCENE,
            ("zmq", "msgpack"),
            "gaze",
        ),
        f"{_ADAPTERS}.pupil_core",
    ),
    (
        SchemeInfo(
            "neon", "Pupil Labs Neon: Companion app over HTTP and RTSP", "neon://neon.local:8080", _SCENE
        ),
        f"{_ADAPTERS}.neon",
    ),
    (
        SchemeInfo(
            "invisible",
            "Pupil Labs Invisible: Companion app over HTTP and RTSP",
            "invisible://pi.local:8080",
            _SCENE,
        ),
        f"{_ADAPTERS}.neon",
    ),
    (
        SchemeInfo(
            "tobii-g3",
            "Tobii Pro Glasses 3: WebSocket and RTSP",
            "tobii-g3://192.168.75.51?via=rtsp",
            _SCENE,
            ("websockets",),
            "gaze",
        ),
        f"{_ADAPTERS}.tobii_g3",
    ),
    (
        SchemeInfo(
            "tobii-pro",
            "Tobii Pro screen trackers: callbacks of the Tobii Pro SDK",
            "tobii-pro://?size=1920x1080",
            _SCREEN,
            ("tobii_research",),
        ),
        f"{_ADAPTERS}.tobii_pro",
    ),
    (
        SchemeInfo(
            "gazepoint", "Gazepoint GP3: OpenGaze API over TCP", "gazepoint://127.0.0.1:4242", _SCREEN
        ),
        f"{_ADAPTERS}.gazepoint",
    ),
    (
        SchemeInfo(
            "lsl",
            "Lab Streaming Layer: any stream of type Gaze with labelled channels",
            "lsl://?name=pupil_capture&size=1280x720",
            "as its channels' units say",
            ("pylsl",),
            "gaze",
        ),
        f"{_ADAPTERS}.lsl",
    ),
    (
        SchemeInfo(
            "ray+udp",
            "OpenXR and other headsets: ray and point packets over UDP",
            "ray+udp://0.0.0.0:9750?distance_m=2",
            "the projection that the packets carry; distortion as its coefficients say",
        ),
        f"{_ADAPTERS}.ray",
    ),
    (
        SchemeInfo(
            "ray+ws",
            "OpenXR, WebXR and other headsets: the same packets over a WebSocket that we serve",
            "ray+ws://0.0.0.0:9751",
            "the projection that the packets carry; distortion as its coefficients say",
            ("websockets",),
            "gaze",
        ),
        f"{_ADAPTERS}.ray",
    ),
    (
        SchemeInfo(
            "mouse",
            "The mouse as a tracker, fed by the application's window",
            "mouse://?rate_hz=60",
            "window",
        ),
        f"{_ADAPTERS}.mouse",
    ),
    (
        SchemeInfo(
            "webcam",
            "A webcam, or a video of the person: calibrate with `sam-edge gaze calibrate`",
            "webcam:0?calibration=me.json&screen=1920x1080&screen_mm=530",
            _SCREEN,
        ),
        "sam_edge.gaze.webcam.source",
    ),
    (
        SchemeInfo(
            "replay+file",
            "A recording, at its own pace, faster, or stepped",
            "replay+file:session/gaze.csv?speed=1",
            "as recorded",
        ),
        f"{_ADAPTERS}.replay",
    ),
)

_registered: dict[str, tuple[SchemeInfo, Opener]] = {}


def register(info: SchemeInfo, opener: Opener) -> None:
    """Add a scheme for this process.

    Args:
        info: the scheme and its description.
        opener: makes a source from its address.

    Raises:
        InputError: the scheme is already registered.
    """
    if info.scheme in _table():
        raise InputError(f"the scheme {info.scheme!r} is already registered; choose another name")
    _registered[info.scheme] = (info, opener)


def schemes() -> tuple[SchemeInfo, ...]:
    """Return every scheme that can be opened: built-in, installed by packages, and registered.

    Raises:
        InputError: two packages offer the same scheme.
    """
    return tuple(info for info, _ in _table().values())


def open(url: str, **options: object) -> GazeSource:
    """Open a gaze source by its URL, connected and reading.

    Args:
        url: `scheme://host:port?option=value`, or a scheme alone, as `webcam`. `schemes()` lists the schemes, and
            docs/how-to/trackers.md their options.
        **options: the same options as Python values.

    Returns:
        The open source. Close it, or use it as a context manager.

    Raises:
        InputError: unknown scheme or option, or a value that is not accepted.
        MissingExtraError: the client library is not installed.
        TrackerError: the tracker cannot be reached within the time-out.

    Example:
        >>> with sam_edge.gaze.open("gazepoint://127.0.0.1") as source:  # doctest: +SKIP
        ...     for sample in source:
        ...         print(sample.x_px, sample.y_px)
    """
    table = _table()
    address = SourceAddress(f"{url}:" if url.lower() in table else url, options)
    if address.scheme not in table:
        raise InputError(
            f"url is {url!r}; its scheme {address.scheme!r} is unknown, known are {', '.join(sorted(table))}"
        )
    source = table[address.scheme][1](address)
    address.reject_unknown()
    source.__enter__()
    return source


def _table() -> dict[str, tuple[SchemeInfo, Opener]]:
    table = {info.scheme: (info, _built_in_opener(module)) for info, module in _BUILT_IN}
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in table:
            raise InputError(
                f"two packages offer the gaze source {entry.name!r}, one of them as {entry.value}; uninstall one"
            )
        info = SchemeInfo(entry.name, f"from {entry.value}", f"{entry.name}://", "as its package says")
        table[entry.name] = (info, _entry_point_opener(entry))
    for scheme, (info, opener) in _registered.items():
        if scheme in table:
            raise InputError(f"the scheme {scheme!r} is registered twice; choose another name")
        table[scheme] = (info, opener)
    return table


def _built_in_opener(module: str) -> Opener:
    def opener(address: SourceAddress) -> GazeSource:
        return cast(GazeSource, importlib.import_module(module).from_address(address))

    return opener


def _entry_point_opener(entry: metadata.EntryPoint) -> Opener:
    def opener(address: SourceAddress) -> GazeSource:
        return cast(GazeSource, entry.load()(address))

    return opener
