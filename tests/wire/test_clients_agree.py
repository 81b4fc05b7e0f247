"""The clients in JavaScript and C# have the constants and field orders of the Python modules."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.kinds import GAZE_SAMPLE_BYTES, MAX_SAMPLES, RAY_SAMPLE_BYTES, MessageKind
from sam_edge.wire.messages import CommandAction, ImageFormat, MaskFormat, ObjectAction, SkipReason
from sam_edge.wire.object_codec import EVENT_KINDS
from sam_edge.wire.server_codec import _ORIGINS, _STATES
from sam_edge.wire.webcam_messages import CalibrationAction, TargetState

ORIGINS = {name: number for number, name in enumerate(_ORIGINS)}
EVENTS = {name: number for number, name in enumerate(EVENT_KINDS, start=1)}
STATES = {state.value: number for number, state in enumerate(_STATES)}
CODES = {code.name.lower(): int(code) for code in ErrorCode if code is not ErrorCode.UNKNOWN}


@pytest.fixture(scope="module")
def script(repo_dir: Path) -> str:
    page = repo_dir / "sam_edge" / "serve" / "page"
    return "".join(
        (page / name).read_text(encoding="utf-8")
        for name in ("protocol.js", "protocol-webcam.js", "protocol-objects.js")
    )


@pytest.fixture(scope="module")
def types(repo_dir: Path) -> str:
    return (repo_dir / "sam_edge" / "serve" / "page" / "sam-edge-client.d.ts").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def csharp(repo_dir: Path) -> str:
    folder = repo_dir / "unity" / "com.sam-edge.client" / "Runtime"
    names = ("Protocol.cs", "WireReader.cs", "SamEdgeClient.Messages.cs")
    return "".join((folder / name).read_text(encoding="utf-8") for name in names)


def names_of(enum: type[IntEnum]) -> dict[str, int]:
    return {member.name.lower(): int(member) for member in enum}


def script_object(script: str, name: str) -> dict[str, int]:
    """A constant object of numbers by name, or of names by number."""
    match = re.search(rf"export const {name} = \{{(.*?)\}};", script, re.DOTALL)
    assert match is not None, name
    by_name = re.findall(r"(\w+): (0x[0-9a-f]+|\d+)\b", match[1])
    by_number = re.findall(r"(\d+): \"(\w+)\"", match[1])
    if by_number:
        return {key: int(number) for number, key in by_number}
    return {key: int(number, 0) for key, number in by_name}


def script_list(script: str, name: str) -> dict[str, int]:
    match = re.search(rf"export const {name} = \[(.*?)\];", script, re.DOTALL)
    assert match is not None, name
    return {value: number for number, value in enumerate(re.findall(r"\"(\w+)\"", match[1]))}


def csharp_enum(csharp: str, name: str) -> dict[str, int]:
    match = re.search(rf"enum {name}(?: : byte)?\s*\{{(.*?)\}}", csharp, re.DOTALL)
    assert match is not None, name
    members = re.findall(r"(\w+) = (0x[0-9a-fA-F]+|\d+)", match[1])
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower(): int(number, 0) for member, number in members}


def csharp_constant(csharp: str, name: str) -> int:
    match = re.search(rf"\b{name} = (0x[0-9a-fA-F]+|\d+)", csharp)
    assert match is not None, name
    return int(match[1], 0)


def type_union(types: str, name: str) -> list[str]:
    match = re.search(rf"export type {name} =([^;]*);", types)
    assert match is not None, name
    return re.findall(r"\"(\w+)\"", match[1])


def test_the_version_is_the_same_everywhere(script: str, csharp: str, repo_dir: Path) -> None:
    assert re.findall(r"export const VERSION = (\d+);", script) == [str(protocol.VERSION)]
    assert csharp_constant(csharp, "ProtocolVersion") == protocol.VERSION
    page = (repo_dir / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
    assert page.startswith(f"# The wire protocol, version {protocol.VERSION}\n")
    for text in (script, csharp):
        assert f"version {protocol.VERSION}" in text.splitlines()[0]


def test_javascript_has_the_same_numbers(script: str) -> None:
    assert script_object(script, "KINDS") == names_of(MessageKind)
    assert script_object(script, "ERROR_CODES") == CODES
    assert script_object(script, "MASK_FORMATS") == names_of(MaskFormat)
    assert script_object(script, "IMAGE_FORMATS") == names_of(ImageFormat)
    assert script_object(script, "COMMAND_ACTIONS") == names_of(CommandAction)
    assert script_object(script, "CALIBRATION_ACTIONS") == names_of(CalibrationAction)
    assert script_object(script, "OBJECT_ACTIONS") == names_of(ObjectAction)
    assert script_object(script, "EVENT_KINDS") == EVENTS
    assert script_object(script, "SKIP_REASONS") == names_of(SkipReason)
    assert script_list(script, "STATES") == STATES
    assert script_list(script, "ORIGINS") == ORIGINS
    assert script_list(script, "TARGET_STATES") == names_of(TargetState)


def test_javascript_has_the_same_sizes(script: str) -> None:
    assert f"const SAMPLE_BYTES = {GAZE_SAMPLE_BYTES};" in script
    assert f"const RAY_BYTES = {RAY_SAMPLE_BYTES};" in script


def test_javascript_uses_the_wire_names_as_kinds(script: str) -> None:
    read = set(re.findall(r"kind: \"(\w+)\"", script))
    assert read == {kind.name.lower() for kind in MessageKind if kind >= 0x80}


def test_typescript_declares_the_same_names(types: str) -> None:
    assert type_union(types, "State") == list(STATES)
    assert type_union(types, "Origin") == list(ORIGINS)
    assert type_union(types, "MaskFormat") == list(names_of(MaskFormat))
    assert type_union(types, "ImageFormat") == list(names_of(ImageFormat))
    assert type_union(types, "EventKind") == [*EVENTS, "other"]
    assert type_union(types, "CalibrationAction") == list(names_of(CalibrationAction))
    declared = set(re.findall(r"kind: \"(\w+)\"", types))
    assert declared == {kind.name.lower() for kind in MessageKind if kind >= 0x80}


def test_csharp_has_the_same_numbers(csharp: str) -> None:
    kinds = csharp_enum(csharp, "MessageKind")
    assert kinds.items() <= names_of(MessageKind).items()
    assert len(kinds) == 18
    assert csharp_enum(csharp, "ErrorCode") == CODES
    assert csharp_enum(csharp, "State") == STATES
    assert csharp_enum(csharp, "Origin") == ORIGINS
    assert csharp_enum(csharp, "EventKind") == EVENTS
    assert csharp_enum(csharp, "ObjectAction") == names_of(ObjectAction)
    actions = csharp_enum(csharp, "CommandAction")
    assert actions.items() <= names_of(CommandAction).items()
    assert csharp_constant(csharp, "MaskFormatRuns") == MaskFormat.RUNS
    assert csharp_constant(csharp, "ImageFormatJpeg") == ImageFormat.JPEG
    assert csharp_constant(csharp, "MaxSamples") == MAX_SAMPLES


def body_of(source: str, head: str) -> str:
    """The text from a function's head to the next blank line."""
    start = source.index(head)
    return source[start : source.index("\n\n", start)]


