"""Decoding of video files through FFmpeg's libraries (PyAV): the images as players show them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame as DecodedFrame
from av.video.reformatter import ColorPrimaries, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sam_edge.errors import MediaError, SamEdgeWarning
from sam_edge.media.video_index import VideoIndex, open_stream, packet_ticks, read_packets

MAX_DAMAGED_FRAMES, MAX_DAMAGED_SHARE = 3, 0.05
"""A video is refused where more frames than both, as a number and as a share, cannot be decoded."""
_HIGH_DYNAMIC_RANGE = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
CONVERTS_RANGE = int(av.__version__.partition(".")[0]) >= 18
"""Whether this PyAV converts high dynamic range; PyAV 17, the last one for Python 3.10, leaves colours as they are."""

Image = NDArray[np.uint8]


def decode_video(index: VideoIndex, first: int = 0) -> Generator[tuple[int, Image], None, None]:
    """Decode the frames of a video from number `first` on, in the order in which they are shown.

    Rotation and mirroring are applied as the file states them (ISO 14496-12, 8.3.2). Interlaced frames are
    deinterlaced. 10 bits become 8, and high dynamic range (PQ, HLG) becomes standard range. A frame that cannot be
    decoded is left out, with a warning after the last frame.

    Yields:
        The frame's number among the shown frames, and its image: RGB uint8 (H, W, 3), C-contiguous.

    Raises:
        MediaError: no frame can be decoded, or too many cannot.
    """
    damaged: list[str] = []
    decoded_frames = 0
    reformatter = VideoReformatter()
    orient: Callable[[Image], Image] | None = None
    with open_stream(index.path) as (container, stream):
        begin_s = _seek(container, stream, index, first) if first and index.times is not None else None
        decoded = _decode_packets(container, stream, index, damaged)
        for number, frame in _number(_deinterlace(decoded, stream), index, begin_s):
            if orient is None:
                orient = _orientation(frame)
                _check_range(frame, index)
            decoded_frames += 1
            if number >= first:
                yield number, orient(frame_to_rgb(frame, reformatter))
    if orient is None:
        raise MediaError(f"{index.path}: the video holds no frame that can be decoded")
    # A decoder with several threads may drop a damaged frame without an error.
    lost = max(len(damaged), 0 if first else index.count - decoded_frames)
    if lost > 0:
        earliest = f", the first at {damaged[0]}" if damaged else ""
        warnings.warn(
            f"{index.path}: {lost} of {index.count} frames cannot be decoded{earliest}; "
            "the frame before each of them stands for it",
            SamEdgeWarning,
            stacklevel=2,
        )


def _decode_packets(
    container: InputContainer, stream: VideoStream, index: VideoIndex, damaged: list[str]
) -> Iterator[DecodedFrame]:
    """Decode packet after packet; collect in `damaged` the times of those that cannot be decoded."""
    allowed = max(MAX_DAMAGED_FRAMES, MAX_DAMAGED_SHARE * index.count)
    for packet in read_packets(container, stream, index.path):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError as error:  # noqa: PERF203 - one packet's damage must not end the others
            ticks = packet_ticks(packet)
            damaged.append(
                "an unknown time" if ticks is None else f"{float(ticks * (packet.time_base or 0)):.3f} s"
            )
            if len(damaged) > allowed:
                raise MediaError(
                    f"{index.path}: the video is damaged: more than {allowed:.0f} of {index.count} frames cannot be "
                    f"decoded, the first at {damaged[0]}; copy or make the video again"
                ) from error


def _seek(container: InputContainer, stream: VideoStream, index: VideoIndex, first: int) -> float | None:
    """Go to the last key frame before a frame; return the time of the video's first frame, seconds.

    None where the first frame states no time: then the video is decoded from its beginning.
    """
    begin_s = next((frame.time for frame in container.decode(stream)), None)
    if begin_s is None or index.times is None or stream.time_base is None:
        container.seek(0)
        return None
    time_s = begin_s + float(index.times.begin_ns[first]) / 1e9
    container.seek(max(0, int(time_s / stream.time_base)), stream=stream)
    return begin_s


def _number(
    frames: Iterator[DecodedFrame], index: VideoIndex, begin_s: float | None = None
) -> Iterator[tuple[int, DecodedFrame]]:
    """Give each frame its place among the video's frames, by its time; frames that were left out leave a gap.

    Args:
        frames: in order.
        index: when each frame is shown.
        begin_s: time of the video's first frame; None where `frames` begins with it.
    """
    if index.times is None:
        yield from enumerate(frames)
        return
    number = -1
    begins_s = index.times.begin_ns / 1e9
    for frame in frames:
        time_s = frame.time
        if begin_s is None:
            begin_s = time_s or 0.0
        place = number + 1
        if time_s is not None:
            place = max(place, _nearest(begins_s, time_s - begin_s))
        if place >= index.count:
            return
        number = place
        yield number, frame


def _nearest(begins_s: NDArray[np.float64], time_s: float) -> int:
    """Return the index of the first of the rising `begins_s` (N,) that is nearest to a time."""
    after = int(np.searchsorted(begins_s, time_s))
    if after == 0 or (after < len(begins_s) and begins_s[after] - time_s < time_s - begins_s[after - 1]):
        return after
    return int(np.searchsorted(begins_s, begins_s[after - 1]))


def _deinterlace(frames: Iterator[DecodedFrame], stream: VideoStream) -> Iterator[DecodedFrame]:
    """Pass progressive frames on as they are, and interlaced ones through FFmpeg's filter `yadif`."""
    graph: Graph | None = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            graph = Graph()
            source = graph.add_buffer(template=stream)
            filter_context = graph.add("yadif", "mode=send_frame:deint=interlaced")
            graph.link_nodes(source, filter_context, graph.add("buffersink")).configure()
        graph.push(frame)
        yield from _pull(graph)
    if graph is not None:
        graph.push(None)
        yield from _pull(graph)


