"""From a URL to an open source of gaze: `open("pupil-core://192.168.0.7")`.

The adapters are imported only when their scheme is opened. Other packages add schemes of their own through the entry
point group `sam_edge.gaze_sources`: the entry's name is the scheme, its value a function that takes a
`SourceAddress` and returns a `GazeSource`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TypeAlias, cast
from urllib.parse import parse_qsl, unquote

from sam_edge.errors import InputError
from sam_edge.gaze.source import GazeSource

ENTRY_POINT_GROUP = "sam_edge.gaze_sources"


@dataclass(frozen=True, slots=True)
class SchemeInfo:
    """What can be opened under one URL scheme."""

    scheme: str
    """The part of the URL before the first colon."""
    summary: str
    """What it reads, in a few words."""
    example: str
    """A URL that shows address and options."""
    space: str
    """What the pixels of its samples are pixels of, and whether lens distortion is in them."""
    modules: tuple[str, ...] = ()
    """Modules that must be installed for it."""
    extra: str = ""
    """The extra of sam-edge that brings them; empty when none is needed."""

    @property
    def installed(self) -> bool:
        """Whether the modules it needs are there. Nothing is imported."""
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    @property
    def install_command(self) -> str:
        """The pip command that brings what it needs; empty when it needs nothing."""
        if self.extra:
            return f"pip install 'sam-edge[{self.extra}]'"
        return f"pip install {' '.join(self.modules).replace('_', '-')}" if self.modules else ""


class SourceAddress:
    """A parsed URL and its options, with typed getters that say what is accepted.

    Options come from the URL's query and from Python; an option that no getter asked for is an error.
    """

    def __init__(self, url: str, options: Mapping[str, object] | None = None) -> None:
        """Take apart `url`: `scheme://host:port/path?option=value` or `scheme:path?option=value`.

        Raises:
            InputError: there is no scheme, the port is no number, or an option is given twice.
        """
        self.url = url
        scheme, colon, rest = url.partition(":")
        if not colon or not scheme:
            raise InputError(
                f"url is {url!r}; accepted is scheme://address, for example pupil-core://127.0.0.1"
            )
        self.scheme = scheme.lower()
        rest, _, query = rest.partition("?")
        self.host = ""
        self.port: int | None = None
        self.path = rest
        if rest.startswith("//"):
            authority, slash, path = rest[2:].partition("/")
            self.host, self.port = self._split_authority(authority)
            self.path = slash + path
        self.path = unquote(self.path)
        self._options: dict[str, object] = {}
        for name, value in [*parse_qsl(query, keep_blank_values=True), *(options or {}).items()]:
            if name in self._options:
                raise InputError(f"option {name!r} of {url!r} is given twice; give it once")
            self._options[name] = value
        self._asked: list[str] = []

    def _split_authority(self, authority: str) -> tuple[str, int | None]:
        host, port = authority, ""
        if authority.startswith("["):
            host, _, after = authority[1:].partition("]")
            port = after.removeprefix(":")
        elif authority.count(":") == 1:
            host, _, port = authority.partition(":")
        if not port:
            return unquote(host), None
        if not port.isdecimal() or not 0 <= int(port) <= 65535:
            raise InputError(f"the port of {self.url!r} is {port!r}; accepted are 0 to 65535")
        return unquote(host), int(port)

    def need_host(self) -> str:
        """Return the host; an error when the URL has none."""
        if not self.host:
            raise InputError(f"url {self.url!r} names no host; accepted is {self.scheme}://HOST[:PORT]")
        return self.host

    def take(self, name: str) -> object | None:
        """Return an option as it was given, or None."""
        self._asked.append(name)
        return self._options.get(name)

    def text(self, name: str, default: str | None = None, *, choices: Iterable[str] = ()) -> str | None:
        """Return an option that is text, one of `choices` when there are any."""
        value = self.take(name)
        if value is None:
            return default
        accepted = tuple(choices)
        if not isinstance(value, str) or (accepted and value not in accepted):
            raise self._refuse(name, value, " or ".join(map(repr, accepted)) or "text")
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return an option that is a number from `least` to `most`."""
        value = self.take(name)
        if value is None:
            return default
        try:
            result = float(cast(str, value))
        except (TypeError, ValueError):
            result = float("nan")
        if isinstance(value, bool) or not least <= result <= most:
            raise self._refuse(name, value, f"a number from {least:g} to {most:g}")
        return result

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return an option that is a whole number from `least` to `most`."""
        result = self.number(name, default, least=least, most=most)
        if result != int(result):
            raise self._refuse(name, result, "a whole number")
        return int(result)

    def size(self, name: str = "size") -> tuple[int, int] | None:
        """Return an image size as (height, width): text "1280x720" is width x height, a tuple (height, width)."""
        value = self.take(name)
        if value is None:
            return None
        parts: tuple[object, ...] = ()
        if isinstance(value, str):
            width, _, height = value.lower().partition("x")
            parts = (int(height), int(width)) if width.isdecimal() and height.isdecimal() else ()
        elif isinstance(value, tuple):
            parts = value
        if len(parts) != 2 or not all(isinstance(part, int) and 1 <= part <= 65536 for part in parts):
            raise self._refuse(
                name, value, 'text like "1280x720" (width x height) or a tuple (height, width)'
            )
        return cast("tuple[int, int]", parts)

    def timeout_s(self) -> float:
        """Return the option `timeout`: seconds of silence that are an error; 5 unless given."""
        return self.number("timeout", 5.0, least=0.05, most=3600.0)

    def buffer_samples(self) -> int:
        """Return the option `buffer`: samples kept for a slow reader; 8192 unless given."""
        return self.integer("buffer", 8192, least=1, most=10_000_000)

    def reject_unknown(self) -> None:
        """Raise `InputError` when an option was given that no getter asked for."""
        unknown = sorted(set(self._options) - set(self._asked))
        if unknown:
            raise InputError(
                f"{self.scheme} does not know the option {unknown[0]!r}; it knows {', '.join(sorted(set(self._asked)))}"
            )

    def _refuse(self, name: str, value: object, accepted: str) -> InputError:
        return InputError(f"option {name!r} of {self.url!r} is {value!r}; accepted is {accepted}")


Opener: TypeAlias = Callable[[SourceAddress], GazeSource]
"""Makes a source from its address; entering the source, as a context manager, opens it."""

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
    """Add a scheme while the program runs.

    Args:
        info: what the scheme is.
        opener: makes a source from its address.

    Raises:
        InputError: the scheme is taken.
    """
    if info.scheme in _table():
        raise InputError(f"the scheme {info.scheme!r} is already registered; choose another name")
    _registered[info.scheme] = (info, opener)


def schemes() -> tuple[SchemeInfo, ...]:
    """Return every scheme that can be opened: built in, installed, registered.

    Raises:
        InputError: two packages offer the same scheme.
    """
    return tuple(info for info, _ in _table().values())


def open(url: str, **options: object) -> GazeSource:
    """Open the source that `url` names, connected and reading.

    Args:
        url: `scheme://host:port?option=value`, or a scheme alone, as `webcam`; `schemes()` lists the schemes,
            docs/trackers.md their options.
        **options: the same options as Python values, for those that are awkward in a URL.

    Returns:
        An open source; close it, or use it as a context manager.

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
