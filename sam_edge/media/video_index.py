"""The presentation times of all frames of a video file, read from its packets without decoding one.

A header's frame rate is a claim, and often wrong: browsers, phones, screen recorders and the scene cameras of eye
trackers record at a variable rate. The times of the packets are what players go by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sam_edge.cores import codec_threads
from sam_edge.errors import MediaError
from sam_edge.media.frame_times import NS, FrameTimes
from sam_edge.media.integrity import find_video_fault, is_mp4

_NO_TIMESTAMPS = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS: a container format that holds no times, such as raw H.264."""
_NO_INDEX = "the file is cut off: its index (moov) is missing or damaged; copy or make the video again"
_NO_VIDEO = "not a video that FFmpeg can open, or damaged; accepted: mp4, mkv, webm, avi, ..."
_UNKNOWN_CODEC = (
    "the video is coded in a way that FFmpeg does not know, or damaged; convert it to MP4 with H.264"
)
_LOCAL_FILES = {"protocol_whitelist": "file"}
"""A video may not make FFmpeg open an address."""


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The frames of a video file."""

    path: Path
    """The file."""
    count: int
    """Number of shown frames: those that an edit list hides do not count."""
    times: FrameTimes | None
    """When the container shows them; None for a raw stream, which holds no times."""


def index_video(path: Path) -> VideoIndex:
    """Read the presentation times of a video's frames.

    Raises:
        MediaError: the file is no video, damaged, or truncated.
    """
    try:
        fault = find_video_fault(path)
    except OSError as error:
        raise MediaError(f"{path}: the video cannot be read ({error.strerror or error})") from error
    if fault is not None:
        raise MediaError(f"{path}: {fault}; copy or make the video again")
    with open_stream(path) as (container, stream):
        # Only numbers are kept: the packets together are the whole file.
        shown = [
            (packet_ticks(packet), packet.duration or 0)
            for packet in read_packets(container, stream, path)
            if packet.size > 0 and not packet.is_discard
        ]
        if not shown:
            raise MediaError(f"{path}: the video holds no frame that can be decoded")
        raw = bool(container.format.flags & _NO_TIMESTAMPS)
        times = None if raw else _presentation_times(shown, stream)
        if times is not None and container.format.name.startswith("mov"):
            _check_whole(path, times, stream)
    return VideoIndex(path, len(shown), times)


def _check_whole(path: Path, times: FrameTimes, stream: VideoStream) -> None:
    """Compare where the frames end with the duration that an MP4 states, which is exact; its edits are in both."""
    stated_ns = round((stream.duration or 0) * NS * Fraction(stream.time_base or 1))
    if times.end_ns + 1.5 * NS / times.usual_fps < stated_ns:
        raise MediaError(
            f"{path}: the file is cut off: its frames end after {times.end_ns / NS:.3f} s, and it states "
            f"{stated_ns / NS:.3f} s; copy or make the video again"
        )


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first video stream. FFmpeg's errors in the block become `MediaError`s."""
    try:
        with av.open(str(path.resolve()), options=_LOCAL_FILES, metadata_errors="replace") as container:
            # Music files hold an image of their cover as a video stream.
            streams = [
                item
                for item in container.streams.video
                if not item.disposition.attached_pic & item.disposition
            ]
            if not streams:
                raise MediaError(f"{path}: {_NO_INDEX if is_mp4(path) else _NO_VIDEO}")
            # PyAV's types leave out that a stream of an unknown codec has no context.
            if cast(object, streams[0].codec_context) is None:
                raise MediaError(f"{path}: {_UNKNOWN_CODEC}")
            streams[0].thread_type = "AUTO"
            streams[0].codec_context.thread_count = codec_threads()
            yield container, streams[0]
    except av.FFmpegError as error:
        raise MediaError(f"{path}: {_fault_of(path, error)}") from error


def _fault_of(path: Path, error: av.FFmpegError) -> str:
    """Return what to say about a file that FFmpeg refuses."""
    if not isinstance(error, av.error.InvalidDataError):
        return f"the video cannot be read ({error.strerror or error})"
    if is_mp4(path):
        return _NO_INDEX
    return _NO_VIDEO


def read_packets(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream. Raises `MediaError` where a stream appears that the beginning did not state."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except IndexError as error:
            raise MediaError(
                f"{path}: a stream begins in the middle of the file, or the file is damaged; convert it to MP4"
            ) from error
        if packet is None:
            return
        yield packet


def packet_ticks(packet: Packet[VideoStream]) -> int | None:
    """Return when a packet's frame is shown, in its stream's time base; some formats state `dts` alone."""
    return packet.pts if packet.pts is not None else packet.dts


def _presentation_times(shown: list[tuple[int | None, int]], stream: VideoStream) -> FrameTimes | None:
    """Return the times of packets, given as (ticks, duration in ticks); None where one has no time."""
    tick_s = Fraction(stream.time_base or 1)
    by_time = sorted((ticks, duration) for ticks, duration in shown if ticks is not None)
    if len(by_time) < len(shown):
        return None
    first, duration = by_time[0][0], by_time[-1][1]
    begins = [round((ticks - first) * NS * tick_s) for ticks, _ in by_time]
    usual_ns = int(np.median(np.diff(begins))) if len(begins) > 1 else NS // 25
    end_ns = begins[-1] + (round(duration * NS * tick_s) or usual_ns)
    begin_ns = np.array(begins, np.int64)
    return FrameTimes(begin_ns, max(end_ns, begins[-1] + 1), _stated_fps(begin_ns, stream, tick_s))


def _stated_fps(begin_ns: NDArray[np.int64], stream: VideoStream, tick_s: Fraction) -> float | None:
    """Return the rate that the file states, where it places every frame within a tick of its time."""
    rate = stream.average_rate
    if not rate:
        return None
    off_ns = np.abs(begin_ns - np.arange(len(begin_ns)) * float(NS / rate))
    return float(rate) if off_ns.max() <= NS * tick_s else None
