"""What a report comes out as: JSON, tables, one page, CSV."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sam_edge.errors import InputError
from sam_edge.profile.report.csv_export import COLUMNS, to_csv
from sam_edge.profile.report.html_report import to_html
from sam_edge.profile.report.plots import Bar, Dot, draw_bars, draw_lines, draw_scatter
from sam_edge.profile.report.report import ProfileReport
from sam_edge.profile.report.schema import read_report
from sam_edge.profile.report.svg import PlotAxis, choose_ticks, tick_step, truncate
from sam_edge.profile.report.terminal import format_report
from sam_edge.profile.report.text_format import align_columns, format_number

MakeReport = Callable[..., ProfileReport]
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that tags nest, and collects text, links and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(value) for key, value in attrs if key in ("src", "href", "xlink:href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def test_the_schema_of_the_json(make_report: MakeReport) -> None:
    """A reader of schema 2 relies on these: keys may be added, none may be removed or renamed."""
    content = make_report().to_json()
    assert content["schema"] == 2
    assert content["kind"] == "sam-edge profile"
    assert content.keys() >= {
        *("complete", "interrupted", "started_at", "duration_s", "machine", "models", "noise", "notes"),
        *("cold_starts", "timings", "sessions", "sustained", "peaks", "operators"),
    }
    assert content["machine"].keys() >= {
        *("cpu", "cores", "cores_total", "cpu_features", "governor", "clock_mhz", "memory_mb", "platform"),
        *("python", "sam_edge", "packages", "git_commit"),
    }
    row = content["timings"][0]
    assert row.keys() >= {
        "case",
        "actual_precision",
        "total",
        "inference",
        "samples_ms",
        "rounds",
        "usage",
        "error",
    }
    assert row["case"] == {
        "engine": {"bundle": "mobile_sam", "runtime": "fake", "precision": None, "threads": 1, "model": ""},
        "size": [448, 672],
        "prompts": 0,
    }
    assert row["total"].keys() >= {
        *("count", "median_ms", "median_low_ms", "median_high_ms"),
        *("p95_ms", "p99_ms", "mad_ms", "min_ms", "max_ms", "mean_ms"),
    }
    assert row["usage"].keys() >= {"wall_s", "cpu_s", "voluntary_switches", "involuntary_switches", "joules"}
    assert content["models"][0].keys() >= {"name", "model", "manifest_sha256", "size_mb", "files", "error"}
    assert content["operators"][0]["operators"][0].keys() >= {
        *(
            "name",
            "op_type",
            "family",
            "stage",
            "dtype",
            "time_us",
            "flops",
            "bytes",
            "bound",
            "roofline_fraction",
        )
    }


def test_a_report_can_be_read_again(make_report: MakeReport, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "profile.json"
    make_report().write(path)
    assert read_report(path) == json.loads(path.read_text())
    assert [file.name for file in path.parent.iterdir()] == ["profile.json"]


def test_a_report_says_nothing_of_where_things_lie(make_report: MakeReport, repo_dir: Path) -> None:
    text = json.dumps(make_report().to_json())
    assert str(repo_dir) not in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "not a profile"),
        ('{"kind": "other"}', "not a profile"),
        ('{"kind": "sam-edge profile", "schema": 9}', "schema 9"),
    ],
)
def test_files_that_are_no_profile(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_report(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "absent.json")


def test_the_page_needs_nothing_but_itself(make_report: MakeReport) -> None:
    text = to_html(make_report())
    result = parsed(text)
    assert result.addresses == []
    assert not {"script", "link", "img", "iframe"} & set(result.tags)
    assert not re.search(r"https?:|url\(|@import", text)


def test_the_page_shows_every_part_and_what_failed(make_report: MakeReport) -> None:
    text = " ".join(parsed(to_html(make_report())).text)
    for words in (
        *("Test CPU, 2 of 4 cores", "failed: fake, 1 thread: broken", "energy: <none>", "encode, 672x448"),
        *("live, fake, 1 thread", "throttling", "kinds of work", "parts of the model"),
        *("Slowest operators", "qkv <1>", "sha256"),
    ):
        assert words in text, words


def test_the_page_of_an_interrupted_profile_says_so(make_report: MakeReport) -> None:
    assert "Interrupted during timing" in " ".join(parsed(to_html(make_report(interrupted="timing"))).text)


def test_names_cannot_break_the_page(make_report: MakeReport) -> None:
    text = to_html(make_report(cpu='<script>alert("x")</script>'))
    assert "<script" not in text
    assert "script" not in parsed(text).tags


def test_tables_hold_figures_and_failures(make_report: MakeReport) -> None:
    text = format_report(make_report(interrupted="session"))
    assert "INTERRUPTED during session" in text
    assert "FAILED no decoder" in text
    assert re.search(r"encode 672x448, fake, 1 thread, int8 +3 +11\.0", text)
    assert "throttling" in text
    assert "2.0" in text
    assert "note: energy: <none>" in text


def test_the_sheet_has_a_line_a_figure(make_report: MakeReport) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(make_report()))))
    assert tuple(rows[0]) == COLUMNS
    encode = next(row for row in rows if row["part"] == "timing" and row["metric"] == "encode")
    assert (encode["median"], encode["unit"], encode["width"], encode["height"]) == (
        "11.0",
        "ms",
        "672",
        "448",
    )
    assert [row["error"] for row in rows if row["metric"] == "decode"] == ["no decoder"]
    assert {row["part"] for row in rows} == {"cold", "memory", "timing", "session: live", "operator"}


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.partition("</svg>")[0] + "</svg>")


def test_bars_are_as_long_as_their_values() -> None:
    rows = [Bar("a", ((0, 10.0, "x"), (1, 30.0, "y")), low=35.0, high=50.0), Bar("b & c", (), error="broken")]
    picture = drawn(draw_bars(rows, unit="ms"))
    first, second = [float(element.attrib["width"]) for element in picture.iter("rect")]
    assert second == pytest.approx(3 * first, rel=0.02)
    texts = [element.text or "".join(element.itertext()) for element in picture.iter("text")]
    assert "40.0" in texts
    assert "broken" in "".join(texts)


def test_bars_of_nothing_can_be_drawn() -> None:
    drawn(draw_bars([], unit="ms"))
    drawn(draw_bars([Bar("zero", ((0, 0.0, "x"),))], unit="ms"))


def test_lines_rise_where_values_do() -> None:
    text = draw_lines([("a", [(0.0, 1.0), (1.0, 3.0)])], x_unit="s", y_unit="ms")
    path = next(element for element in drawn(text).iter("path") if element.attrib["class"].startswith("line"))
    (_, y0), (_, y1) = [tuple(map(float, word.split())) for word in path.attrib["d"][1:].split("L")]
    assert y1 < y0
    assert draw_lines([], x_unit="s", y_unit="ms") == ""


def test_dots_lie_in_the_plot_on_both_kinds_of_axes() -> None:
    points = [Dot(10.0**index, 20.0 + index, index, 4.0, "t", name="n") for index in range(4)]
    for log in (False, True):
        picture = drawn(
            draw_scatter(
                points, x_unit="ms", y_unit="IoU", log=log, path=[(1.0, 20.0), (10.0, 21.0)], limit_x=33.0
            )
        )
        xs = [float(element.attrib["cx"]) for element in picture.iter("circle")]
        assert xs == sorted(xs)
        assert all(0 <= x <= 420 for x in xs)
    assert draw_scatter([], x_unit="ms", y_unit="IoU") == ""


def test_axes_have_a_few_round_ticks() -> None:
    assert choose_ticks(10.0) == [0, 2, 4, 6, 8, 10]
    assert tick_step(0.7) == 0.2
    assert PlotAxis.over([0.5, 2000.0], 0, 1, log=True).ticks() == [0.1, 1, 10, 100, 1000]
    assert 3 <= len(PlotAxis.over([0.61, 0.75], 0, 1, log=False).ticks()) <= 12


def test_figures_and_columns() -> None:
    assert [format_number(value) for value in (None, 1.234, 12.34, 123.4)] == ["-", "1.23", "12.3", "123"]
    assert list(align_columns([["a", "bb"], ["ccc", "1"]])) == ["a    bb", "-------", "ccc   1"]
    assert truncate("x" * 99, 62) == "x" * 9 + "…"


def test_names_of_dots_do_not_cover_each_other() -> None:
    """Three dots on one line, so close that a name to the right of each would lie on the next one's."""
    points = [Dot(x, 0.5, 0, 4, "t", name="448x448") for x in (10.0, 11.0, 12.0)] + [
        Dot(40.0, 0.5, 0, 4, "t")
    ]
    drawn = draw_scatter(points, x_unit="ms", y_unit="IoU")
    places = [
        (float(x), float(y))
        for x, y in re.findall(r'<text class="tick" x="([0-9.]+)" y="([0-9.]+)"[^>]*>448x448<', drawn)
    ]
    assert len(places) == 3
    width = 6.2 * len("448x448")
    for first, second in itertools.combinations(places, 2):
        assert abs(first[0] - second[0]) >= width or abs(first[1] - second[1]) >= 11
