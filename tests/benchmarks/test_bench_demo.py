"""The table of the demo's masks tells right frames from wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sam_edge import Selection, State, TrackedFrame
from sam_edge.media import VideoWriter, read_image

SIZE = (40, 60)
SQUARE = [(10, 10), (30, 10), (30, 30), (10, 30)]
OTHER = [(40, 10), (50, 10), (50, 20), (40, 20)]


@pytest.fixture(scope="module")
def bench(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    load_script(repo_dir / "benchmarks" / "demo_outlines.py")
    return load_script(repo_dir / "benchmarks" / "bench_demo.py")


def tracked(index: int, columns: slice | None) -> TrackedFrame:
    """A frame whose mask has rows 10 to 30 and these columns; None: no mask."""
    mask = None
    if columns is not None:
        mask = np.zeros(SIZE, np.bool_)
        mask[10:30, columns] = True
    chosen = Selection(index, State.FOCUSED, mask, None, None, None, "encoded", age_ms=40.0)
    return TrackedFrame(index, f"{index:05d}", index, index + 1, chosen, False, {}, ())


def outlined(bench: ModuleType, index: int = 0, **objects: Any) -> Any:
    return bench.OutlinedFrame(index, {name: [ring] for name, ring in objects.items()}, SIZE)


@pytest.mark.parametrize(
    ("columns", "iou", "right"),
    [
        (slice(10, 30), 1.0, True),
        (slice(10, 26), 0.8, True),
        (slice(10, 25), 0.75, False),
        (None, 0.0, False),
    ],
)
def test_a_frame_is_right_from_an_iou_of_eight_tenths(
    bench: ModuleType, columns: slice | None, iou: float, right: bool
) -> None:
    compared = bench.compare(outlined(bench, square=SQUARE), tracked(0, columns))
    assert (compared.meant, compared.right, compared.age_ms) == ("square", right, 40)
    assert compared.iou == pytest.approx(iou)


def test_of_two_objects_the_one_that_fits_counts(bench: ModuleType) -> None:
    compared = bench.compare(outlined(bench, other=OTHER, square=SQUARE), tracked(0, slice(10, 30)))
    assert (compared.meant, compared.iou) == ("square", 1.0)


def test_where_nothing_is_meant_only_an_empty_frame_is_right(bench: ModuleType) -> None:
    nothing = outlined(bench)
    assert bench.compare(nothing, tracked(0, None)).right
    assert not bench.compare(nothing, tracked(0, slice(0, 2))).right


def test_frames_between_the_outlined_ones_count_before_the_first_landing(bench: ModuleType) -> None:
    outlines = [outlined(bench, 0), outlined(bench, 4), outlined(bench, 8, square=SQUARE)]
    frames = [tracked(index, slice(0, 2) if index in (3, 4, 5) else None) for index in range(9)]
    assert bench.filled_before_landing(frames, outlines) == [3, 4]


def test_the_table_marks_what_is_wrong(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    frame = outlined(bench, square=SQUARE)
    bench.print_table([bench.compare(frame, tracked(0, part)) for part in (slice(10, 30), slice(10, 20))])
    _, good, bad = capsys.readouterr().out.splitlines()
    assert "1.000" in good
    assert not good.endswith("WRONG")
    assert "0.500" in bad
    assert bad.endswith("WRONG")


def test_the_sheet_shows_four_frames_of_the_annotated_video(bench: ModuleType, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "annotated.mp4", (64, 96)) as writer:
        for index in range(120):
            shade = 40 * (1 + list(bench.SHEET_FRAMES).index(index)) if index in bench.SHEET_FRAMES else 255
            writer.write(np.full((64, 96, 3), shade, np.uint8), index * 40_000_000, (index + 1) * 40_000_000)
    bench.write_sheet(tmp_path / "sheet.jpg", tmp_path / "annotated.mp4")
    sheet = read_image(tmp_path / "sheet.jpg")
    assert sheet.shape == (64, 96, 3)
    quarters = [sheet[y : y + 32, x : x + 48].mean() for y in (0, 32) for x in (0, 48)]
    assert quarters == pytest.approx([40, 80, 120, 160], abs=6)
