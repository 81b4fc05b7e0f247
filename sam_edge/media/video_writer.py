"""Write frames to a video file at their true times. The file appears when all of them are written."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame as EncodedFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sam_edge.cores import codec_threads
from sam_edge.errors import MediaError
from sam_edge.media.atomic import make_parent, partial_path, remove_empty, write_error

NS = 1_000_000_000
_BT709, _LIMITED_RANGE = 1, 1
"""Colours as FFmpeg numbers them: what players take HD video for, stated so that none has to guess."""


@dataclass(frozen=True, slots=True)
class VideoCodec:
    """How a format's frames are encoded."""

    encoder: str
    """FFmpeg's name of the encoder."""
    pixel_format: str
    """FFmpeg's name of the pixel format."""
    ticks_per_s: int
    """Resolution of the frame times, ticks a second."""
    options: dict[str, str] = field(default_factory=dict)
    """The encoder's options."""
    container_options: dict[str, str] = field(default_factory=dict)
    """The container's options."""


_H264 = {"preset": "veryfast", "crf": "20", "bf": "0"}
"""Without frames that refer to later ones, packets come in the order of showing, which keeps their durations simple."""
_MATROSKA_TICKS = 1000
"""Matroska and WebM tell time in whole milliseconds."""
VIDEO_CODECS = {
    ".mp4": VideoCodec("libx264", "yuv420p", 90_000, _H264, {"movflags": "+faststart"}),
    ".mov": VideoCodec("libx264", "yuv420p", 90_000, _H264, {"movflags": "+faststart"}),
    ".mkv": VideoCodec("libx264", "yuv420p", _MATROSKA_TICKS, _H264),
    ".avi": VideoCodec("mjpeg", "yuvj420p", 120, {"qmin": "2", "qmax": "4"}),
    ".webm": VideoCodec(
        "libvpx",
        "yuv420p",
        _MATROSKA_TICKS,
        {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "8M"},
    ),
}
"""What each ending writes. H.264 in MP4 plays in browsers, QuickTime and every common player. AVI knows a constant rate
only: frame times are rounded to 1/120 s, unless `fps` is given."""


