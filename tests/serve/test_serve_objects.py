"""A client and a real server: objects with labels, what happens to them, and the list of those that are known."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.sync.client import connect as open_socket

from sam_edge.client import Client, RefusedError, connect
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import KnownObject, ObjectMemory
from sam_edge.serve.server import Server
from sam_edge.stream.selection import State
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.messages import (
    ConfirmationRequest,
    FrameSelection,
    Gaze,
    Hello,
    ImageFormat,
    MaskFormat,
    MaskOptions,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    SceneFrame,
    ServerMessage,
    Unconfirmed,
)

MS = 1_000_000
STEP_NS = 40 * MS
LEFT, RIGHT = (50.0, 120.0), (270.0, 120.0)
ASIDE_PX = 50.0
"""From one dwell on a half to the next: what fills so much of a frame is an object from the second dwell on."""


@pytest.fixture(scope="session")
def halves(scene: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A textured picture, RGB (240, 320, 3): red on the left, blue on the right. Nothing takes one for the other."""
    image = scene // 4
    image[:, :160, 0] += 180
    image[:, 160:, 2] += 180
    return image


class Wearer:
    """Looks at places, and sends a frame for each 40 ms of gaze."""

    def __init__(self, client: Client, image: NDArray[np.uint8]) -> None:
        self.client = client
        self.image = image
        self.now_ns = 1_000 * MS
        self.seen: list[FrameSelection] = []

    def frame(self, place: tuple[float, float] | None = None) -> FrameSelection:
        before, self.now_ns = self.now_ns, self.now_ns + STEP_NS
        if place is not None:
            times = range(before + 5 * MS, self.now_ns + 1, 5 * MS)
            self.client.send_gaze([GazeSample(time_ns, *place) for time_ns in times])
        assert self.client.wait_until_ready(10)
        self.client.send_frame(self.image, self.now_ns, image_format=ImageFormat.RGB)
        selection = self.client.receive(10)
        assert selection is not None
        self.seen.append(selection)
        return selection

    def look_at(self, place: tuple[float, float]) -> int:
        """Look at a place until an object is selected there; return its number."""
        for count in range(150):
            selection = self.frame((place[0], place[1] + ASIDE_PX * (count // 15 % 2)))
            target = selection.gaze_target
            if selection.state is State.FOCUSED and target is not None and contains(target.box, place):
                return target.object_id
        raise AssertionError(f"nothing was selected at {place}: {selection}")

    def objects(self) -> dict[int, KnownObject]:
        return {item.object_id: item for item in self.client.list_objects().result(10)}

    def events(self) -> list[tuple[str, int, int | None]]:
        """What happened since the last call."""
        seen, self.seen = self.seen, []
        return [(event.kind, event.object_id, event.other_id) for one in seen for event in one.events]


def contains(box: tuple[float, float, float, float], place: tuple[float, float]) -> bool:
    return box[0] <= place[0] <= box[2] and box[1] <= place[1] <= box[3]


@pytest.fixture
def wearer(server: Server, halves: NDArray[np.uint8]) -> Iterator[Wearer]:
    with connect(server.stream_url) as client:
        yield Wearer(client, halves)


def test_before_the_first_frame_no_object_is_known(wearer: Wearer) -> None:
    assert wearer.objects() == {}
    with pytest.raises(RefusedError, match="1 is not known; there was no frame yet") as caught:
        wearer.client.rename(1, "cup").result(10)
    assert caught.value.reply.code is ErrorCode.UNKNOWN_OBJECT


def test_looking_makes_objects_known(wearer: Wearer) -> None:
    wearer.objects()
    number = wearer.look_at(LEFT)
    found = wearer.objects()[number]
    assert contains(found.box, LEFT)
    assert 0 < found.first_seen_ns <= found.last_seen_ns <= wearer.now_ns
    assert found.visits >= 1
    assert (found.label, found.pinned) == (None, False)
    assert ("new", number, None) in wearer.events()
    wearer.client.pin(wearer.now_ns).result(10)
    assert wearer.objects()[number].pinned


def test_a_label_comes_with_every_selection_until_it_is_taken_away(wearer: Wearer) -> None:
    number = wearer.look_at(LEFT)
    renamed = wearer.client.rename(number, "  Tasse ☕ ").result(10)
    assert {item.object_id: item.label for item in renamed}[number] == "Tasse ☕"
    wearer.events()
    target = wearer.frame(LEFT).gaze_target
    assert target is not None
    assert target.label == "Tasse ☕"
    assert wearer.events() == [("renamed", number, None)]
    target = wearer.frame(LEFT).gaze_target
    assert target is not None
    assert target.label == "Tasse ☕"
    wearer.client.rename(number, None).result(10)
    target = wearer.frame(LEFT).gaze_target
    assert target is not None
    assert target.label is None


def test_a_pinned_object_has_its_label_while_gaze_is_elsewhere(wearer: Wearer) -> None:
    left = wearer.look_at(LEFT)
    wearer.client.pin(wearer.now_ns).result(10)
    wearer.client.rename(left, "red").result(10)
    assert wearer.look_at(RIGHT) != left
    [pinned] = wearer.frame(RIGHT).pinned
    assert (pinned.object_id, pinned.label) == (left, "red")


def test_of_two_that_are_merged_one_number_remains(wearer: Wearer) -> None:
    left, right = wearer.look_at(LEFT), wearer.look_at(RIGHT)
    assert left != right
    before = wearer.objects()
    wearer.events()
    merged = {item.object_id: item for item in wearer.client.merge(left, right).result(10)}
    assert right not in merged
    assert merged[left].visits == before[left].visits + before[right].visits
    selection = wearer.frame(RIGHT)
    assert selection.gaze_target is not None
    assert selection.gaze_target.object_id == left
    assert ("merged", left, right) in wearer.events()
    with pytest.raises(RefusedError, match=f"{right} is not a known object"):
        wearer.client.merge(left, right).result(10)


def test_a_forgotten_object_gets_a_new_number(wearer: Wearer) -> None:
    number = wearer.look_at(LEFT)
    wearer.client.pin(wearer.now_ns).result(10)
    assert number not in {item.object_id for item in wearer.client.forget(number).result(10)}
    wearer.events()
    assert wearer.frame().pinned == ()
    assert ("forgotten", number, None) in wearer.events()
    # The dwell that was on it does not select it again.
    wearer.look_at(RIGHT)
    assert wearer.look_at(LEFT) not in (0, number)


def test_a_reset_forgets_all_objects_and_their_labels(wearer: Wearer) -> None:
    number = wearer.look_at(LEFT)
    wearer.client.rename(number, "red").result(10)
    wearer.client.reset().result(10)
    assert wearer.objects() == {}
    wearer.look_at(LEFT)
    target = wearer.frame(LEFT).gaze_target
    assert target is not None
    assert target.label is None


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("x" * 65, "65 characters; accepted: at most 64"),
        ("a\nb", r"U\+000A"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\u2028b", r"U\+2028"),
    ],
)
def test_a_label_that_is_not_accepted_changes_nothing(wearer: Wearer, label: str, words: str) -> None:
    number = wearer.look_at(LEFT)
    with pytest.raises(RefusedError, match=words) as caught:
        wearer.client.rename(number, label).result(10)
    assert caught.value.reply.code is ErrorCode.INVALID_OPTION
    assert wearer.objects()[number].label is None


def test_a_label_has_room_for_64_characters_of_any_script(wearer: Wearer) -> None:
    number = wearer.look_at(LEFT)
    label = "𒀀" * 64
    wearer.client.rename(number, label).result(10)
    target = wearer.frame(LEFT).gaze_target
    assert target is not None
    assert target.label == label
    with pytest.raises(InputError, match="260 bytes"):
        wearer.client.rename(number, "𒀀" * 65)


@pytest.mark.parametrize("keep", ["same", "unknown"])
def test_a_merge_that_makes_no_sense_is_refused(wearer: Wearer, keep: str) -> None:
    number = wearer.look_at(LEFT)
    with pytest.raises(RefusedError) as caught:
        wearer.client.merge(number if keep == "same" else 999, number).result(10)
    expected = ErrorCode.INVALID_OPTION if keep == "same" else ErrorCode.UNKNOWN_OBJECT
    assert caught.value.reply.code is expected
    assert number in wearer.objects()


def test_one_place_of_the_memory_is_neither_labelled_nor_pinned(
    wearer: Wearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_edge.identity.recognizer.ObjectMemory", lambda: ObjectMemory(2))
    left = wearer.look_at(LEFT)
    wearer.client.rename(left, "red").result(10)
    right = wearer.look_at(RIGHT)
    for refused in (wearer.client.rename(right, "blue"), wearer.client.pin(wearer.now_ns)):
        with pytest.raises(RefusedError, match="1 are pinned or labelled, of 2 that") as caught:
            refused.result(10)
        assert caught.value.reply.code is ErrorCode.INVALID_OPTION
    assert wearer.frame(RIGHT).pinned == ()
    wearer.client.rename(left, None).result(10)
    pinned = wearer.client.pin(wearer.now_ns).result(10)
    assert wearer.objects()[pinned].pinned


def test_the_servers_limit_of_a_label_can_be_set(
    serve: Callable[..., Server], halves: NDArray[np.uint8]
) -> None:
    with connect(serve(limits={"label_characters": 3}).stream_url) as client:
        wearer = Wearer(client, halves)
        number = wearer.look_at(LEFT)
        client.rename(number, "cup").result(10)
        with pytest.raises(RefusedError, match="4 characters; accepted: at most 3"):
            client.rename(number, "cups").result(10)


def test_too_many_commands_end_the_connection(serve: Callable[..., Server]) -> None:
    running = serve(limits={"object_commands_per_s": 4.0})
    with connect(running.stream_url) as client, pytest.raises(SessionError, match="commands about objects"):
        list_often(client)


def list_often(client: Client) -> None:
    for _ in range(20):
        client.list_objects().result(10)


@pytest.mark.usefixtures("half_is_background")
def test_a_client_that_sends_no_command_about_objects_gets_version_2_as_it_was(
    server: Server, halves: NDArray[np.uint8]
) -> None:
    """Kinds of messages are added without a new version, so a client must not get those that it does not know."""
    kinds = kinds_received(server, halves)
    assert kinds == {FrameSelection}
    assert kinds_received(server, halves, ObjectCommand(1, ObjectAction.LIST)) == {
        FrameSelection,
        ObjectInfo,
        ObjectList,
    }
    # Half of the frame looks like background until a second dwell is on it.
    assert kinds_received(server, halves, ConfirmationRequest()) == {FrameSelection, Unconfirmed}


@pytest.fixture
def half_is_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the frame is enough to look like background: the fake model's masks have many sizes."""
    monkeypatch.setattr(
        "sam_edge.stream.evidence.is_background", lambda grid, _: bool((grid > 0).mean() > 0.2)
    )


@pytest.mark.usefixtures("half_is_background")
def test_what_looks_like_background_is_not_confirmed_until_a_second_dwell(wearer: Wearer) -> None:
    wearer.client.ask_for_confirmation()
    # One dwell, however long the server takes to see what it lies on.
    outlined = next(one for one in (wearer.frame(LEFT) for _ in range(2000)) if one.gaze_target is not None)
    assert not outlined.confirmed
    assert outlined.state is State.HOVER
    wearer.look_at(LEFT)
    assert wearer.seen[-1].confirmed
    seen = [one.confirmed for one in wearer.seen if one.gaze_target is not None]
    assert seen == sorted(seen)


def kinds_received(
    server: Server, image: NDArray[np.uint8], *first: ObjectCommand | ConfirmationRequest
) -> set[type[ServerMessage]]:
    """Look at an object until it is focused; return the kinds of messages about selections and objects."""
    received: set[type[ServerMessage]] = set()
    with open_socket(server.stream_url, compression=None, proxy=None) as socket:
        socket.send(protocol.encode(Hello(MaskOptions(MaskFormat.NONE))))
        for command in first:
            socket.send(protocol.encode(command))
        for number in range(1, 100):
            now_ns = number * STEP_NS
            row = LEFT[1] + ASIDE_PX * (number // 15 % 2)
            samples = tuple(GazeSample(now_ns + step * 5 * MS, LEFT[0], row) for step in range(-7, 1))
            socket.send(protocol.encode(Gaze(samples)))
            height, width = image.shape[:2]
            frame = SceneFrame(number, now_ns, ImageFormat.RGB, (height, width), image.tobytes())
            socket.send(protocol.encode(frame))
            while True:
                data = socket.recv(timeout=10)
                assert isinstance(data, bytes)
                message = protocol.decode_server_message(data)
                if isinstance(message, FrameSelection | ObjectInfo | ObjectList | Unconfirmed):
                    received.add(type(message))
                if isinstance(message, FrameSelection):
                    break
            if message.state is State.FOCUSED:
                return received
    raise AssertionError("nothing was selected")


def test_a_command_that_is_cut_off_ends_the_connection(server: Server) -> None:
    with open_socket(server.stream_url, compression=None, proxy=None) as socket:
        socket.send(protocol.encode(Hello()))
        socket.recv(timeout=10)
        socket.send(struct.pack("<BBHIBBHII", 15, 0, 0, 5, 2, 0, 0, 1, 0) + b"\x09\x00cup")
        data = socket.recv(timeout=10)
        assert isinstance(data, bytes)
        error = protocol.decode_server_message(data)
        assert "cut off" in getattr(error, "message", "")


def test_the_server_announces_what_it_knows_about_objects(server: Server, ask: Callable[..., Any]) -> None:
    info = json.loads(ask(server, "/api/info").body)
    assert info["objects"] == {"known": 500, "label_characters": 64}
