"""What the pages for this computer alone share: the head of their HTML, style sheet and icon."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sam_edge.web.static_files import REVALIDATE, SHARED_FOLDER, file_response

SHARED_FILES = ("style.css", "icon.svg")
HEAD_MARK = "<!-- head -->"
"""Stands in a page's HTML where the shared head belongs."""


def page_response(index: Path) -> Response:
    """Respond with a page; the shared head (encoding, viewport, colours, icon, style sheet) replaces its mark."""
    head = (SHARED_FOLDER / "head.html").read_text(encoding="utf-8")
    html = index.read_text(encoding="utf-8").replace(HEAD_MARK, head.rstrip())
    return HTMLResponse(html, headers=REVALIDATE)


def shared_routes() -> list[Route]:
    """Return the routes of the shared style sheet and icon, `/shared/NAME`."""
    return [Route(f"/shared/{name}", _get_shared) for name in SHARED_FILES]


async def _get_shared(request: Request) -> Response:
    return file_response(SHARED_FOLDER / request.url.path.rpartition("/")[2])
