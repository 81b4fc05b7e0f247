"""The structure of a JPEG file (ITU-T T.81, annex B), and whether its image is whole.

Decoders show half an image as if it were all: OpenCV fills the rest with grey, or with what bytes behind it happen to
mean. Cameras put other files behind the image (motion photos, multi-picture files), which must not count as part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import av

START = b"\xff\xd8"
_FRAME_MARKERS = {*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKER_IN_SCAN = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""A marker other than a restart marker: it ends the coded data of a scan. A coded FF is followed by 00."""


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """A frame header of a JPEG."""

    marker: int
    """The second byte of its marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive."""
    size: tuple[int, int]
    """(height, width) as stored, pixels."""
    bits: int
    """Bits of a channel."""


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """What a JPEG consists of, up to its end marker."""

    frames: tuple[JpegFrame, ...]
    """Its frame headers; a valid file has one."""
    scans: int
    """Number of its scans."""
    exif: bytes | None
    """The EXIF block, which begins with a TIFF header; None where there is none."""
    end: int | None
    """Where the image ends and other data may follow; None where no end marker was found."""


def read_jpeg_structure(data: bytes) -> JpegStructure:
    """Read the segments of a JPEG up to its end marker. Broken files give what could be read, and no end."""
    frames: list[JpegFrame] = []
    scans, exif, end = 0, None, None
    for marker, begin, stop in _segments(data):
        if marker in _FRAME_MARKERS and stop - begin >= 6:
            size = (
                int.from_bytes(data[begin + 1 : begin + 3], "big"),
                int.from_bytes(data[begin + 3 : begin + 5], "big"),
            )
            frames.append(JpegFrame(marker, size, data[begin]))
        elif marker == 0xE1 and exif is None and data[begin : begin + 6] == b"Exif\0\0":
            exif = data[begin + 6 : stop]
        elif marker == _START_OF_SCAN:
            scans += 1
        elif marker == _END_OF_IMAGE:
            end = stop
    return JpegStructure(tuple(frames), scans, exif, end)


def find_jpeg_fault(data: bytes) -> str | None:
    """Return what is wrong with the image of a JPEG, or None. Decodes it by FFmpeg, which reports damage.

    OpenCV's decoder shows what it could not read as grey, and says nothing.
    """
    structure = read_jpeg_structure(data)
    if structure.end is None:
        return "is cut off: its end marker is missing"
    if not structure.scans:
        return "is cut off: it holds no image data"
    context = av.CodecContext.create("mjpeg", "r")
    context.options = {"err_detect": "explode"}
    context.thread_count = 1
    try:
        context.decode(av.Packet(data[: structure.end]))
    except av.error.InvalidDataError:
        return "is cut off or damaged: its data do not fill it"
    except av.FFmpegError:
        # FFmpeg does not know every kind of JPEG; OpenCV may.
        return None
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the second byte of each marker, and where its content begins and stops; a scan's content is its header."""
    at = len(START)
    while at + 2 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _END_OF_IMAGE:
            yield marker, at + 2, at + 2
            return
        if marker in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            return
        stop = at + 2 + length
        yield marker, at + 4, stop
        at = stop
        if marker == _START_OF_SCAN:
            found = _MARKER_IN_SCAN.search(data, stop)
            if found is None:
                return
            at = found.start(1) - 1