def _pull(graph: Graph) -> Iterator[DecodedFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, DecodedFrame):
            yield frame


def frame_to_rgb(frame: DecodedFrame, reformatter: VideoReformatter) -> Image:
    """Return a decoded frame as RGB uint8 (H, W, 3); high dynamic range becomes standard range."""
    if frame.color_trc in _HIGH_DYNAMIC_RANGE:
        # The first conversion takes seconds: it makes a table, which the reformatter keeps for the frames that follow.
        frame = reformatter.reformat(
            frame,
            format="rgb24",
            dst_color_trc=ColorTrc.IEC61966_2_1,
            dst_color_primaries=ColorPrimaries.BT709,
        )
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _check_range(frame: DecodedFrame, index: VideoIndex) -> None:
    """Warn of high dynamic range that this PyAV does not convert."""
    if frame.color_trc in _HIGH_DYNAMIC_RANGE and not CONVERTS_RANGE:
        warnings.warn(
            f"{index.path}: has high dynamic range, which PyAV {av.__version__} does not convert, so its colours are "
            "dull; PyAV 18 does: use Python 3.11 or later, and pip install 'av>=18'",
            SamEdgeWarning,
            stacklevel=3,
        )


def _orientation(frame: DecodedFrame) -> Callable[[Image], Image]:
    """Return what turns and mirrors images as a frame's display matrix states; angles between are not applied."""
    # PyAV's types know strings as keys only; its mapping is looked up by type.
    side_data = cast(Mapping[SideDataType, SideData], frame.side_data)
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return lambda image: image
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    mirror_x, mirror_y = (c < 0, b < 0) if turned else (a < 0, d < 0)

    def orient(image: Image) -> Image:
        if turned:
            image = image.transpose(1, 0, 2)
        image = image[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        return np.ascontiguousarray(image)

    return orient
