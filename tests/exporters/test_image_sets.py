"""Folders of pictures: what is read, in what order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sam_edge.errors import InputError, MediaError
from sam_edge.exporters.image_sets import (
    FEWEST,
    deepest_point,
    read_calibration,
    read_labelled_images,
    read_polygons,
)


def fill(folder: Path, count: int, *, size: tuple[int, int] = (40, 60)) -> Path:
    """Write pictures 00.png, 01.png ... whose brightness is their number."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number:02}.png"), np.full((*size, 3), number, np.uint8))
    return folder


class TestCalibration:
    def test_pictures_are_letterboxed_to_one_size(self, tmp_path: Path) -> None:
        made = read_calibration(fill(tmp_path, 8), (224, 448))
        assert len(made.images) == 8
        assert all(image.shape == (224, 448, 3) and image.dtype == np.uint8 for image in made.images)
        assert [int(image[0, 0, 0]) for image in made.images] == list(range(8))
        assert made.summary() == {"pictures": 8, "sha256": made.fingerprint}

    def test_they_are_spread_evenly_over_the_folder(self, tmp_path: Path) -> None:
        made = read_calibration(fill(tmp_path, 40), (64, 64), at_most=8)
        assert [int(image[0, 0, 0]) for image in made.images] == list(range(0, 40, 5))

    def test_the_fingerprint_is_of_names_and_contents(self, tmp_path: Path) -> None:
        fill(tmp_path, 9)
        first = read_calibration(tmp_path, (64, 64)).fingerprint
        assert read_calibration(tmp_path, (224, 224)).fingerprint == first
        (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
        assert read_calibration(tmp_path, (64, 64)).fingerprint == first
        (tmp_path / "08.png").rename(tmp_path / "09.png")
        renamed = read_calibration(tmp_path, (64, 64)).fingerprint
        assert cv2.imwrite(str(tmp_path / "09.png"), np.full((40, 60, 3), 200, np.uint8))
        changed = read_calibration(tmp_path, (64, 64)).fingerprint
        assert len({first, renamed, changed}) == 3

    @pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
    def test_too_few_are_refused(self, tmp_path: Path, count: int) -> None:
        with pytest.raises(InputError, match=f"calibration: .* holds {count} images; give at least {FEWEST}"):
            read_calibration(fill(tmp_path, count), (64, 64))

    def test_other_files_do_not_count(self, tmp_path: Path) -> None:
        fill(tmp_path, FEWEST - 1)
        (tmp_path / "more.txt").write_text("x", encoding="utf-8")
        with pytest.raises(InputError, match=f"holds {FEWEST - 1} images"):
            read_calibration(tmp_path, (64, 64))

    @pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
    def test_a_picture_that_cannot_be_read_is_named(self, tmp_path: Path, content: bytes) -> None:
        fill(tmp_path, FEWEST)
        (tmp_path / "03.png").write_bytes(content)
        with pytest.raises(MediaError, match=r"03\.png"):
            read_calibration(tmp_path, (64, 64))

    def test_a_missing_folder_and_a_file_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        for path in (tmp_path / "absent", tmp_path / "file"):
            with pytest.raises(InputError, match=f"calibration: no such folder: {path}"):
                read_calibration(path, (64, 64))


class TestLabelled:
    def test_things_of_some_size_are_read(self, labelled_set: Path) -> None:
        (picture,) = read_labelled_images(labelled_set)
        assert picture.name == "a"
        assert picture.image.shape == (200, 300, 3)
        assert picture.objects.shape == (2, 200, 300)
        np.testing.assert_array_equal(np.argwhere(picture.objects[0])[0], [20, 30])
        np.testing.assert_array_equal(np.argwhere(picture.objects[0])[-1], [100, 120])
        np.testing.assert_allclose(picture.points, [[75.5, 60.5], [210.5, 100.5]], atol=30)
        for (x, y), thing in zip(picture.points, picture.objects, strict=True):
            assert thing[int(y), int(x)]

    def test_no_more_than_asked_for(self, labelled_set: Path) -> None:
        for name in ("b", "c"):
            (labelled_set / "labels" / f"{name}.txt").write_bytes(
                (labelled_set / "labels" / "a.txt").read_bytes()
            )
        assert [one.name for one in read_labelled_images(labelled_set)] == ["a", "b", "c"]
        assert [one.name for one in read_labelled_images(labelled_set, at_most=2)] == ["a", "b"]
        assert list(read_labelled_images(labelled_set, at_most=0)) == []

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("0 0.1 0.1 0.5", "a class and at least three x y pairs"),
            ("0 0.1 0.1 0.5 0.1 0.5", "a class and at least three x y pairs"),
            ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.9", "a class and at least three x y pairs"),
            ("cat 0.1 0.1 0.5 0.1 0.5 0.5", "could not convert"),
            ("0 0.1 0.1 0.5 0.1 nonsense 0.5", "could not convert"),
            ("0 0.1 0.1 nan 0.1 0.5 0.5", "finite"),
            ("0 0.1 0.1 inf 0.1 0.5 0.5", "finite"),
            ("0 0.1 0.1 1e30 0.1 0.5 0.5", "far outside"),
        ],
    )
    def test_a_line_that_cannot_be_read_is_named(self, labelled_set: Path, line: str, said: str) -> None:
        path = labelled_set / "labels" / "a.txt"
        path.write_text(f"0 0.1 0.1 0.5 0.1 0.5 0.5\n\n{line}\n", encoding="utf-8")
        with pytest.raises(InputError, match=rf"labelled: .*a\.txt line 3: .*{said}"):
            list(read_labelled_images(labelled_set))

    def test_labels_that_are_no_text_are_refused(self, labelled_set: Path) -> None:
        (labelled_set / "labels" / "a.txt").write_bytes(b"\xff\xfe\x00\x80")
        with pytest.raises(InputError, match=r"labelled: .*a\.txt"):
            list(read_labelled_images(labelled_set))

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"labelled: no such folder: .*images"):
            list(read_labelled_images(tmp_path))

    def test_a_picture_that_cannot_be_read_is_named(self, labelled_set: Path) -> None:
        (labelled_set / "images" / "a.png").write_bytes(b"nothing")
        with pytest.raises(MediaError, match=r"a\.png"):
            list(read_labelled_images(labelled_set))

    def test_small_things_are_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "labels.txt"
        path.write_text("0 0 0 0.19 0 0.19 0.18 0 0.18\n0 0 0 0.2 0 0.2 0.2 0 0.2\n", encoding="utf-8")
        assert read_polygons(path, (100, 100)).sum(axis=(1, 2)).tolist() == [21 * 21]


class TestDeepest:
    def test_the_middle_of_a_disc(self) -> None:
        rows, columns = np.mgrid[:60, :80]
        x, y = deepest_point(np.hypot(columns - 30, rows - 25) < 12)
        assert abs(x - 30.5) <= 1
        assert abs(y - 25.5) <= 1

    def test_the_frames_edge_counts(self) -> None:
        x, _ = deepest_point(np.ones((21, 61), bool))
        assert 10 <= x <= 51
        assert deepest_point(np.ones((21, 21), bool)) == (10.5, 10.5)

    @given(mask=arrays.arrays(bool, (9, 11)))
    def test_it_lies_inside(self, mask: NDArray[np.bool_]) -> None:
        if mask.any():
            x, y = deepest_point(mask)
            assert mask[int(y), int(x)]
            assert (x % 1, y % 1) == (0.5, 0.5)

    @given(size=st.tuples(st.integers(1, 30), st.integers(1, 30)))
    def test_of_a_rectangle_it_is_half_the_shorter_side_deep(self, size: tuple[int, int]) -> None:
        x, y = deepest_point(np.ones(size, bool))
        depth = min(x, y, size[1] - x, size[0] - y)
        assert depth >= min(size) / 2 - 1
