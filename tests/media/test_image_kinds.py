"""Images as cameras, phones and programs write them: the same picture comes out of every kind of file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.errors import MediaError, SamEdgeWarning
from sam_edge.media.frames import open_frames
from sam_edge.media.image_decoder import ImageError, decode_image, is_still_image
from sam_edge.media.image_size import read_stated_size
from sam_edge.media.image_type import identify_image
from sam_edge.media.images import read_image

PIL = pytest.importorskip("PIL.Image", reason="writes the test files: pip install pillow")

GROUND, SQUARE, OTHER = (90, 100, 110), (250, 140, 30), (20, 60, 200)


def scene() -> NDArray[np.uint8]:
    """Two rectangles on a ground: no turn or mirror of it is the same picture."""
    image = np.zeros((40, 64, 3), np.uint8)
    image[...] = GROUND
    image[5:15, 5:25], image[25:35, 40:60] = SQUARE, OTHER
    return image


def grey_scene() -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(scene(), cv2.COLOR_RGB2GRAY), np.uint8)


LOSSLESS: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}}
FINE: dict[str, dict[str, Any]] = {**LOSSLESS, "JPEG": {"quality": 98}, "AVIF": {"quality": 98}}


def saved(image: NDArray[Any], ending: str, mode: Any = None, **options: Any) -> bytes:
    """The picture as Pillow writes it."""
    picture = PIL.fromarray(image)
    if mode:
        picture = picture.convert(mode)
    handle = io.BytesIO()
    picture.save(handle, format=ending, **options)
    return handle.getvalue()


def stored_for(orientation: int, image: NDArray[Any]) -> NDArray[Any]:
    """The picture as a camera stores it: EXIF 2.32, 4.6.4, says which visual side its first row and column are."""
    first_row, first_column = {
        1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left",
        5: "left top", 6: "right top", 7: "right bottom", 8: "left bottom",
    }[orientation].split()  # fmt: skip
    if "bottom" in (first_row, first_column):
        image = image[::-1]
    if "right" in (first_row, first_column):
        image = image[:, ::-1]
    return np.ascontiguousarray(image.swapaxes(0, 1) if first_row in ("left", "right") else image)


@pytest.mark.parametrize(
    ("ending", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 0),
        ("JPEG2000", {}, 0),
        ("PPM", {}, 0),
        ("JPEG", {"quality": 97, "subsampling": 0}, 2),
        ("JPEG", {"quality": 97, "subsampling": 0, "progressive": True}, 4),
        ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 2),
    ],
)
def test_every_kind_of_file_gives_the_same_picture(
    ending: str, options: dict[str, Any], tolerance: float
) -> None:
    decoded = decode_image(saved(scene(), ending, **options))
    assert decoded.notes == ()
    assert np.abs(decoded.image.astype(int) - scene()).mean() <= tolerance


@pytest.mark.parametrize("ending", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_in_every_kind_of_file(ending: str, orientation: int) -> None:
    exif = PIL.Exif()
    exif[0x112] = orientation
    options = FINE.get(ending, {})
    image = decode_image(saved(stored_for(orientation, scene()), ending, exif=exif, **options)).image
    assert image.shape == (40, 64, 3)
    for (y, x), colour in (((10, 15), SQUARE), ((30, 50), OTHER), ((10, 50), GROUND), ((30, 15), GROUND)):
        assert np.abs(image[y, x].astype(int) - colour).max() <= 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_tiff_files_are_turned_too(orientation: int) -> None:
    deep = stored_for(orientation, grey_scene().astype(np.uint16) * 257)
    image = decode_image(saved(deep, "TIFF", tiffinfo={0x112: orientation})).image
    assert np.array_equal(image[..., 0], grey_scene())


@pytest.mark.parametrize("ending", ["PNG", "TIFF", "JPEG2000"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_pictures_are_scaled_by_the_bits_that_they_use(ending: str, bits: int) -> None:
    white = 2**bits - 1
    decoded = decode_image(saved((grey_scene().astype(np.uint32) * white // 255).astype(np.uint16), ending))
    assert np.abs(decoded.image[..., 0].astype(int) - grey_scene()).max() <= 1
    assert bool(decoded.notes) == (bits < 16)
    if decoded.notes:
        assert f"0 becomes black and {white} white" in decoded.notes[0]


def test_one_hot_pixel_does_not_darken_the_rest() -> None:
    values = grey_scene().astype(np.uint16) * 16
    values[0, 0] = 65535
    image = decode_image(saved(values, "PNG")).image[..., 0]
    assert np.abs(image.astype(int) - grey_scene())[1:].max() <= 1


def test_thermal_pictures_are_spread_over_what_they_hold_with_a_word() -> None:
    kelvin = (29_000 + grey_scene().astype(np.uint32) * 8).astype(np.uint16)
    decoded = decode_image(saved(kelvin, "PNG"))
    grey = grey_scene()
    expected = (grey.astype(float) - grey.min()) / (int(grey.max()) - int(grey.min())) * 255
    assert np.abs(decoded.image[..., 0] - expected).max() <= 1
    assert "29512 becomes black and 30280 white" in decoded.notes[0]


def test_a_range_of_values_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(saved(np.array([[28_000, 29_000, 30_000, 31_000, 60_000]], np.uint16), "PNG"))
    assert read_image(path, value_range=(29_000, 31_000))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    for wrong in ((5.0, 5.0), (9.0, 1.0), (0.0, float("nan"))):
        with pytest.raises(MediaError, match="value_range is"):
            read_image(path, value_range=wrong)


@pytest.mark.parametrize(("scale", "noted"), [(1 / 255, False), (100.0, True)])
def test_floating_point_pictures(scale: float, noted: bool) -> None:
    decoded = decode_image(saved(grey_scene().astype(np.float32) * np.float32(scale), "TIFF"))
    assert bool(decoded.notes) == noted
    grey = grey_scene().astype(float)
    expected = (grey - grey.min()) / (grey.max() - grey.min()) * 255 if noted else grey
    assert np.abs(decoded.image[..., 0] - expected).max() <= 1


@pytest.mark.parametrize(("ending", "mode"), [("TIFF", "CMYK"), ("JPEG", "CMYK")])
def test_cmyk_is_converted(ending: str, mode: str) -> None:
    options = {"quality": 97} if ending == "JPEG" else {}
    image = decode_image(saved(scene(), ending, mode, **options)).image
    assert np.abs(image.astype(int) - scene()).mean() <= 3


@pytest.mark.parametrize(("ending", "options"), [("PNG", {"bits": 4}), ("PNG", {}), ("GIF", {}), ("BMP", {})])
def test_palettes_are_looked_up(ending: str, options: dict[str, Any]) -> None:
    picture = PIL.fromarray(scene()).quantize(16)
    handle = io.BytesIO()
    picture.save(handle, format=ending, **options)
    assert np.abs(decode_image(handle.getvalue()).image.astype(int) - scene()).mean() <= 2


def test_one_bit_is_black_and_white() -> None:
    image = decode_image(saved(np.where(grey_scene() > 120, 255, 0).astype(np.uint8), "PNG", "1")).image
    assert np.array_equal(image[..., 0], np.where(grey_scene() > 120, 255, 0))


@pytest.mark.parametrize("ending", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_what_is_transparent_becomes_background_with_a_word(ending: str) -> None:
    """The square is visible by alpha alone: the colours below it are everywhere the same."""
    rgba = np.zeros((40, 64, 4), np.uint8)
    rgba[..., :3], rgba[5:15, 5:25, 3] = SQUARE, 255
    decoded = decode_image(saved(rgba, ending, **LOSSLESS.get(ending, {})))
    assert "set on white" in decoded.notes[0]
    assert np.abs(decoded.image[10, 15].astype(int) - SQUARE).max() <= 6
    assert decoded.image[30, 50].tolist() == [255, 255, 255]


def test_bright_shapes_are_set_on_black_and_half_alpha_is_blended() -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[...] = (240, 240, 240, 128)
    rgba[0] = (240, 240, 240, 255)
    decoded = decode_image(saved(rgba, "PNG"))
    assert "set on black" in decoded.notes[0]
    assert decoded.image[0, 0].tolist() == [240] * 3
    assert decoded.image[2, 2].tolist() == [round(240 * 128 / 255)] * 3


def test_an_alpha_channel_of_zeros_alone_is_not_used() -> None:
    rgba = np.concatenate([scene(), np.zeros((40, 64, 1), np.uint8)], axis=2)
    decoded = decode_image(saved(rgba, "PNG"))
    assert np.array_equal(decoded.image, scene())
    assert "not used" in decoded.notes[0]


@pytest.mark.parametrize(("ending", "words"), [("TIFF", "holds 3 pages"), ("GIF", "animation")])
def test_of_several_pages_the_first_is_read_with_a_word(ending: str, words: str) -> None:
    others = [PIL.fromarray(scene()[::-1]), PIL.fromarray(scene()[:, ::-1])]
    decoded = decode_image(saved(scene(), ending, save_all=True, append_images=others))
    assert np.array_equal(decoded.image, scene())
    assert words in decoded.notes[0]


def test_an_animated_gif_is_a_video_and_a_single_frame_is_none(tmp_path: Path) -> None:
    still, moving = tmp_path / "still.gif", tmp_path / "moving.gif"
    still.write_bytes(saved(scene(), "GIF"))
    moving.write_bytes(
        saved(scene(), "GIF", save_all=True, append_images=[PIL.fromarray(scene()[::-1])], duration=100)
    )
    assert is_still_image(still)
    assert not is_still_image(moving)
    with open_frames(moving) as frames:
        assert [frame.time_ns for frame in frames] == [0, 100_000_000]
    with pytest.raises(MediaError, match="is one image"):
        open_frames(still)


def test_names_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(scene(), "TIFF"))
    assert is_still_image(path)
    assert np.array_equal(read_image(path), scene())


def test_a_folder_of_deep_frames_says_it_once(tmp_path: Path) -> None:
    for index in range(4):
        (tmp_path / f"{index}.png").write_bytes(saved(grey_scene().astype(np.uint16) * 16 + index, "PNG"))
    with pytest.warns(SamEdgeWarning, match="becomes black") as caught, open_frames(tmp_path) as frames:
        assert sum(1 for _ in frames) == 4
    assert len(caught) == 1


def test_one_range_for_a_folder_of_frames(tmp_path: Path) -> None:
    """Each frame alone would be spread over what it holds: the same temperature would have another grey on each."""
    for index, offset in enumerate((0, 500)):
        values = (29_000 + offset + grey_scene().astype(np.uint32) * 4).astype(np.uint16)
        (tmp_path / f"{index}.png").write_bytes(saved(values, "PNG"))
    with open_frames(tmp_path, value_range=(29_000, 31_550)) as frames:
        first, second = (frame.image[..., 0].astype(int) for frame in frames)
    assert np.abs(first - grey_scene() * 0.4).max() <= 1
    assert np.abs(second - first - 50).max() <= 1
    with pytest.raises(MediaError, match=r"value_range is \(5, 5\)"):
        open_frames(tmp_path, value_range=(5, 5))


def test_a_video_takes_no_range() -> None:
    clip = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"
    with pytest.raises(MediaError, match="accepted for a folder of images"):
        open_frames(clip, value_range=(0, 4095))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"8BPS" + bytes(40), "Photoshop"),
        (bytes(128) + b"DICM" + bytes(40), "DICOM"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40), "camera raw"),
        (b"FUJIFILMCCD-RAW " + bytes(40), "camera raw"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ],
)
def test_other_kinds_are_refused_by_name(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(head)
    with pytest.raises(MediaError, match=f"of the kind {name}, which is not read; convert it to PNG or JPEG"):
        read_image(path)


def test_the_preview_of_a_raw_photograph_is_not_taken_for_it(tmp_path: Path) -> None:
    """A DNG is a TIFF whose first page is a small preview; tag 0xC612 says that it is one."""
    path = tmp_path / "a.dng"
    path.write_bytes(saved(scene(), "TIFF", tiffinfo={0xC612: b"\1\4\0\0"}))
    with pytest.raises(MediaError, match="camera raw"):
        read_image(path)


@pytest.mark.parametrize("ending", ["PNG", "BMP", "GIF", "TIFF", "JPEG", "WEBP", "JPEG2000"])
def test_the_stated_size_is_found_in_every_header(ending: str) -> None:
    data = saved(scene(), ending)
    kind = identify_image(data)
    assert kind is not None
    assert read_stated_size(data, kind) == (40, 64)


def test_a_header_cannot_take_all_memory() -> None:
    data = bytearray(saved(scene(), "PNG"))
    data[16:24] = struct.pack(">II", 100_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(ImageError, match="states 100000x60000 pixels in"):
        decode_image(bytes(data))


@pytest.mark.parametrize(("ending", "at"), [("PNG", 16), ("JPEG", None)])
def test_a_small_file_cannot_state_many_pixels(ending: str, at: int | None) -> None:
    """Also below the size from which memory would be short: 4096x4096 pixels in some hundred bytes are not true."""
    data = bytearray(saved(np.zeros((8, 8, 3), np.uint8), ending))
    at = data.index(b"\xff\xc0") + 5 if at is None else at
    data[at : at + (8 if ending == "PNG" else 4)] = struct.pack(
        ">II" if ending == "PNG" else ">HH", 4096, 4096
    )
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29])) if ending == "PNG" else data[29:33]
    with pytest.raises(ImageError, match="states 4096x4096 pixels in"):
        decode_image(bytes(data))


@pytest.mark.parametrize("mode", ["1", "P", "L", "RGB", "RGBA"])
def test_the_most_compressed_files_are_read(mode: str) -> None:
    """One colour packs nearly as well as the format can."""
    data = saved(np.zeros((2500, 3000, 3), np.uint8), "PNG", mode, compress_level=9)
    assert len(data) < 40_000
    assert decode_image(data).image.shape == (2500, 3000, 3)


def test_opencv_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(saved(scene(), "TIFF", compression="tiff_lzw")[:120])
    with pytest.raises(MediaError, match=r"a\.tif"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, body: bytes, *, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


def child(data: bytes, *path: bytes) -> bytes:
    """The content of a box inside boxes; `meta` has four bytes before its boxes."""
    for kind in path:
        at = 0
        while data[at + 4 : at + 8] != kind:
            at += struct.unpack_from(">I", data, at)[0]
        data = data[at + 8 : at + struct.unpack_from(">I", data, at)[0]]
        data = data[4:] if kind == b"meta" else data
    return data


def grid_of(tiles: list[bytes], *, rows: int, columns: int, size: tuple[int, int], rotation: int) -> bytes:
    """A HEIF file of a grid of tiles, each given as an AVIF file of its own, as phones write photographs."""
    codes = [child(tile, b"mdat") for tile in tiles]
    settings = box(b"av1C", child(tiles[0], b"meta", b"iprp", b"ipco", b"av1C"))
    tile_size = child(tiles[0], b"meta", b"iprp", b"ipco", b"ispe")[4:]
    number = len(tiles) + 1
    entries = [full_box(b"infe", struct.pack(">HH", n, 0) + b"av01\0", version=2) for n in range(1, number)]
    entries.append(full_box(b"infe", struct.pack(">HH", number, 0) + b"grid\0", version=2))
    properties = [
        settings,
        full_box(b"ispe", tile_size),
        full_box(b"ispe", struct.pack(">II", size[1], size[0])),
        box(b"irot", bytes([rotation])),
    ]
    links = b"".join(struct.pack(">HBBB", n, 2, 0x81, 2) for n in range(1, number))
    links += struct.pack(">HBBB", number, 2, 3, 0x84)
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, size[1], size[0])

    def meta(first: int) -> bytes:
        places, at = b"", first
        for n, code in enumerate(codes, start=1):
            places += struct.pack(">HHHHII", n, 0, 0, 1, at, len(code))
            at += len(code)
        places += struct.pack(">HHHHII", number, 1, 0, 1, 0, len(grid))
        body = full_box(b"hdlr", struct.pack(">I4s12x", 0, b"pict") + b"\0")
        body += full_box(b"pitm", struct.pack(">H", number))
        body += full_box(b"iloc", b"\x44\0" + struct.pack(">H", number) + places, version=1)
        body += full_box(b"iinf", struct.pack(">H", number) + b"".join(entries))
        body += full_box(
            b"iref", box(b"dimg", struct.pack(f">HH{len(tiles)}H", number, len(tiles), *range(1, number)))
        )
        body += box(
            b"iprp", box(b"ipco", b"".join(properties)) + full_box(b"ipma", struct.pack(">I", number) + links)
        )
        return full_box(b"meta", body + box(b"idat", grid))

    head = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    first = len(head) + len(meta(0)) + 8
    return head + meta(first) + box(b"mdat", b"".join(codes))


def test_a_photograph_in_tiles_is_put_together_and_turned() -> None:
    whole = np.asarray(cv2.resize(scene(), (240, 150), interpolation=cv2.INTER_NEAREST), np.uint8)
    padded = np.pad(whole, ((0, 42), (0, 48), (0, 0)), mode="edge")
    tiles = [
        saved(np.ascontiguousarray(padded[y : y + 96, x : x + 96]), "AVIF", quality=95, subsampling="4:4:4")
        for y in (0, 96)
        for x in (0, 96, 192)
    ]
    image = decode_image(grid_of(tiles, rows=2, columns=3, size=(150, 240), rotation=1)).image
    assert image.shape == (240, 150, 3)
    assert np.abs(image.astype(int) - np.rot90(whole)).mean() <= 3


def test_a_heic_photograph_is_read() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="writes the test file: pip install pillow-heif")
    handle = io.BytesIO()
    pillow_heif.from_pillow(PIL.fromarray(scene())).save(handle, quality=95, chroma=444)
    assert np.abs(decode_image(handle.getvalue()).image.astype(int) - scene()).mean() <= 3
