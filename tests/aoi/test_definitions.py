"""AOIs as they are defined: what is read, and that errors name the field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam_edge._aoi.defined.definition import AoiPicture, DefinedAoi, FrameSpot
from sam_edge._aoi.defined.find_aois import check_definitions
from sam_edge._aoi.defined.read_definitions import read_definitions
from sam_edge.errors import InputError, MediaError
from sam_edge.media.frames import open_frames
from tests.disc_clip import FPS, FRAMES, SIZE


def write(folder: Path, *entries: Any) -> Path:
    path = folder / "aois.json"
    path.write_text(json.dumps({"aois": entries}), encoding="utf-8")
    return path


def write_picture(path: Path, channels: int = 3, size: tuple[int, int] = (40, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*size, channels), 90, np.uint8)
    if channels == 4:
        image[:, :30, 3] = 0
    cv2.imwrite(str(path), image)
    return path


class TestFile:
    def test_every_way_to_give_an_aoi(self, tmp_path: Path) -> None:
        mask, cup = write_picture(tmp_path / "mask.png"), write_picture(tmp_path / "cup.png")
        path = write(
            tmp_path,
            {"name": "a", "frame": 3, "mask": "mask.png"},
            {"name": "b", "time_s": 0.25, "box": [1, 2.5, 30, 40]},
            {"name": "c", "frame": 0, "points": [[5, 6], [7, 8]]},
            {"name": "d", "pictures": ["cup.png"]},
        )
        assert read_definitions(path) == (
            DefinedAoi("a", FrameSpot(frame=3, mask=mask)),
            DefinedAoi("b", FrameSpot(time_s=0.25, box=(1.0, 2.5, 30.0, 40.0))),
            DefinedAoi("c", FrameSpot(frame=0, points=((5.0, 6.0), (7.0, 8.0)))),
            DefinedAoi("d", pictures=(cup,)),
        )

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"frame": 1, "box": [0, 0, 1, 1]}, "aois[0].name: null; accepted: a text"),
            ({"name": " ", "frame": 1, "box": [0, 0, 1, 1]}, 'aois[0].name: " "'),
            (
                {"name": "a", "colour": "red"},
                'aois[0].colour: "red"; accepted: the fields name, frame, time_s',
            ),
            ({"name": "a", "frame": 1}, "aois[0]: []; accepted: one of mask, box, points"),
            (
                {"name": "a", "frame": 1, "box": [0, 0, 1, 1], "pictures": ["x.png"]},
                'aois[0]: ["box", "pictures"]; accepted: one of',
            ),
            ({"name": "a", "box": [0, 0, 1, 1]}, "aois[0].frame: null; accepted: the number of a frame"),
            ({"name": "a", "frame": -1, "box": [0, 0, 1, 1]}, "aois[0].frame: -1; accepted: a whole number"),
            ({"name": "a", "frame": 1.5, "box": [0, 0, 1, 1]}, "aois[0].frame: 1.5"),
            ({"name": "a", "time_s": "1", "box": [0, 0, 1, 1]}, 'aois[0].time_s: "1"; accepted: seconds'),
            (
                {"name": "a", "frame": 1, "box": [0, 0, 1]},
                "aois[0].box: [0, 0, 1]; accepted: [x0, y0, x1, y1]",
            ),
            ({"name": "a", "frame": 1, "box": [9, 0, 1, 1]}, "with x0 below x1"),
            ({"name": "a", "frame": 1, "points": []}, "aois[0].points: []; accepted: [[x, y], ...]"),
            ({"name": "a", "frame": 1, "points": [[1, 2, 3]]}, "aois[0].points"),
            (
                {"name": "a", "frame": 1, "mask": "no.png"},
                'aois[0].mask: "no.png"; accepted: a file that exists',
            ),
            ({"name": "a", "pictures": "x.png"}, 'aois[0].pictures: "x.png"; accepted: a list of files'),
            (7, "aois[0]: 7; accepted: "),
        ],
    )
    def test_errors_name_the_field_and_the_value(self, tmp_path: Path, entry: Any, message: str) -> None:
        with pytest.raises(InputError, match=re.escape(message)):
            read_definitions(write(tmp_path, entry))

    def test_one_name_for_two(self, tmp_path: Path) -> None:
        entry = {"name": "cup", "frame": 1, "box": [0, 0, 1, 1]}
        with pytest.raises(InputError, match="the name 'cup' stands twice"):
            read_definitions(write(tmp_path, entry, entry))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"objects": []}', "for `sam-edge aoi apply`"),
            ("{", "is no JSON"),
            ("[]", "has no list `aois`"),
            ('{"aois": []}', "has no list `aois` with entries"),
        ],
    )
    def test_another_file(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_definitions(tmp_path / "x.json")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"x\.json: cannot be read"):
            read_definitions(tmp_path / "x.json")


class TestFolder:
    def test_pictures_are_named_as_the_aois(self, tmp_path: Path) -> None:
        red = write_picture(tmp_path / "red mug.png")
        write_picture(tmp_path / "red mug.mask.png")
        book = write_picture(tmp_path / "book" / "front.png"), write_picture(tmp_path / "book" / "side.jpg")
        (tmp_path / "notes.txt").write_text("")
        assert read_definitions(tmp_path) == (
            DefinedAoi("book", pictures=book),
            DefinedAoi("red mug", pictures=(red,)),
        )

    def test_no_pictures(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no pictures"):
            read_definitions(tmp_path)


class TestPicture:
    def test_alpha_is_the_mask(self, tmp_path: Path) -> None:
        mask = AoiPicture.read(write_picture(tmp_path / "cup.png", 4)).mask
        assert not mask[:, :30].any()
        assert mask[:, 30:].all()

    def test_a_mask_beside_it(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "cup.png")
        cv2.imwrite(str(tmp_path / "cup.mask.png"), np.eye(40, 60, dtype=np.uint8) * 255)
        assert AoiPicture.read(tmp_path / "cup.png").mask.sum() == 40

    def test_without_a_mask_all_of_it_counts(self, tmp_path: Path) -> None:
        assert AoiPicture.read(write_picture(tmp_path / "cup.png")).mask.all()

    def test_a_mask_of_another_size(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "cup.png")
        write_picture(tmp_path / "cup.mask.png", size=(20, 60))
        with pytest.raises(InputError, match=r"is 60x20, and cup\.png is 60x40"):
            AoiPicture.read(tmp_path / "cup.png")

    def test_too_small(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="the AOI is 60x10 pixels on it"):
            AoiPicture.read(write_picture(tmp_path / "cup.png", size=(10, 60)))


class TestComparedWithTheRecording:
    @pytest.mark.parametrize(
        ("spot", "message"),
        [
            (
                FrameSpot(frame=FRAMES, box=(0, 0, 9, 9)),
                rf"'cup': frame: {FRAMES}; accepted: 0 to {FRAMES - 1}",
            ),
            (FrameSpot(time_s=FRAMES / FPS, box=(0, 0, 9, 9)), r"time_s: 0\.5; accepted: below 0\.500"),
            (
                FrameSpot(frame=0, box=(0, 0, 129, 9)),
                r"box: \(129, 9\) lies outside the frame; accepted: 0 to 128",
            ),
            (FrameSpot(frame=0, points=((5, 97),)), r"points: \(5, 97\) lies outside"),
        ],
    )
    def test_a_place_that_is_not_in_it(self, clip: Path, spot: FrameSpot, message: str) -> None:
        with open_frames(clip) as reader, pytest.raises(InputError, match=message):
            check_definitions([DefinedAoi("cup", spot)], reader)

    def test_a_mask_of_another_size(self, clip: Path, tmp_path: Path) -> None:
        mask = write_picture(tmp_path / "mask.png")
        with (
            open_frames(clip) as reader,
            pytest.raises(InputError, match=r"is 60x40; accepted: 128x96, the size of the frames"),
        ):
            check_definitions([DefinedAoi("cup", FrameSpot(frame=0, mask=mask))], reader)

    def test_a_black_mask(self, clip: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "mask.png"), np.zeros(SIZE, np.uint8))
        with open_frames(clip) as reader, pytest.raises(InputError, match="is black all over"):
            check_definitions([DefinedAoi("cup", FrameSpot(frame=0, mask=tmp_path / "mask.png"))], reader)

    def test_a_damaged_picture(self, clip: Path, tmp_path: Path) -> None:
        (tmp_path / "cup.png").write_bytes(b"no picture")
        with open_frames(clip) as reader, pytest.raises(MediaError, match=r"cup\.png"):
            check_definitions([DefinedAoi("cup", pictures=(tmp_path / "cup.png",))], reader)