class VideoWriter:
    """Writes RGB frames to a video file that appears when all are written.

    The ending chooses the format, see `VIDEO_CODECS`. The codecs want even sides: where a side of `size` is odd, the
    video is one pixel larger and the last row or column is repeated. A context manager: leaving it with an exception,
    or without a frame, leaves nothing under the final name.

    Example:
        >>> with VideoWriter("out.mp4", size=(480, 640)) as writer:
        ...     for frame in frames:
        ...         writer.write(frame.image, frame.time_ns, frame.end_ns)
    """

    def __init__(self, path: str | Path, size: tuple[int, int], *, fps: float | None = None) -> None:
        """Prepare to write; nothing is made before the `with` block begins.

        Args:
            path: the video file; its ending is one of `VIDEO_CODECS`.
            size: (height, width) of the frames, pixels.
            fps: constant rate, frames a second; None where every frame is written with its time.

        Raises:
            MediaError: the ending is not known, or `fps` or `size` is not positive.
        """
        self._path = Path(path)
        self._fps = fps
        self._size = size
        self._count = 0
        self._end_ns = 0
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._pending: Packet[VideoStream] | None = None
        self._ticks = -1
        if self._path.suffix.lower() not in VIDEO_CODECS:
            raise MediaError(f"{path}: ends in {self._path.suffix!r}; accepted: {', '.join(VIDEO_CODECS)}")
        if self._path.is_dir():
            raise MediaError(f"{path}: is a folder; give the name of a video file")
        if fps is not None and not (0 < fps < math.inf):
            raise MediaError(f"fps is {fps!r}; accepted: above 0")
        if min(size) < 1:
            raise MediaError(f"size is {size}; accepted: (height, width), each at least 1")
        self._codec = VIDEO_CODECS[self._path.suffix.lower()]
        self._tick_s = self._choose_tick()
        self._part = partial_path(self._path)
        self._parents: list[Path] = []

    def __enter__(self) -> VideoWriter:
        self._parents = make_parent(self._path)
        try:
            self._container = av.open(
                str(self._part.resolve()), "w", container_options=self._codec.container_options
            )
            self._stream = self._add_stream(self._container)
        except (av.FFmpegError, ValueError) as error:
            self._discard()
            height, width = self._size
            raise MediaError(
                f"{self._path}: {self._codec.encoder} video of {width}x{height} cannot be written there ({error}); "
                f"check the folder's permissions, or try another ending ({', '.join(VIDEO_CODECS)})"
            ) from error
        return self

    def write(self, image: NDArray[np.uint8], time_ns: int | None = None, end_ns: int | None = None) -> None:
        """Append one frame.

        Args:
            image: uint8 RGB (H, W, 3) of the writer's size.
            time_ns: when it is shown, nanoseconds after the first frame; None where the writer has a constant rate.
            end_ns: when it ends, which matters for the last frame; None for as long as the frame before it.

        Raises:
            MediaError: another size, dtype or time than accepted, or the file cannot be written.
        """
        if self._container is None or self._stream is None:
            raise MediaError(f"{self._path}: the video is not open; write inside the `with` block")
        if image.dtype != np.uint8 or image.shape != (*self._size, 3):
            raise MediaError(
                f"frame {self._count} is {image.dtype} {image.shape}; accepted: uint8 {(*self._size, 3)}"
            )
        frame = EncodedFrame.from_ndarray(self._pad(image), format="rgb24").reformat(
            format=self._codec.pixel_format, dst_colorspace=Colorspace.ITU709
        )
        frame.pts, frame.time_base = self._next_ticks(time_ns), self._tick_s
        if end_ns is not None:
            self._end_ns = end_ns
        self._count += 1
        try:
            self._mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise self._write_error(error) from error

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error_type is None:
                self._publish()
        finally:
            self._discard()

    def _choose_tick(self) -> Fraction:
        if self._fps is not None and self._codec.ticks_per_s != _MATROSKA_TICKS:
            return 1 / Fraction(self._fps).limit_denominator(100_000)
        return Fraction(1, self._codec.ticks_per_s)

    def _add_stream(self, container: OutputContainer) -> VideoStream:
        # The encoder plans its bits by the rate, and states a level for it; the times of the frames are their own.
        rate = Fraction(self._fps or 30).limit_denominator(100_000)
        stream = cast(
            VideoStream,
            container.add_stream(self._codec.encoder, rate=rate, options=dict(self._codec.options)),
        )
        height, width = (side + side % 2 for side in self._size)
        stream.height, stream.width, stream.pix_fmt = height, width, self._codec.pixel_format
        stream.time_base = stream.codec_context.time_base = self._tick_s
        context = stream.codec_context
        context.thread_count = codec_threads()
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        if self._codec.pixel_format == "yuv420p":
            context.color_range = _LIMITED_RANGE
        return stream

    def _pad(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self._size
        if height % 2 or width % 2:
            padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            return np.asarray(padded, np.uint8)
        return image

    def _next_ticks(self, time_ns: int | None) -> int:
        """Return a frame's time in ticks, at least one after the frame before it."""
        if time_ns is None:
            if self._fps is None:
                raise MediaError(f"frame {self._count} has no time; give time_ns, or the writer's fps")
            time_ns = round(self._count * NS / self._fps)
            self._end_ns = round((self._count + 1) * NS / self._fps)
        self._ticks = max(self._ticks + 1, self._in_ticks(time_ns))
        return self._ticks

    def _in_ticks(self, time_ns: int) -> int:
        return round(time_ns / (NS * self._tick_s))

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        """Hand packets to the container, each when the next one tells how long it lasts."""
        for packet in packets:
            if self._pending is not None:
                self._mux_pending(int(packet.pts or 0))
            self._pending = packet

    def _mux_pending(self, end_ticks: int) -> None:
        if self._pending is None or self._container is None:
            return
        self._pending.duration = max(1, end_ticks - int(self._pending.pts or 0))
        self._container.mux(self._pending)
        self._pending = None

    def _publish(self) -> None:
        if self._count == 0 or self._container is None or self._stream is None:
            raise MediaError(f"{self._path}: no frame was written; a video needs at least one")
        try:
            self._mux(self._stream.encode(None))
            self._mux_pending(max(self._in_ticks(self._end_ns), self._ticks + 1))
            self._container.close()
            self._part.replace(self._path)
        except (OSError, av.FFmpegError) as error:
            raise self._write_error(error) from error

    def _write_error(self, error: OSError | av.FFmpegError) -> MediaError:
        if isinstance(error, av.FFmpegError):
            return MediaError(
                f"{self._path}: not all frames could be written ({error.strerror}); is the disk full?"
            )
        return write_error(self._path, error)

    def _discard(self) -> None:
        self._stream = self._pending = None
        if self._container is not None:
            # The file goes: what could not be written of it matters no more.
            with suppress(av.FFmpegError):
                self._container.close()
            self._container = None
        self._part.unlink(missing_ok=True)
        remove_empty(self._parents)
