"""How the tests of the page point, wait, and read what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

WIDTH, HEIGHT, FILM_FRAMES = 480, 270, 360
RADIUS_PX, SWING_PX = 46, 24
SWINGING, STILL = (0.68, 0.66), (0.2, 0.3)
"""Where the balls are, shares of the film's sides; the first one's place lies on it all the time."""
SLOW_MS = 180_000


def point_at(page: Any, place: tuple[float, float]) -> None:
    """Move the mouse to a place of the video."""
    box = page.locator("#overlay").bounding_box()
    page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])


def objects(page: Any, role: str) -> dict[int, list[int]]:
    """Boxes of the objects with the role `gaze-target` or `pinned`, by number; 0 is an object without a number."""
    told = page.get_attribute("#viewport", f"data-{role}") or ""
    pairs = [entry.split(":") for entry in told.split()]
    return {int(number): [int(side) for side in box.split(",")] for number, box in pairs}


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = SLOW_MS / 1e3) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def pinned(page: Any) -> dict[int, list[int]]:
    return objects(page, "pinned")


def outlines_a_ball(page: Any) -> bool:
    """Whether what is outlined has the width of a ball."""
    return any(
        1.4 * RADIUS_PX < right - left < 3 * RADIUS_PX
        for left, _, right, _ in objects(page, "gaze-target").values()
    )


def start_camera(page: Any) -> None:
    page.click("button[data-source=camera]")
    page.wait_for_selector("#viewport.live")


def look_at_the_ball(page: Any) -> None:
    start_camera(page)
    point_at(page, SWINGING)
    wait_for(lambda: outlines_a_ball(page), "the ball to be outlined")


def watch_it_swing(page: Any, number: int) -> None:
    """Look elsewhere, wait until a pinned object has moved as the ball does, and check that it stays the ball.

    A machine that sees a frame in seconds may lose the ball. Then it is looked at again until it is back, as a person
    would do, and what was seen before does not count.
    """
    boxes: list[list[int]] = []
    losses = 0
    point_at(page, STILL)
    end = time.monotonic() + SLOW_MS / 1e3
    while not has_swung(boxes):
        assert time.monotonic() < end, (
            f"waited for the mask to follow the ball; {losses} losses, boxes {boxes[-9:]}"
        )
        shown = pinned(page).get(number)
        if shown is not None:
            boxes.append(shown)
        elif boxes:
            losses += 1
            boxes.clear()
            point_at(page, SWINGING)
            wait_for(lambda: number in pinned(page), "the lost ball to be found again")
            point_at(page, STILL)
        time.sleep(0.05)
    widths = [right - left for left, _, right, _ in boxes]
    assert 1.4 * RADIUS_PX < np.median(widths) < 3 * RADIUS_PX


def has_swung(boxes: list[list[int]]) -> bool:
    """Whether the middles of boxes differ by half of the ball's way."""
    centres = [(left + right) / 2 for left, _, right, _ in boxes]
    return bool(boxes) and max(centres) - min(centres) > SWING_PX


def pin_with_key(page: Any, *, ready: Callable[[Any], bool] = lambda _: True) -> int:
    """Press Space when the page is ready and outlines an object that is not pinned; return its number.

    On a busy machine the object may have gone when the server gets the key, as the page then says: it needs more.
    """
    before = set(pinned(page))
    added: set[int] = set()

    def pressed() -> set[int]:
        target = objects(page, "gaze-target")
        if target and not target.keys() & before and ready(page):
            page.keyboard.press("Space")
            end = time.monotonic() + 2.0
            while not added and time.monotonic() < end:
                time.sleep(0.05)
                added.update(set(pinned(page)) - before)
        return added

    wait_for(pressed, "an object to be pinned")
    [number] = added
    return number


def colour_of(page: Any, number: int) -> list[int]:
    """The colour of an object in the list: red, green, blue."""
    page.wait_for_selector(f"[data-object='{number}']")
    colour: list[int] = page.evaluate(
        """(number) => {
            const chip = document.querySelector(`[data-object="${number}"] .chip`);
            const context = new OffscreenCanvas(1, 1).getContext("2d");
            context.fillStyle = getComputedStyle(chip).backgroundColor;
            context.fillRect(0, 0, 1, 1);
            return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }""",
        number,
    )
    return colour


def drawn_share(page: Any, number: int) -> float:
    """Share of the overlay in the colour that an object has in the list."""
    return float(
        page.evaluate(
            """(colour) => {
                const canvas = document.getElementById("overlay");
                const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let count = 0;
                for (let at = 0; at < data.length; at += 4) {
                    const near = colour.every((tone, index) => Math.abs(tone - data[at + index]) < 12);
                    if (data[at + 3] > 40 && near) count += 1;
                }
                return count / (data.length / 4);
            }""",
            colour_of(page, number),
        )
    )


def target_is_drawn(page: Any) -> bool:
    """Whether the gaze target covers the overlay in the colour that it has in the list."""
    return any(drawn_share(page, number) > 0.01 for number in objects(page, "gaze-target"))
