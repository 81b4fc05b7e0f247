"""Single pictures: what is read is what was stored, and what is broken says so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.errors import MediaError, SamEdgeError
from sam_edge.media.images import read_image, write_png

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def stored(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with one entry, Orientation (0x0112), behind the start of a JPEG."""
    tiff = (
        b"II*\0\x08\0\0\0"
        + b"\x01\0"
        + b"\x12\x01\x03\0\x01\0\0\0"
        + bytes([orientation, 0, 0, 0])
        + b"\0\0\0\0"
    )
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "a.jpg", "ä b.PNG"])
def test_colours_come_back_as_rgb(tmp_path: Path, name: str) -> None:
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:, :16], picture[:, 16:32], picture[:, 32:] = RED, GREEN, BLUE
    encoded = cv2.imencode(Path(name).suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    path = tmp_path / name
    path.write_bytes(encoded.tobytes())
    image = read_image(path)
    assert image.shape == (32, 48, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    for x, colour in ((8, RED), (24, GREEN), (40, BLUE)):
        assert np.abs(image[16, x].astype(int) - colour).max() <= 12


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = read_image(stored(tmp_path / "grey.png", grey))
    assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("colour", [False, True])
def test_16_bits_are_scaled_to_8(tmp_path: Path, colour: bool) -> None:
    deep = np.array([[0, 257, 128 * 257 + 100, 65535]], np.uint16)
    image = read_image(stored(tmp_path / "deep.png", np.dstack([deep] * 3) if colour else deep))
    assert image.dtype == np.uint8
    assert image[0, :, 0].tolist() == [0, 1, 128, 255]


def test_the_orientation_that_the_camera_noted_is_applied(tmp_path: Path) -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = 255
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    path = tmp_path / "turned.jpg"
    path.write_bytes(exif_orientation(jpeg, 6))  # 6: to be turned by 90 degrees clockwise
    image = read_image(path)
    assert image.shape == (64, 32, 3)
    assert image[:24].min() > 230
    assert image[40:].max() < 25


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"nothing\.png: no such image"):
        read_image(tmp_path / "nothing.png")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize(("content", "words"), [(b"", "empty"), (b"hello, world\n" * 40, "not an image")])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words):
        read_image(path)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9, 1.0])
def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8)
    data = cv2.imencode(ending, noise)[1].tobytes()
    path = tmp_path / f"cut{ending}"
    path.write_bytes(data[: min(max(3, round(share * len(data))), len(data) - 1)])
    with pytest.raises(MediaError, match=r"cut\."):
        read_image(path)


def test_a_flipped_byte_in_a_png_is_noticed(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8)
    path = tmp_path / "a.png"
    write_png(path, noise)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"a\.png"):
        read_image(path)


def test_errors_belong_to_the_tree(tmp_path: Path) -> None:
    with pytest.raises(SamEdgeError):
        read_image(str(tmp_path / "nothing.png"))
