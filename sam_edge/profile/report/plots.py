"""Plots as inline SVG, drawn by hand: no library, no request to anywhere. Colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 420
"""Units of every plot: narrow, so that its words are still legible where the page scales it to a phone."""
LEFT, RIGHT, ROW, HEAD = 6, 50, 33, 20
"""Units left of the bars, right of them for their values, of a bar with its name above it, and of the axis."""
CHARACTER = 6.2
"""Units that a character takes, about."""
SERIES = 8
"""Colours of the style sheet: `c0` to `c7`."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: parts that stand end to end, and how sure the whole is."""

    name: str
    """What it stands for."""
    parts: tuple[tuple[int, float, str], ...]
    """Colour (0..7), length, and what the part is."""
    low: float | None = None
    """Lower end of the interval; None draws none."""
    high: float | None = None
    """Upper end of it."""
    note: str = ""
    """Stands in place of the bar, where there is none."""

    @property
    def length(self) -> float:
        """The whole."""
        return sum(part[1] for part in self.parts)


def bars(rows: Sequence[Bar], *, unit: str) -> str:
    """Draw bars, one below the other, with their lengths at their ends."""
    most = max((max(row.length, row.high or 0.0) for row in rows), default=0.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / most
    height = HEAD + ROW * len(rows) + 4
    drawn = axis(most, scale, height, unit)
    for index, row in enumerate(rows):
        y = HEAD + ROW * index
        drawn.append(label(LEFT, y + 13, shortened(row.name, WIDTH - LEFT), title=row.name))
        if row.note:
            drawn.append(label(LEFT, y + 27, shortened(row.note, WIDTH - LEFT), kind="bad", title=row.note))
            continue
        x = float(LEFT)
        for colour, length, what in row.parts:
            drawn.append(
                f'<rect class="c{colour % SERIES}" x="{x:.1f}" y="{y + 17}" width="{max(length * scale, 0):.1f}" '
                f'height="12"><title>{escape(f"{what}: {figure(length)} {unit}")}</title></rect>'
            )
            x += length * scale
        end = x
        if row.low is not None and row.high is not None:
            low, high = LEFT + row.low * scale, LEFT + row.high * scale
            middle = y + 23
            drawn.append(f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
                         f'M{high:.1f} {middle - 4}v8"/>')  # fmt: skip
            end = max(end, high)
        drawn.append(label(end + 5, y + 27, figure(row.length), kind="value"))
    return framed(drawn, height)


def axis(most: float, scale: float, height: float, unit: str) -> list[str]:
    """Draw the axis above bars, and thin lines down from it."""
    drawn = []
    for tick in ticks(most):
        x = LEFT + tick * scale
        drawn.append(f'<path class="grid" d="M{x:.1f} {HEAD}V{height - 4}"/>')
        drawn.append(
            label(x, HEAD - 7, f"{tick:g}" + (f" {unit}" if tick == 0 else ""), kind="tick", anchor="middle")
        )
    return drawn


def lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    *,
    x_unit: str,
    y_unit: str,
    from_zero: bool = True,
) -> str:
    """Draw lines over a common x axis, with a legend where there are several.

    Args:
        series: name and points (x, y) of each.
        x_unit: what x counts.
        y_unit: what y counts.
        from_zero: whether y begins at zero.
    """
    points = [point for _, line in series for point in line]
    if not points:
        return ""
    height, bottom, left = 210, 34, 44
    x_most = max(x for x, _ in points) or 1.0
    y_least = 0.0 if from_zero else min(y for _, y in points)
    y_most = (max(y for _, y in points) - y_least) * 1.1 or 1.0
    x_scale, y_scale = (WIDTH - left - 20) / x_most, (height - bottom - 24) / y_most

    def place(x: float, y: float) -> str:
        return f"{left + x * x_scale:.1f} {height - bottom - (y - y_least) * y_scale:.1f}"

    drawn = [label(left, 14, y_unit, kind="tick", anchor="start")]
    for tick in ticks(y_most):
        y = height - bottom - tick * y_scale
        drawn.append(f'<path class="grid" d="M{left} {y:.1f}H{WIDTH - 14}"/>')
        drawn.append(label(left - 8, y + 4, f"{tick + y_least:g}", kind="tick", anchor="end"))
    for tick in ticks(x_most):
        unit = f" {x_unit}" if tick == 0 else ""
        drawn.append(
            label(left + tick * x_scale, height - 12, f"{tick:g}{unit}", kind="tick", anchor="middle")
        )
    for index, (name, line) in enumerate(series):
        path = "L".join(place(x, y) for x, y in line)
        drawn.append(f'<path class="line s{index % SERIES}" d="M{path}"><title>{escape(name)}</title></path>')
    return framed(drawn, height) + (legend([name for name, _ in series]) if len(series) > 1 else "")


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a plot of two quantities."""

    x: float
    """Along."""
    y: float
    """Up."""
    colour: int
    """0..7."""
    radius: float
    """Units."""
    title: str
    """What a pointer that rests on it reads."""
    name: str = ""
    """Written beside it; empty writes nothing."""
    ringed: bool = False
    """Whether it stands out."""


def dots(
    points: Sequence[Dot],
    *,
    x_unit: str,
    y_unit: str,
    log: bool = False,
    roofs: Sequence[tuple[str, Sequence[tuple[float, float]]]] = (),
    path: Sequence[tuple[float, float]] = (),
    limit_x: float | None = None,
) -> str:
    """Draw points of two quantities.

    Args:
        points: the points; with `log`, both quantities are positive.
        x_unit: what x counts.
        y_unit: what y counts.
        log: whether both axes are logarithmic.
        roofs: lines above the points, by name.
        path: a line through some of the points.
        limit_x: where a line stands upright.
    """
    everything = [(dot.x, dot.y) for dot in points] + [point for _, line in roofs for point in line]
    if not everything:
        return ""
    height, bottom, left = 320, 40, 44
    xs, ys = [x for x, _ in everything] + ([limit_x] if limit_x else []), [y for _, y in everything]
    x_axis = Axis.over(xs, left, WIDTH - 14, log=log)
    y_axis = Axis.over(ys, height - bottom, 26, log=log)
    drawn = [label(left, 14, y_unit, kind="tick", anchor="start")]
    for tick in y_axis.ticks():
        y = y_axis.at(tick)
        drawn.append(f'<path class="grid" d="M{left} {y:.1f}H{WIDTH - 14}"/>')
        drawn.append(label(left - 8, y + 4, f"{tick:g}", kind="tick", anchor="end"))
    for tick in x_axis.ticks():
        drawn.append(f'<path class="grid" d="M{x_axis.at(tick):.1f} 26V{height - bottom}"/>')
        drawn.append(label(x_axis.at(tick), height - 20, f"{tick:g}", kind="tick", anchor="middle"))
    drawn.append(label(WIDTH - 14, height - 4, x_unit, kind="tick", anchor="end"))
    for name, line in roofs:
        drawn.append(
            f'<path class="roof" d="M{"L".join(f"{x_axis.at(x):.1f} {y_axis.at(y):.1f}" for x, y in line)}"/>'
        )
        drawn.append(
            label(x_axis.at(line[-1][0]) - 4, y_axis.at(line[-1][1]) - 5, name, kind="tick", anchor="end")
        )
    if path:
        drawn.append(
            f'<path class="front" d="M{"L".join(f"{x_axis.at(x):.1f} {y_axis.at(y):.1f}" for x, y in path)}"/>'
        )
    if limit_x is not None:
        drawn.append(f'<path class="limit" d="M{x_axis.at(limit_x):.1f} 26V{height - bottom}"/>')
    placed = [(x_axis.at(dot.x), y_axis.at(dot.y), dot.radius) for dot in points]
    taken = [(x - radius, y - radius, x + radius, y + radius) for x, y, radius in placed]
    for dot, (x, y, _) in zip(points, placed, strict=True):
        ring = " ringed" if dot.ringed else ""
        drawn.append(
            f'<circle class="c{dot.colour % SERIES}{ring}" cx="{x:.1f}" cy="{y:.1f}" r="{dot.radius:.1f}">'
            f"<title>{escape(dot.title)}</title></circle>"
        )
        if dot.name:
            drawn.append(label(*beside(x, y, dot, taken), dot.name, kind="tick"))
    return framed(drawn, height)


Box = tuple[float, float, float, float]
"""x0, y0, x1, y1, units."""


def beside(x: float, y: float, dot: Dot, taken: list[Box]) -> tuple[float, float]:
    """Find a place for a dot's name where nothing else stands, and take it: where the word begins, and its line."""
    width, gap = CHARACTER * len(dot.name), dot.radius + 4
    places = (
        *((x + gap, y + 4), (x - gap - width, y + 4)),
        *((x - width / 2, y - gap), (x - width / 2, y + gap + 9)),
    )
    for left, line in places:
        box = (left, line - 9, left + width, line + 2)
        free = not any(
            box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3] for x0, y0, x1, y1 in taken
        )
        if free and left >= 0 and box[2] <= WIDTH:
            taken.append(box)
            return left, line
    return places[0]


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values lie along an axis."""

    least: float
    """The value at `begin`."""
    most: float
    """The value at `end`."""
    begin: float
    """Units."""
    end: float
    """Units."""
    log: bool
    """Whether it is logarithmic."""

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float, *, log: bool) -> Axis:
        """Take in all values, with some room around them."""
        least, most = min(values), max(values)
        if log:
            return cls(10 ** math.floor(math.log10(least)), most * 1.5, begin, end, log)
        room = 0.08 * (most - least) or 0.1 * abs(most) or 1.0
        return cls(max(0.0, least - room) if least >= 0 else least - room, most + room, begin, end, log)

    def at(self, value: float) -> float:
        """Return where a value lies, units."""
        if self.log:
            share = math.log(max(value, self.least) / self.least) / math.log(self.most / self.least)
        else:
            share = (value - self.least) / (self.most - self.least)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Choose round values."""
        if self.log:
            first, last = math.ceil(math.log10(self.least)), math.floor(math.log10(self.most))
            return [10.0**power for power in range(first, last + 1)]
        step = round_step(self.most - self.least)
        first = math.ceil(self.least / step)
        return [round(step * index, 10) for index in range(first, math.floor(self.most / step) + 1)]


def ticks(most: float) -> list[float]:
    """Choose round values from 0 to `most`."""
    step = round_step(most)
    return [round(step * index, 10) for index in range(int(most / step) + 1)]


def round_step(span: float) -> float:
    """Choose a step of 1, 2 or 5 times a power of ten that gives about five ticks."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= rough), 10 * power)


def legend(names: Sequence[str]) -> str:
    """Write what the colours stand for."""
    entries = "".join(
        f'<span><i class="b{index % SERIES}"></i>{escape(name)}</span>' for index, name in enumerate(names)
    )
    return f'<p class="legend">{entries}</p>'


def framed(drawn: Sequence[str], height: float) -> str:
    """Put what is drawn in a picture that scales with the page."""
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(drawn)}</svg>'


def label(
    x: float, y: float, text: str, *, kind: str = "name", anchor: str = "start", title: str = ""
) -> str:
    """Write a word."""
    hover = f"<title>{escape(title)}</title>" if title and title != text else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{hover}{escape(text)}</text>'


def shortened(text: str, room: float) -> str:
    """Cut a name that does not fit into so many units."""
    most = int(room / CHARACTER)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def figure(value: float) -> str:
    """Write a figure with three digits that count."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
