"""Plots as inline SVG, without a library or a network request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sam_edge.profile.report.svg import (
    CHARACTER_WIDTH,
    COLOURS,
    WIDTH,
    PlotAxis,
    choose_ticks,
    svg_document,
    svg_legend,
    svg_text,
    truncate,
)
from sam_edge.profile.report.text_format import format_number

LEFT, RIGHT, ROW_HEIGHT, HEADER_HEIGHT = 6, 50, 33, 20
"""Bar plots, SVG units: left margin, right margin for the values, height of a bar with its name, height of the axis."""

Point = tuple[float, float]
"""(x, y), in the units of the plotted quantities."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar with a confidence interval."""

    name: str
    """Shown above the bar."""
    parts: tuple[tuple[int, float, str], ...]
    """Colour (0..7), length and name of each part."""
    low: float | None = None
    """Lower end of the interval; None draws no interval."""
    high: float | None = None
    """Upper end of the interval."""
    error: str = ""
    """Shown in place of the bar."""

    @property
    def length(self) -> float:
        """Sum of all parts."""
        return sum(length for _, length, _ in self.parts)


def draw_bars(bars: Sequence[Bar], *, unit: str) -> str:
    """Draw horizontal bars, with their lengths at their ends."""
    maximum = max((max(bar.length, bar.high or 0.0) for bar in bars), default=0.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / maximum
    height = HEADER_HEIGHT + ROW_HEIGHT * len(bars) + 4
    elements = draw_bar_axis(maximum, scale, height, unit)
    for index, bar in enumerate(bars):
        elements += draw_bar(bar, HEADER_HEIGHT + ROW_HEIGHT * index, scale, unit)
    return svg_document(elements, height)


def draw_bar(bar: Bar, y: float, scale: float, unit: str) -> list[str]:
    """Draw one bar with its name above it; `y` is its top, `scale` is SVG units per unit."""
    elements = [svg_text(LEFT, y + 13, truncate(bar.name, WIDTH - LEFT), title=bar.name)]
    if bar.error:
        return [
            *elements,
            svg_text(LEFT, y + 27, truncate(bar.error, WIDTH - LEFT), kind="bad", title=bar.error),
        ]
    x = float(LEFT)
    for colour, length, name in bar.parts:
        elements.append(
            f'<rect class="c{colour % COLOURS}" x="{x:.1f}" y="{y + 17}" width="{max(length * scale, 0):.1f}" '
            f'height="12"><title>{escape(f"{name}: {format_number(length)} {unit}")}</title></rect>'
        )
        x += length * scale
    end = x
    if bar.low is not None and bar.high is not None:
        low, high, middle = LEFT + bar.low * scale, LEFT + bar.high * scale, y + 23
        elements.append(
            f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
            f'M{high:.1f} {middle - 4}v8"/>'
        )
        end = max(end, high)
    return [*elements, svg_text(end + 5, y + 27, format_number(bar.length), kind="value")]


def draw_bar_axis(maximum: float, scale: float, height: float, unit: str) -> list[str]:
    """Draw the axis above the bars, and the grid lines."""
    elements = []
    for tick in choose_ticks(maximum):
        x = LEFT + tick * scale
        text = f"{tick:g}" + (f" {unit}" if tick == 0 else "")
        elements.append(f'<path class="grid" d="M{x:.1f} {HEADER_HEIGHT}V{height - 4}"/>')
        elements.append(svg_text(x, HEADER_HEIGHT - 7, text, kind="tick", anchor="middle"))
    return elements


def draw_lines(
    series: Sequence[tuple[str, Sequence[Point]]],
    *,
    x_unit: str,
    y_unit: str,
    from_zero: bool = True,
) -> str:
    """Draw lines over a common x axis, with a legend for several lines.

    Args:
        series: name and points of each line.
        x_unit: unit of x.
        y_unit: unit of y.
        from_zero: whether the y axis begins at zero.
    """
    points = [point for _, line in series for point in line]
    if not points:
        return ""
    height, bottom, left = 210, 34, 44
    x_max = max(x for x, _ in points) or 1.0
    y_min = 0.0 if from_zero else min(y for _, y in points)
    y_range = (max(y for _, y in points) - y_min) * 1.1 or 1.0
    x_scale, y_scale = (WIDTH - left - 20) / x_max, (height - bottom - 24) / y_range

    def position(x: float, y: float) -> str:
        return f"{left + x * x_scale:.1f} {height - bottom - (y - y_min) * y_scale:.1f}"

    elements = [svg_text(left, 14, y_unit, kind="tick", anchor="start")]
    for tick in choose_ticks(y_range):
        y = height - bottom - tick * y_scale
        elements.append(f'<path class="grid" d="M{left} {y:.1f}H{WIDTH - 14}"/>')
        elements.append(svg_text(left - 8, y + 4, f"{tick + y_min:g}", kind="tick", anchor="end"))
    for tick in choose_ticks(x_max):
        text = f"{tick:g}" + (f" {x_unit}" if tick == 0 else "")
        elements.append(svg_text(left + tick * x_scale, height - 12, text, kind="tick", anchor="middle"))
    for index, (name, line) in enumerate(series):
        path = "L".join(position(x, y) for x, y in line)
        elements.append(
            f'<path class="line s{index % COLOURS}" d="M{path}"><title>{escape(name)}</title></path>'
        )
    legend = svg_legend([name for name, _ in series]) if len(series) > 1 else ""
    return svg_document(elements, height) + legend


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a scatter plot."""

    x: float
    y: float
    colour: int
    """0..7."""
    radius: float
    """SVG units."""
    title: str
    """Shown on hover."""
    name: str = ""
    """Shown next to the dot; empty shows nothing."""
    highlighted: bool = False
    """Whether the dot has a ring."""


def draw_scatter(
    dots: Sequence[Dot],
    *,
    x_unit: str,
    y_unit: str,
    log: bool = False,
    ceilings: Sequence[tuple[str, Sequence[Point]]] = (),
    path: Sequence[Point] = (),
    limit_x: float | None = None,
) -> str:
    """Draw a scatter plot.

    Args:
        dots: the points; with `log`, x and y must be positive.
        x_unit: unit of x.
        y_unit: unit of y.
        log: whether both axes are logarithmic.
        ceilings: named lines above the points: a roofline.
        path: a dashed line through some of the points.
        limit_x: x of a vertical line; None draws none.
    """
    everything = [(dot.x, dot.y) for dot in dots] + [point for _, line in ceilings for point in line]
    if not everything:
        return ""
    height, bottom, left = 320, 40, 44
    xs, ys = [x for x, _ in everything] + ([limit_x] if limit_x else []), [y for _, y in everything]
    x_axis = PlotAxis.over(xs, left, WIDTH - 14, log=log)
    y_axis = PlotAxis.over(ys, height - bottom, 26, log=log)

    def svg_path(line: Sequence[Point]) -> str:
        return "M" + "L".join(f"{x_axis.position(x):.1f} {y_axis.position(y):.1f}" for x, y in line)

    elements = [svg_text(left, 14, y_unit, kind="tick", anchor="start")]
    for tick in y_axis.ticks():
        y = y_axis.position(tick)
        elements.append(f'<path class="grid" d="M{left} {y:.1f}H{WIDTH - 14}"/>')
        elements.append(svg_text(left - 8, y + 4, f"{tick:g}", kind="tick", anchor="end"))
    for tick in x_axis.ticks():
        x = x_axis.position(tick)
        elements.append(f'<path class="grid" d="M{x:.1f} 26V{height - bottom}"/>')
        elements.append(svg_text(x, height - 20, f"{tick:g}", kind="tick", anchor="middle"))
    elements.append(svg_text(WIDTH - 14, height - 4, x_unit, kind="tick", anchor="end"))
    for name, line in ceilings:
        x, y = x_axis.position(line[-1][0]), y_axis.position(line[-1][1])
        elements.append(f'<path class="roof" d="{svg_path(line)}"/>')
        elements.append(svg_text(x - 4, y - 5, name, kind="tick", anchor="end"))
    if path:
        elements.append(f'<path class="front" d="{svg_path(path)}"/>')
    if limit_x is not None:
        elements.append(f'<path class="limit" d="M{x_axis.position(limit_x):.1f} 26V{height - bottom}"/>')
    return svg_document(elements + draw_dots(dots, x_axis, y_axis), height)


def draw_dots(dots: Sequence[Dot], x_axis: PlotAxis, y_axis: PlotAxis) -> list[str]:
    """Draw the points of a scatter plot, and their names where these cover nothing else."""
    positions = [(x_axis.position(dot.x), y_axis.position(dot.y)) for dot in dots]
    occupied = [
        (x - dot.radius, y - dot.radius, x + dot.radius, y + dot.radius)
        for dot, (x, y) in zip(dots, positions, strict=True)
    ]
    elements = []
    for dot, (x, y) in zip(dots, positions, strict=True):
        ring = " ringed" if dot.highlighted else ""
        elements.append(
            f'<circle class="c{dot.colour % COLOURS}{ring}" cx="{x:.1f}" cy="{y:.1f}" r="{dot.radius:.1f}">'
            f"<title>{escape(dot.title)}</title></circle>"
        )
        if dot.name:
            elements.append(svg_text(*place_name(x, y, dot, occupied), dot.name, kind="tick"))
    return elements


Box = tuple[float, float, float, float]
"""x0, y0, x1, y1, SVG units."""


def place_name(x: float, y: float, dot: Dot, occupied: list[Box]) -> tuple[float, float]:
    """Find a free position for a dot's name next to it, and mark it as occupied: left end and baseline of the text."""
    width, gap = CHARACTER_WIDTH * len(dot.name), dot.radius + 4
    candidates = (
        *((x + gap, y + 4), (x - gap - width, y + 4)),
        *((x - width / 2, y - gap), (x - width / 2, y + gap + 9)),
    )
    for left, baseline in candidates:
        box = (left, baseline - 9, left + width, baseline + 2)
        free = not any(
            box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3] for x0, y0, x1, y1 in occupied
        )
        if free and left >= 0 and box[2] <= WIDTH:
            occupied.append(box)
            return left, baseline
    return candidates[0]
