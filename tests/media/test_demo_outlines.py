"""The outlines of the demo's clip lie on its frames, and name what the gaze means."""

from __future__ import annotations

import hashlib
import json
import math
import runpy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

PARTS = {"rabbit's": "rabbit", "boulder,": "boulder", "stone": "stone block"}
"""First word of a target of the gaze, and the outlined object that it is part of."""
RIGHT_AFTER_S = 0.1
"""So long after a landing, the object before counts, too."""


@pytest.fixture(scope="module")
def outlines(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "demo_outlines.py")


@pytest.fixture(scope="module")
def gaze(repo_dir: Path) -> dict[str, Any]:
    return runpy.run_path(str(repo_dir / "examples" / "make_demo_gaze.py"))


def landings(gaze: dict[str, Any]) -> list[tuple[float, str]]:
    """Return when the eye landed on an object, seconds, and the object. A glance and a blink count for nothing."""
    truth = gaze["gaze_without_error"]()
    found: list[tuple[float, str]] = []
    start_s = 0.0
    for look in gaze["LOOKS"]:
        name = PARTS.get(look.target.split(" ")[0])
        if name is not None and (not found or found[-1][1] != name):
            index = round(start_s * gaze["RATE_HZ"])
            while math.dist(truth[index], place_looked_at(gaze, look.target, index)) > 1e-6:
                index += 1
            found.append((index / gaze["RATE_HZ"], name))
        start_s = look.until_s
    return found


def place_looked_at(gaze: dict[str, Any], target: str, index: int) -> tuple[float, float]:
    place: tuple[float, float] = gaze["place_of"](target, index / gaze["RATE_HZ"] - gaze["LAG_S"])
    return place


def test_every_fourth_frame_of_this_clip_is_outlined(outlines: ModuleType) -> None:
    content = json.loads(outlines.FILE.read_text(encoding="utf-8"))
    assert content["clip_sha256"] == hashlib.sha256((outlines.DEMO / "clip.mp4").read_bytes()).hexdigest()
    assert [frame.index for frame in outlines.read_outlines()] == list(range(0, 132, 4))


def test_outlines_lie_in_the_frame_and_enclose_something(outlines: ModuleType) -> None:
    for frame in outlines.read_outlines():
        assert frame.size == (720, 1280)
        for rings in frame.objects.values():
            vertices = np.concatenate([np.array(ring) for ring in rings])
            assert (vertices >= 0).all()
            assert (vertices <= (1280, 720)).all()
        assert all(mask.sum() > 10_000 for mask in frame.masks().values())


def test_a_second_ring_is_a_hole(outlines: ModuleType) -> None:
    square = [(2, 2), (12, 2), (12, 12), (2, 12)]
    hole = [(4, 4), (6, 4), (6, 6), (4, 6)]
    mask = outlines.OutlinedFrame(0, {"square": [square, hole]}, (20, 20)).masks()["square"]
    assert mask.sum() == 100 - 4
    assert not mask[4:6, 4:6].any()


def test_the_outlined_object_is_the_one_that_the_eye_landed_on(
    outlines: ModuleType, gaze: dict[str, Any]
) -> None:
    landed = landings(gaze)
    for frame in outlines.read_outlines():
        end_s = (frame.index + 1) / gaze["FPS"]
        before = [(time_s, name) for time_s, name in landed if time_s < end_s]
        expected = [before[-1][1]] if before else []
        if len(before) > 1 and end_s - before[-1][0] < RIGHT_AFTER_S:
            expected.append(before[-2][1])
        assert list(frame.objects) == expected, frame.index


def test_the_eye_lies_on_the_object_except_in_a_jump_a_glance_and_a_blink(
    outlines: ModuleType, gaze: dict[str, Any]
) -> None:
    truth = gaze["gaze_without_error"]()
    away = []
    for frame in outlines.read_outlines():
        eye = truth[round((frame.index + 0.9) / gaze["FPS"] * gaze["RATE_HZ"])]
        meant = next(iter(frame.masks().values()), None)
        if meant is not None and (eye is None or not meant[int(eye[1]), int(eye[0])]):
            away.append(frame.index)
    assert away == [60, 76, 80, 92]


def test_frames_are_drawn_with_their_outlines(outlines: ModuleType) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    frame = outlines.OutlinedFrame(0, {"square": [[(2, 2), (12, 2), (12, 12), (2, 12)]]}, (20, 30))
    drawn = outlines.draw(image, frame)
    assert drawn.shape == (20 * 2 + 80, 30 * 2 + 80, 3)
    red, green, blue = drawn[40 + 2 * 2, 40 + 2 * 7]
    assert min(red, blue) > 200
    assert green == 0
