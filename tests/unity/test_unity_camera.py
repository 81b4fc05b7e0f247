"""Rays, points and quads of the package's camera against numpy, in Unity's left-handed axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

FX, FY, CX, CY = 500.0, 520.0, 310.0, 250.0
POSITION = np.array([1.0, 2.0, 3.0])


def turn(axis: str, deg: float) -> NDArray[np.float64]:
    """A rotation of Unity, whose axes are left-handed: clockwise when one looks against the axis."""
    sine, cosine = np.sin(np.radians(deg)), np.cos(np.radians(deg))
    return {
        "x": np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]),
        "y": np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]),
        "z": np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]),
    }[axis]


ROTATION = turn("y", 30) @ turn("x", 10) @ turn("z", -5)
"""Quaternion.Euler(10, 30, -5): round z first, then x, then y."""


@pytest.fixture(scope="module")
def lines(run_host: Callable[..., list[str]]) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for line in run_host("camera"):
        name, *values = line.split()
        found.setdefault(name, []).append(values)
    return found


def numbers(lines: dict[str, list[list[str]]], name: str) -> NDArray[np.float64]:
    return np.array(lines[name], float)


def point(x: float, y: float, distance: float) -> NDArray[np.float64]:
    return np.asarray(POSITION + ROTATION @ (np.array([(x - CX) / FX, (CY - y) / FY, 1.0]) * distance))


def test_a_ray_goes_through_its_pixel(lines: dict[str, list[list[str]]]) -> None:
    direction = ROTATION @ np.array([(100 - CX) / FX, (CY - 50) / FY, 1.0])
    expected = np.concatenate([POSITION, direction / np.linalg.norm(direction)])
    assert np.allclose(numbers(lines, "ray")[0], expected, atol=1e-5)


def test_a_point_is_shown_by_the_pixel_that_it_came_from(lines: dict[str, list[list[str]]]) -> None:
    assert np.allclose(numbers(lines, "point")[0], point(100, 50, 2.5), atol=1e-5)
    assert np.allclose(numbers(lines, "back")[0], (100, 50), atol=1e-3)
    assert lines["behind"] == [["False"]]


def test_a_box_has_its_corners_in_the_world(lines: dict[str, list[list[str]]]) -> None:
    expected = [point(100, 50, 2.5), point(200, 50, 2.5), point(200, 150, 2.5), point(100, 150, 2.5)]
    assert np.allclose(numbers(lines, "corner"), expected, atol=1e-5)


def test_a_camera_is_found_from_its_corners(lines: dict[str, list[list[str]]]) -> None:
    assert np.allclose(numbers(lines, "found")[0], (FX, FY, CX, CY), atol=1e-2)
    assert np.allclose(numbers(lines, "half")[0], (FX / 2, FY / 2, CX / 2, CY / 2))
    focal = 240 / np.tan(np.radians(30))
    assert np.allclose(numbers(lines, "fov")[0], (focal, focal, 320, 240), atol=1e-3)


def test_a_ray_of_the_world_is_turned_into_the_heads_space(lines: dict[str, list[list[str]]]) -> None:
    origin, direction = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.0, 1.0])
    expected = np.concatenate([ROTATION.T @ (origin - POSITION), ROTATION.T @ direction])
    assert np.allclose(numbers(lines, "head")[0], expected, atol=1e-5)


def test_the_best_source_is_used(run_host: Callable[..., list[str]]) -> None:
    """Eye before hand before head; a source that stays is not announced again."""
    assert run_host("feed") == ["uses Eye", "uses Hand", "uses Head", "uses nothing", "uses Eye"]
