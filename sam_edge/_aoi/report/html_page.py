"""The page: style sheet, script and values in one file that loads nothing."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from sam_edge._aoi.report.object_picture import PagePicture
from sam_edge._aoi.report.page_data import page_data
from sam_edge._aoi.study import Study
from sam_edge.media.atomic import write_atomically
from sam_edge.timeline import TimelineTables

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("model.js", "edits.js", "plots.js", "pictures.js", "page.js")
"""The parts of the script, in order."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The browser loads nothing, whatever the page holds."""


def write_report(folder: Path, study: Study, tables: TimelineTables) -> None:
    """Write `report.html` into a folder that has the pictures in `objects/NUMBER/`.

    Raises:
        MediaError: a picture cannot be read, or the page cannot be written.
    """
    pictures = {
        int(path.name): PagePicture.read(path) for path in (folder / "objects").glob("*") if path.is_dir()
    }
    with write_atomically(folder / "report.html") as part:
        part.write_text(to_html(study, tables, pictures), encoding="utf-8")


def to_html(study: Study, tables: TimelineTables, pictures: dict[int, PagePicture]) -> str:
    """Return the page."""
    data = json.dumps(page_data(study, tables, pictures), ensure_ascii=False, separators=(",", ":"))
    script = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style, body = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "body.html"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(study.recording)}: objects that were looked at</title><style>{style}</style></head>"
        f'<body>{body}<script type="application/json" id="data">{_inside_script(data)}</script>'
        f'<script type="module">{script}</script></body></html>\n'
    )


def _inside_script(data: str) -> str:
    """Return JSON that cannot end the script element that holds it."""
    return data.replace("<", "\\u003c")
