"""Objects in the page: pinned, followed, named, merged, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.page.driver import (
    STILL,
    colour_of,
    drawn_share,
    look_at_the_ball,
    objects,
    outlines_a_ball,
    pin_with_key,
    pinned,
    point_at,
    target_is_drawn,
    wait_for,
    watch_it_swing,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MARKUP = "<img src=x onerror=alert(1)>"


def test_an_object_is_pinned_followed_and_unpinned(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look_at_the_ball(page)
    wait_for(lambda: target_is_drawn(page), "the object to be drawn in its colour")
    number = pin_with_key(page, ready=outlines_a_ball)
    watch_it_swing(page, number)
    wait_for(lambda: drawn_share(page, number) > 0.01, "the pinned object to be drawn")
    second = pin_with_key(page)
    wait_for(lambda: set(pinned(page)) == {number, second}, "both objects to be shown as pinned")
    page.get_by_role("button", name=f"Unpin object {number}").click()
    wait_for(lambda: len(pinned(page)) == 1 and number not in pinned(page), "the first object to be unpinned")
    page.click("#unpin")
    wait_for(lambda: not pinned(page), "all objects to be unpinned")
    assert page.locator("#legend li").count() >= 6


def rows(page: Any) -> dict[int, str]:
    """Names of the objects in the list, by number."""
    pairs: list[tuple[int, str]] = page.evaluate(
        """[...document.querySelectorAll("#objects li")]
            .map((row) => [Number(row.dataset.object), row.querySelector(".name").textContent])"""
    )
    return dict(pairs)


def rename(page: Any, number: int, text: str, key: str = "Enter") -> None:
    """Rename an object in its place, with the keyboard alone."""
    page.focus(f"[data-object='{number}'] .name")
    page.keyboard.press("Enter")
    page.keyboard.type(text)
    page.keyboard.press(key)


def test_objects_are_named_merged_and_forgotten(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look_at_the_ball(page)
    [ball] = objects(page, "gaze-target")
    wait_for(lambda: ball in rows(page), "the ball to be listed")
    rename(page, ball, "never mind", key="Escape")
    assert rows(page)[ball] == f"Object {ball}"
    rename(page, ball, MARKUP)
    wait_for(lambda: rows(page)[ball] == MARKUP, "the name to be shown as it was typed")
    assert page.evaluate("document.activeElement.textContent") == MARKUP
    wait_for(lambda: MARKUP in page.inner_text("#objects-note"), "the new name to be noted")
    assert page.locator("aside img").count() == 0
    page.focus(f"[data-object='{ball}'] .name")
    page.keyboard.press("Enter")
    page.evaluate("document.activeElement.value = 'ball\\u0007'")
    page.keyboard.press("Enter")
    wait_for(lambda: "U+0007" in page.inner_text("#objects-note"), "the server's refusal")
    assert rows(page)[ball] == MARKUP
    page.focus("#viewport")
    point_at(page, STILL)
    wait_for(lambda: set(objects(page, "gaze-target")) - {0, ball}, "another object to be outlined")
    [other] = objects(page, "gaze-target")
    wait_for(lambda: other in rows(page), "it to be listed")
    assert max(abs(a - b) for a, b in zip(colour_of(page, ball), colour_of(page, other), strict=True)) > 60
    wait_for(lambda: target_is_drawn(page), "the other object to be drawn in its colour")
    fits_small_screens(page, other)
    row = page.locator(f"[data-object='{other}']")
    row.locator("select").select_option(str(ball))
    row.get_by_role("button", name="Merge").click()
    wait_for(lambda: other not in rows(page), "two numbers to become one")
    said = f"Object {other} is {MARKUP}, object {ball}."
    wait_for(lambda: page.inner_text("#objects-note") == said, "it to be noted")
    page.get_by_role("button", name=f"More for object {ball}, {MARKUP}").click()
    page.locator(f"[data-object='{ball}']").get_by_role("button", name="Forget").click()
    wait_for(lambda: ball not in rows(page), "the object to be forgotten")


def fits_small_screens(page: Any, number: int) -> None:
    """Open an object's actions, and check that nothing is wider than a phone, upright and lying."""
    page.get_by_role("button", name=f"More for object {number}").click()
    before = page.viewport_size
    for width, height in ((390, 844), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.getElementById('objects').scrollWidth") <= width
        wide = page.evaluate(
            """[...document.querySelectorAll("#objects li *")].filter((one) => {
                const row = one.closest("li").getBoundingClientRect();
                const {left, right, width} = one.getBoundingClientRect();
                return width && (left < row.left || right > row.right + 1);
            }).map((one) => one.outerHTML)"""
        )
        assert wide == []
    page.set_viewport_size(before)
