"""Decoding of HEIC and AVIF images through FFmpeg's libraries (PyAV)."""

from __future__ import annotations

import io

import av
import numpy as np
from av.video.frame import VideoFrame as DecodedFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from sam_edge.media.heif_items import HeifImage, HeifItem, read_heif
from sam_edge.media.video_decoder import frame_to_rgb

MAX_TILES = 4096


class HeifError(ValueError):
    """A HEIC or AVIF image that cannot be decoded; the message says why."""


def decode_heif(data: bytes) -> NDArray[np.uint8]:
    """Decode the primary image of a HEIC or AVIF file, turned and mirrored as it says.

    Returns:
        RGB (H, W, 3), or RGBA (H, W, 4) where the file has an alpha channel.

    Raises:
        HeifError: it cannot be decoded.
    """
    described = read_heif(data)
    try:
        frames = _decode_items(data, described)
    except av.FFmpegError as error:
        raise HeifError(f"cannot be decoded ({error.strerror or error})") from error
    if not frames:
        raise HeifError("holds no image that FFmpeg can decode")
    if described is None or not set(described.colour.tiles) <= set(frames):
        if described is not None and described.colour.grid is not None:
            raise HeifError("is cut off: tiles of its image are missing")
        return _to_rgb(next(iter(frames.values())))
    image = _assemble(described.colour, {number: _to_rgb(frame) for number, frame in frames.items()})
    alpha = described.alpha
    if alpha is not None and set(alpha.tiles) <= set(frames):
        plane = _assemble(alpha, {number: _to_grey(frames[number]) for number in alpha.tiles})
        if plane.shape[:2] == image.shape[:2]:
            image = np.concatenate([image, plane], axis=2)
    if described.crop is not None:
        left, top, width, height = described.crop
        image = image[top : top + height, left : left + width]
        if image.size == 0:
            raise HeifError("is damaged: the part of it that is shown is empty")
    for name, value in described.transforms:
        if name == b"irot":
            image = np.rot90(image, value)
            continue
        image = image[:, ::-1] if value else image[::-1]
    return np.ascontiguousarray(image)


def _decode_items(data: bytes, described: HeifImage | None) -> dict[int, DecodedFrame]:
    """Decode the first frame of each stream that the image needs, by the number of its item."""
    wanted: set[int] | None = None
    if described is not None:
        wanted = {*described.colour.tiles, *(described.alpha.tiles if described.alpha else ())}
    frames: dict[int, DecodedFrame] = {}
    with av.open(io.BytesIO(data), metadata_errors="replace") as container:
        streams = list(container.streams.video)
        chosen = [stream for stream in streams if wanted is None or stream.id in wanted] or streams[:1]
        for packet in container.demux(chosen[:MAX_TILES]):
            number = packet.stream.id
            for frame in packet.decode() if number not in frames else ():
                frames.setdefault(number, frame)
    return frames


def _assemble(item: HeifItem, tiles: dict[int, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return an item's image (H, W, C), its tiles side by side."""
    if item.grid is None:
        return tiles[item.tiles[0]]
    first = tiles[item.tiles[0]]
    (height, width), (tile_height, tile_width) = item.grid.size, first.shape[:2]
    if item.grid.rows * tile_height < height or item.grid.columns * tile_width < width:
        raise HeifError("is damaged: its tiles do not fill it")
    image = np.zeros((height, width, first.shape[2]), np.uint8)
    for place, number in enumerate(item.tiles[: item.grid.rows * item.grid.columns]):
        row, column = divmod(place, item.grid.columns)
        y, x = row * tile_height, column * tile_width
        part = image[y : y + tile_height, x : x + tile_width]
        part[...] = tiles[number][: part.shape[0], : part.shape[1]]
    return image


def _to_rgb(frame: DecodedFrame) -> NDArray[np.uint8]:
    return frame_to_rgb(frame, VideoReformatter())


def _to_grey(frame: DecodedFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="gray"), np.uint8)[..., None]
