"""The page in a real browser: its numbers are those of the tables, and what it saves is applied."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install 'sam-edge[test]'")

from sam_edge._aoi import apply_aois
from sam_edge._aoi.report import write_report
from sam_edge._aoi.summary import summarise, write_summary
from sam_edge.errors import InputError
from tests.aoi.made import STUDY, make_tables
from tests.aoi.test_report import write_object

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COLUMNS = {
    "visits": "visits",
    "revisits": "revisits",
    "dwell time [ms]": "dwell ms",
    "total fixations": "fixations",
    "total fixation duration [ms]": "fixation total ms",
    "average fixation duration [ms]": "mean ms",
    "first fixation duration [ms]": "first ms",
    "time to first fixation [ms]": "time to first ms",
}
"""Column of the page by the column of `aoi_metrics.csv`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `aoi` writes for the made recording, without the video."""
    folder = tmp_path_factory.mktemp("study")
    tables = make_tables()
    for name in ("timeline", "samples", "fixations"):
        getattr(tables, name).write(folder / f"{name}.csv")
    write_summary(folder, STUDY, summarise(STUDY, tables))
    write_object(folder, 1)
    write_object(folder, 2)
    write_report(folder, STUDY, tables)
    return folder


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    """The page, without network; what it complains of fails the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True, locale="en-US")
    complaints: list[str] = []
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.extend([said.text] if said.type == "error" else []))
    page.goto((folder / "report.html").as_uri())
    page.wait_for_selector("[data-ready]")
    yield page
    context.close()
    assert complaints == []


def numbers_of(page: Any) -> dict[int, dict[str, str]]:
    """Return the cells of the page's table by object and column."""
    names = page.locator("#metrics th").all_inner_texts()[1:]
    found = {}
    for row in page.locator("#metrics tbody tr").all():
        cells = row.locator("td").all_inner_texts()[1:]
        found[int(row.get_attribute("data-object"))] = dict(zip(names, cells, strict=True))
    return found


def assert_as_written(page: Any, folder: Path, section: str) -> None:
    """Compare the page with `aoi_metrics.csv`."""
    found = numbers_of(page)
    with (folder / "aoi_metrics.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["section"] == section]
    assert set(found) == {int(row["label id"]) for row in rows}
    for row in rows:
        shown = found[int(row["label id"])]
        for column, name in COLUMNS.items():
            expected = "" if not row[column] else f"{round(float(row[column])):,}"
            assert shown[name] == expected, (section, row["label id"], name)


def test_the_numbers_of_each_section_are_those_of_the_table(page: Any, folder: Path) -> None:
    for index, section in enumerate(STUDY.sections):
        page.select_option("#section", str(index))
        assert_as_written(page, folder, section.name)


def test_the_plots_follow_time_and_objects(page: Any) -> None:
    assert page.locator("#scarf .lane:not(.all) path.tone").count() == 2
    assert page.locator("[data-object='2'].object circle.spot").count() == 2
    page.fill("#from", "0.8")
    page.locator("#from").blur()
    assert page.locator("[data-object='2'].object circle.spot").count() == 1
    assert page.locator("#transitions td.warm").all_inner_texts() == ["1"]
    page.click("#chips [data-object='2']")
    assert list(numbers_of(page)) == [1]
    assert page.locator("#scarf .lane:not(.all) path.tone").count() == 1
    page.click("#reset")
    assert set(numbers_of(page)) == {1, 2}
    assert page.locator(".note", has_text="3 % of the samples").count() == 1
    page.check("[name=gaze][value=heat]")
    assert page.locator(".object image").count() == 4


def test_what_it_saves_is_applied(page: Any, folder: Path, tmp_path: Path) -> None:
    """The new page has the same numbers as the edited one."""
    page.fill("[data-object='1'].object input", "red mug")
    page.locator("[data-object='1'].object input").blur()
    page.locator("[data-object='2'].object select").select_option("1")
    edited = numbers_of(page)
    assert list(edited) == [1]
    with page.expect_download() as download:
        page.click("#save")
    aois = tmp_path / "aois.json"
    download.value.save_as(aois)
    assert json.loads(aois.read_text())["objects"] == [{"object": 1, "label": "red mug", "merge": [2]}]
    result = apply_aois(folder, aois, out=tmp_path / "new")
    (whole,) = {row["aoi label"] for row in result.metrics}
    assert whole == "red mug"
    page.goto((tmp_path / "new" / "report.html").as_uri())
    page.wait_for_selector("[data-ready]")
    assert numbers_of(page) == edited
    # Of the two pictures, the better one; the number is the kept one.
    facts = json.loads((tmp_path / "new" / "objects" / "1" / "object.json").read_text())
    assert (facts["object"], facts["label"], facts["quality"]) == (1, "red mug", 20.0)
    with pytest.raises(InputError, match="is not empty; give the name of a new folder"):
        apply_aois(folder, aois, out=tmp_path / "new")
    page.go_back()


def test_undo(page: Any) -> None:
    before = numbers_of(page)
    page.locator("[data-object='2'].object select").select_option("1")
    assert page.inner_text("#changes") == "1 change"
    page.click(".merged button")
    assert numbers_of(page) == before
    assert not page.locator("#save").is_visible()
    page.locator("[data-object='1'].object select").select_option("2")
    page.click("#undo")
    assert numbers_of(page) == before


@pytest.mark.parametrize(("media", "width"), [("screen", 360), ("print", 690)])
def test_nothing_is_wider_than_a_phone_or_a_sheet(page: Any, media: str, width: int) -> None:
    page.emulate_media(media=media)
    page.set_viewport_size({"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
