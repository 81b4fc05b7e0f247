"""The registry of sources: URLs, options, and errors that say what to do."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib import metadata

import pytest

import sam_edge.gaze
from sam_edge.errors import InputError, MissingExtraError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.buffered import BufferedSource
from sam_edge.gaze.adapters.replay import ReplaySource
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.registry import SchemeInfo
from sam_edge.gaze.samples import GazeSample

LIVE = {
    "pupil-core",
    "neon",
    "invisible",
    "tobii-g3",
    "tobii-pro",
    "gazepoint",
    "lsl",
    "ray+udp",
    "ray+ws",
    "mouse",
    "replay+file",
}


def test_every_scheme_is_listed_with_what_it_needs() -> None:
    listed = {info.scheme: info for info in sam_edge.gaze.schemes()}
    assert set(listed) >= LIVE
    for scheme in LIVE:
        info = listed[scheme]
        assert info.example.startswith(f"{scheme}:")
        assert info.summary
        assert info.space
        SourceAddress(info.example)
    assert listed["neon"].installed
    assert listed["pupil-core"].install_command == "pip install 'sam-edge[gaze]'"
    assert listed["tobii-pro"].install_command == "pip install tobii-research"
    assert listed["mouse"].install_command == ""
    assert not SchemeInfo("x", "", "x:", "", modules=("no_such_module",)).installed


def test_importing_the_package_imports_no_client_library() -> None:
    code = (
        "import sys, sam_edge.gaze; "
        "sam_edge.gaze.schemes(); "
        "print([m for m in ('zmq', 'msgpack', 'pylsl', 'websockets', 'tobii_research') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(sam_edge.gaze.__all__))
def test_the_public_face_is_there(name: str) -> None:
    assert getattr(sam_edge.gaze, name) is not None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is 'nonsense'; accepted is scheme://address"),
        ("", "accepted is scheme://address"),
        ("eyelink://host", "'eyelink' is unknown, known are .*gazepoint"),
        ("neon://", "has no host"),
        ("neon://host:99999", "port .* is '99999'"),
        ("neon://host:port", "port .* is 'port'"),
        ("gazepoint://host?size=big", "'size' .* is 'big'; accepted is text like"),
        ("gazepoint://host?size=0x10", "'size'"),
        ("gazepoint://host?timeout=-1", "'timeout' .* accepted is a number from"),
        ("gazepoint://host?timeout=nan", "'timeout'"),
        ("gazepoint://host?buffer=1.5", "whole number"),
        ("gazepoint://host?colour=red", "has no option 'colour'; accepted are buffer, size, timeout"),
        ("gazepoint://host?size=8x8&size=9x9", "occurs twice"),
        ("tobii-g3://host?via=pigeon", "'via' .* 'rtsp' or 'websocket'"),
        ("tobii-pro://", "states no screen size"),
        ("lsl://?name=it's", "without quotes"),
        ("ray+udp://0.0.0.0?distance_m=0", "'distance_m'"),
        ("mouse://?rate_hz=0", "'rate_hz'"),
        ("replay+file:", "names no file"),
    ],
)
def test_wrong_urls_say_what_is_accepted(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        registry.open(url)


def test_options_come_from_the_url_and_from_python() -> None:
    address = SourceAddress("x://[fe80::1]:80/a%20b?size=640x480&flag=yes", {"camera": 7})
    assert (address.scheme, address.host, address.port, address.path) == ("x", "fe80::1", 80, "/a b")
    assert address.size() == (480, 640)
    assert address.text("flag") == "yes"
    assert address.take("camera") == 7
    assert address.text("absent", "default") == "default"
    address.reject_unknown()
    assert SourceAddress("x:", {"size": (480, 640)}).size() == (480, 640)
    with pytest.raises(InputError, match="occurs twice"):
        SourceAddress("x://?a=1", {"a": 2})
    with pytest.raises(InputError, match="tuple"):
        SourceAddress("x:", {"size": [480, 640]}).size()
    with pytest.raises(InputError, match="number"):
        SourceAddress("x:", {"n": True}).number("n", 0.0, least=0, most=1)


def stepped(_address: SourceAddress) -> ReplaySource:
    """An opener, as another package would write one."""
    return ReplaySource([GazeSample(1, 2.0, 3.0)], speed=0.0)


def test_a_scheme_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    info = SchemeInfo("mine", "my own", "mine://", "screen")
    sam_edge.gaze.register(info, stepped)
    assert info in sam_edge.gaze.schemes()
    with sam_edge.gaze.open("MINE://x") as source:
        assert isinstance(source, ReplaySource)
        source.advance_to(1)
        assert [sample.x_px for sample in source] == [2.0]
    for scheme in ("mine", "neon"):
        with pytest.raises(InputError, match="already registered"):
            sam_edge.gaze.register(SchemeInfo(scheme, "", "", ""), stepped)
    with pytest.raises(InputError, match="has no option"):
        sam_edge.gaze.open("mine://?x=1")


def offer(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Pretend that installed packages offer sources."""
    entries = [metadata.EntryPoint(name, f"{__name__}:stepped", registry.ENTRY_POINT_GROUP) for name in names]
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: entries if group == registry.ENTRY_POINT_GROUP else []
    )


def test_other_packages_add_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    offer(monkeypatch, "theirs")
    with sam_edge.gaze.open("theirs://") as source:
        assert isinstance(source, ReplaySource)
        source.advance_to(1)
        assert len(source.read()) == 1


@pytest.mark.parametrize("names", [("neon",), ("theirs", "theirs")])
def test_two_packages_with_one_scheme_are_an_error(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    offer(monkeypatch, *names)
    with pytest.raises(InputError, match="two packages offer"):
        sam_edge.gaze.schemes()


@pytest.mark.parametrize(
    ("url", "library"),
    [
        ("pupil-core://127.0.0.1", "pyzmq"),
        ("lsl://", "pylsl"),
        ("tobii-g3://127.0.0.1", "websockets"),
        ("ray+ws://127.0.0.1:0", "websockets"),
    ],
)
def test_a_missing_library_is_an_error_with_the_pip_command(
    monkeypatch: pytest.MonkeyPatch, url: str, library: str
) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    # The adapters are imported before, so that only the client libraries are missing.
    openers = {info.scheme: opener for info, opener in registry._table().values()}
    source = openers[url.partition(":")[0]](SourceAddress(url))
    monkeypatch.setattr(importlib, "import_module", refuse)
    assert isinstance(source, BufferedSource)
    with pytest.raises(MissingExtraError, match=rf"{library}.*pip install 'sam-edge\[gaze\]'"):
        source.open()
    source.close()
