"""Parts of SVG plots: text, axes, ticks, legends. Colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 420
"""Width of every plot, SVG units: narrow, so that its text stays legible when a phone scales the page."""
CHARACTER_WIDTH = 6.2
"""Approximate width of a character, SVG units."""
COLOURS = 8
"""Colours of the style sheet: `c0` to `c7`."""


@dataclass(frozen=True, slots=True)
class PlotAxis:
    """Maps values to positions along an axis."""

    minimum: float
    """The value at `begin`."""
    maximum: float
    """The value at `end`."""
    begin: float
    """SVG units."""
    end: float
    """SVG units."""
    log: bool
    """Whether the axis is logarithmic."""

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float, *, log: bool) -> PlotAxis:
        """Make an axis that covers all values with a margin."""
        minimum, maximum = min(values), max(values)
        if log:
            return cls(10 ** math.floor(math.log10(minimum)), maximum * 1.5, begin, end, log)
        margin = 0.08 * (maximum - minimum) or 0.1 * abs(maximum) or 1.0
        low = max(0.0, minimum - margin) if minimum >= 0 else minimum - margin
        return cls(low, maximum + margin, begin, end, log)

    def position(self, value: float) -> float:
        """Return the position of a value, SVG units."""
        if self.log:
            share = math.log(max(value, self.minimum) / self.minimum) / math.log(self.maximum / self.minimum)
        else:
            share = (value - self.minimum) / (self.maximum - self.minimum)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Choose round tick values."""
        if self.log:
            first, last = math.ceil(math.log10(self.minimum)), math.floor(math.log10(self.maximum))
            return [10.0**power for power in range(first, last + 1)]
        step = tick_step(self.maximum - self.minimum)
        first = math.ceil(self.minimum / step)
        return [round(step * index, 10) for index in range(first, math.floor(self.maximum / step) + 1)]


def choose_ticks(maximum: float) -> list[float]:
    """Choose round tick values from 0 to `maximum`."""
    step = tick_step(maximum)
    return [round(step * index, 10) for index in range(int(maximum / step) + 1)]


def tick_step(span: float) -> float:
    """Choose a step of 1, 2 or 5 times a power of ten that gives about five ticks."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= rough), 10 * power)


def svg_document(elements: Sequence[str], height: float) -> str:
    """Wrap elements in an SVG image that scales with the page."""
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(elements)}</svg>'


def svg_text(
    x: float, y: float, text: str, *, kind: str = "name", anchor: str = "start", title: str = ""
) -> str:
    """Draw text. `kind` is its class in the style sheet; `title` is shown on hover if it differs from the text."""
    hover = f"<title>{escape(title)}</title>" if title and title != text else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{hover}{escape(text)}</text>'


def svg_legend(names: Sequence[str]) -> str:
    """Write the legend of the colours, as HTML."""
    entries = "".join(
        f'<span><i class="b{index % COLOURS}"></i>{escape(name)}</span>' for index, name in enumerate(names)
    )
    return f'<p class="legend">{entries}</p>'


def truncate(text: str, width: float) -> str:
    """Cut text that is wider than `width` SVG units."""
    characters = int(width / CHARACTER_WIDTH)
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
