"""A client and a real server: selecting, keeping, releasing, and what is said about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.client import Client, RefusedError, connect
from sam_edge.gaze.adapters.ray_projection import RayCamera
from sam_edge.gaze.samples import GazeSample
from sam_edge.serve.server import Server
from sam_edge.stream.selection import State
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.messages import (
    FrameSelection,
    ImageFormat,
    Intrinsics,
    MaskFormat,
    MaskOptions,
    Rays,
    RaySample,
)

MS = 1_000_000
STEP_NS = 40 * MS
CAMERA = RayCamera(320, 240, 300, 300, 160, 120)


class Headset:
    """Sends frames and gaze as a headset does, one at a time."""

    def __init__(self, client: Client, image: NDArray[np.uint8]) -> None:
        self.client = client
        self.image = image
        self.now_ns = 1_000 * MS

    def frame(self, place: tuple[float, float] | None = None, **options: object) -> FrameSelection:
        """Send gaze at a place and the next frame; return its selection."""
        before, self.now_ns = self.now_ns, self.now_ns + STEP_NS
        if place is not None:
            times = range(before + 5 * MS, self.now_ns + 1, 5 * MS)
            self.client.send_gaze([GazeSample(one, *place) for one in times])
        assert self.client.wait_until_ready(10)
        number = self.client.send_frame(self.image, self.now_ns, **options)  # type: ignore[arg-type]
        selected = self.client.receive(10)
        assert selected is not None
        assert selected.frame_id == number
        assert selected.frame_time_ns == self.now_ns
        return selected

    def until(
        self, wanted: Callable[[FrameSelection], bool], place: tuple[float, float] | None = None
    ) -> FrameSelection:
        """Go on until a selection is as wanted."""
        for _ in range(150):
            selected = self.frame(place)
            if wanted(selected):
                return selected
        raise AssertionError(f"it never came: {selected}")


def is_selected(selected: FrameSelection) -> bool:
    return selected.state is State.FOCUSED and selected.gaze_target is not None


@pytest.fixture
def headset(server: Server, scene: NDArray[np.uint8]) -> Iterator[Headset]:
    with connect(server.stream_url) as client:
        yield Headset(client, scene)


def test_without_gaze_nothing_is_selected(headset: Headset) -> None:
    selected = headset.frame()
    assert selected.state is State.NONE
    assert selected.objects == ()
    assert selected.frame_size == (240, 320)
    assert {"wait", "picture", "total", "pack"} <= set(selected.stages_ms)
    assert selected.sent_ns > selected.received_ns > 0


def test_gaze_selects_what_it_rests_on(headset: Headset) -> None:
    selected = headset.until(is_selected, (100.0, 120.0))
    thing = selected.gaze_target
    assert thing is not None
    mask = thing.mask(selected.frame_size)
    assert mask[120, 100]
    assert mask.sum() == thing.area_px
    rows, columns = np.nonzero(mask)
    assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert selected.fixation is not None
    assert abs(selected.fixation[0] - 100) < 2


def test_a_thing_is_kept_until_it_is_released(headset: Headset) -> None:
    headset.until(is_selected, (100.0, 120.0))
    number = headset.client.pin(headset.now_ns).result(10)
    assert number > 0
    kept = headset.until(lambda one: bool(one.pinned), (100.0, 120.0))
    assert [thing.object_id for thing in kept.pinned] == [number]
    assert headset.client.unpin(number).result(10) == number
    assert headset.until(lambda one: not one.pinned).pinned == ()


def test_select_with_nothing_there_says_so(headset: Headset) -> None:
    assert headset.client.pin().result(10) == 0
    headset.frame()
    assert headset.client.pin().result(10) == 0


def test_a_pinch_selects_what_is_at_its_point(headset: Headset) -> None:
    headset.frame()
    pinch = headset.client.pin(point_px=(220.0, 90.0))
    seen = headset.until(lambda _: pinch.done())
    number = pinch.result(0)
    assert number > 0
    seen = headset.until(lambda one: bool(one.pinned))
    assert seen.pinned[0].object_id == number
    assert seen.pinned[0].mask(seen.frame_size)[90, 220]


def test_a_pinch_whose_frames_stop_is_answered_all_the_same(headset: Headset) -> None:
    headset.frame()
    assert headset.client.pin(point_px=(220.0, 90.0)).result(10) == 0


def test_a_second_pinch_takes_the_place_of_the_first(headset: Headset) -> None:
    headset.frame()
    first, second = (
        headset.client.pin(point_px=(50.0, 50.0)),
        headset.client.pin(point_px=(220.0, 90.0)),
    )
    headset.until(lambda _: second.done())
    assert first.result(0) == 0
    assert second.result(0) > 0


def test_rays_are_gaze_in_the_picture(headset: Headset) -> None:
    headset.client.set_camera(CAMERA)

    def look(time_ns: int) -> RaySample:
        # 60 px to the right of the middle and 30 px above it, at 2 m.
        return RaySample(time_ns, (0.0, 0.0, 0.0), (0.2, 0.1, -1.0))

    for _ in range(100):
        times = range(headset.now_ns + 5 * MS, headset.now_ns + STEP_NS + 1, 5 * MS)
        headset.client.send_rays(Rays(tuple(look(one) for one in times)))
        selected = headset.frame()
        if selected.fixation is not None:
            break
    assert selected.fixation is not None
    assert selected.fixation[:2] == pytest.approx((220.0, 90.0), abs=0.5)


def test_frames_may_be_smaller_than_the_cameras_image(headset: Headset) -> None:
    headset.client.set_camera(RayCamera(640, 480, 600, 600, 320, 240))
    headset.frame()
    pinch = headset.client.pin(ray=RaySample(headset.now_ns, (0.0, 0.0, 0.0), (0.2, 0.1, -1.0)))
    headset.until(lambda _: pinch.done())
    seen = headset.until(lambda one: bool(one.pinned))
    assert seen.pinned[0].mask(seen.frame_size)[90, 220]


def test_intrinsics_come_with_frames_too(headset: Headset) -> None:
    headset.frame(intrinsics=Intrinsics((300.0, 300.0), (160.0, 120.0)))
    pinch = headset.client.pin(ray=RaySample(headset.now_ns, (0.0, 0.0, 0.0), (0.2, 0.1, -1.0)))
    headset.until(lambda _: pinch.done())
    assert pinch.result(0) > 0


def test_rays_without_a_camera_are_refused_and_the_session_goes_on(headset: Headset) -> None:
    headset.client.send_rays(Rays((RaySample(1, (0.0, 0.0, 0.0), (0.0, 0.0, -1.0)),)))
    with pytest.raises(RefusedError, match="no camera") as caught:
        headset.client.receive(10)
    assert caught.value.reply.code is ErrorCode.OUT_OF_ORDER
    assert headset.frame().state is State.NONE


def test_a_damaged_picture_is_refused_and_the_session_goes_on(headset: Headset) -> None:
    assert headset.client.send_encoded(b"\xff\xd8 nothing", (240, 320), 5) == 1
    with pytest.raises(RefusedError, match="image") as caught:
        headset.client.receive(10)
    assert caught.value.reply.code is ErrorCode.INVALID_IMAGE
    assert caught.value.reply.about_id == 1
    assert headset.client.in_flight == 0
    assert headset.frame().state is State.NONE


def test_time_has_to_advance(headset: Headset, jpeg: bytes) -> None:
    headset.frame()
    headset.client.send_encoded(jpeg, (240, 320), headset.now_ns)
    with pytest.raises(RefusedError, match="does not come after") as caught:
        headset.client.receive(10)
    assert caught.value.reply.code is ErrorCode.OUT_OF_ORDER


def test_another_size_and_a_restart_begin_new_sessions(headset: Headset) -> None:
    first = headset.until(is_selected, (100.0, 120.0))
    headset.image = np.ascontiguousarray(headset.image[:200])
    second = headset.frame()
    assert second.session == first.session + 1
    assert second.state is State.NONE
    assert headset.client.reset().result(10) == 0
    assert headset.frame().session == second.session + 1


@pytest.mark.parametrize("form", list(MaskFormat))
def test_masks_come_as_they_were_asked_for(
    server: Server, scene: NDArray[np.uint8], form: MaskFormat
) -> None:
    with connect(server.stream_url, masks=MaskOptions(form, polygons=True)) as client:
        headset = Headset(client, scene)
        selected = headset.until(is_selected, (100.0, 120.0))
        thing = selected.gaze_target
        assert thing is not None
        assert thing.format is form
        if form is not MaskFormat.NONE:
            assert thing.mask(selected.frame_size).sum() == thing.area_px
        outline = np.concatenate(thing.polygons)
        assert outline.min(axis=0) == pytest.approx(thing.box[:2], abs=1)
        assert outline.max(axis=0) == pytest.approx(thing.box[2:], abs=1)
        client.configure(MaskOptions(MaskFormat.NONE))
        headset.frame()
        last = headset.frame((100.0, 120.0)).gaze_target
        assert last is not None
        assert last.mask_data == b""
        assert last.polygons == ()


def nv12_of(image: NDArray[np.uint8]) -> bytes:
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    luma = image.shape[0] * image.shape[1]
    u, v = planes[luma : luma * 5 // 4], planes[luma * 5 // 4 :]
    return planes[:luma].tobytes() + np.stack([u, v], axis=1).tobytes()


def test_raw_pictures_are_what_their_jpeg_is(scene: NDArray[np.uint8]) -> None:
    from sam_edge.client import jpeg_of
    from sam_edge.serve.image_decoding import read_frame
    from sam_edge.wire.messages import SceneFrame

    rgba = np.dstack([scene, np.full(scene.shape[:2], 77, np.uint8)])
    made = {
        ImageFormat.RGB: scene.tobytes(),
        ImageFormat.RGBA: rgba.tobytes(),
        ImageFormat.NV12: nv12_of(scene),
        ImageFormat.JPEG: jpeg_of(scene, 100),
    }
    for form, data in made.items():
        image = read_frame(SceneFrame(1, 1, form, (240, 320), data), max_pixels=1 << 20)
        assert image.shape == scene.shape
        off = np.abs(image.astype(int) - scene.astype(int)).mean()
        assert off <= {ImageFormat.RGB: 0, ImageFormat.RGBA: 0}.get(form, 4)
    upside_down = SceneFrame(1, 1, ImageFormat.RGBA, (240, 320), rgba.tobytes(), bottom_up=True)
    assert np.array_equal(read_frame(upside_down, max_pixels=1 << 20), scene[::-1])


def test_the_clocks_of_one_machine_are_the_same(headset: Headset) -> None:
    for _ in range(100):
        headset.frame()
        if (clock := headset.client.clock) is not None:
            break
    assert clock is not None
    assert abs(clock.offset_ns) <= clock.uncertainty_ns


def test_the_newest_frame_wins(server: Server, scene: NDArray[np.uint8], jpeg: bytes) -> None:
    """Frames beyond the window are answered, too: every frame exactly once."""
    from websockets.sync.client import connect as open_socket

    from sam_edge.wire import protocol
    from sam_edge.wire.messages import Hello, SceneFrame, SkippedFrame, Welcome

    with open_socket(server.stream_url, compression=None, proxy=None) as socket:
        socket.send(protocol.encode(Hello()))
        assert isinstance(protocol.decode_server_message(socket.recv(timeout=10, decode=False)), Welcome)
        for number in range(20):
            socket.send(protocol.encode(SceneFrame(number, number, ImageFormat.JPEG, (240, 320), jpeg)))
        answers = [protocol.decode_server_message(socket.recv(timeout=10, decode=False)) for _ in range(20)]
    seen = [one.frame_id for one in answers if isinstance(one, (FrameSelection, SkippedFrame))]
    assert sorted(seen) == list(range(20))
    assert any(isinstance(one, SkippedFrame) for one in answers)
    looked_at = [one.frame_id for one in answers if isinstance(one, FrameSelection)]
    assert looked_at == sorted(looked_at)
    assert looked_at[-1] == 19


def test_a_lost_server_is_an_error_and_not_a_hang(
    serve: Callable[..., Server], scene: NDArray[np.uint8]
) -> None:
    running = serve()
    client = connect(running.stream_url)
    headset = Headset(client, scene)
    headset.frame()
    running.stop()
    with pytest.raises(RefusedError, match="shuts down") as caught:
        client.receive(10)
    assert caught.value.reply.code is ErrorCode.SHUTTING_DOWN
    client.close()
    client.close()


def test_two_clients_do_not_see_each_other(server: Server, scene: NDArray[np.uint8]) -> None:
    with connect(server.stream_url) as one, connect(server.stream_url) as two:
        left, right = Headset(one, scene), Headset(two, np.ascontiguousarray(scene[:, ::-1]))
        found: list[FrameSelection | None] = [None, None]
        until = time.monotonic() + 20
        while not all(found) and time.monotonic() < until:
            # What fills half of a frame is an object from the second dwell on.
            row = 120.0 + 50.0 * (left.now_ns // (600 * MS) % 2)
            for index, (headset, place) in enumerate(((left, (60.0, row)), (right, (260.0, row)))):
                selected = headset.frame(place)
                found[index] = found[index] or (selected if is_selected(selected) else None)
        for last, column in zip(found, (60, 260), strict=True):
            assert last is not None
            assert last.gaze_target is not None
            mask = last.gaze_target.mask(last.frame_size)
            assert mask[120, column]
            middle = np.nonzero(mask)[1].mean()
            assert abs(middle - column) < abs(middle - (320 - column))