WIDTHS = {
    "Byte": 1,
    "UInt16": 2,
    "UInt32": 4,
    "Int64": 8,
    "Single": 4,
    "u8": 1,
    "u16": 2,
    "u32": 4,
    "i64": 8,
    "f32": 4,
}


def csharp_widths(body: str) -> list[int]:
    return [WIDTHS[name] for name in re.findall(r"from\.Read(Byte|UInt16|UInt32|Int64|Single)\(\)", body)]


def script_widths(body: str) -> list[int]:
    return [WIDTHS[name] for name in re.findall(r"reader\.(u8|u16|u32|i64|f32)\(\)", body)]


def test_selections_have_the_same_field_order_in_both_clients(script: str, csharp: str) -> None:
    """Sizes of the fields in the order in which docs/reference/protocol.md lists them."""
    head = [8, 8, 8, 4, 2, 2, 1, 1, 1, 1, 4, 4, 4, 4]
    stage_ms = [4]
    assert script_widths(body_of(script, "function readSelection(")) == head + stage_ms
    assert csharp_widths(body_of(csharp, "static FrameSelection Selection(")) == head + stage_ms
    item = [4, 1, 1, 2, 4, 4, 4, 4, 4, 2, 2, 2, 2, 4, 4, 4]
    assert script_widths(body_of(script, "function readObject(")) == item
    assert csharp_widths(body_of(csharp, "static SelectedObject Object(")) == item


def test_known_objects_have_the_same_field_order_in_both_clients(script: str, csharp: str) -> None:
    """As above; unused bytes are skipped, and the label ends each item."""
    item = [4, 1, 8, 8, 4, 4, 4, 4, 4, 4]
    assert script_widths(body_of(script, "function readKnownObject(")) == item
    assert csharp_widths(body_of(csharp, "static KnownObject Known(")) == item
    event = [8, 1, 4, 4]
    assert script_widths(body_of(script, "function readEvent(")) == event
    assert csharp_widths(body_of(csharp, "static ObjectEvent Event(")) == event
    info = [2, 2, 4]
    assert script_widths(body_of(script, "function readObjectInfo(")) == info
    assert csharp_widths(body_of(csharp, "static ObjectInfo Info(")) == info
    assert script_widths(body_of(script, "function readUnconfirmed(")) == [4]
    listed = [4, 2]
    assert script_widths(body_of(script, "function readObjectList(")) == listed
    assert csharp_widths(body_of(csharp, "static List<KnownObject> ObjectList(")) == listed
