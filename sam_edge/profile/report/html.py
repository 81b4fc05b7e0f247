"""Parts of an HTML report: document, sections, cards, tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sam_edge.profile.report.stylesheet import STYLE


def html_document(title: str, body: str) -> str:
    """Write a self-contained page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def html_section(title: str, description: str, cards: Sequence[str]) -> str:
    """Put cards under a title; empty without cards."""
    if not cards:
        return ""
    return (
        f'<h2>{escape(title)}</h2><p class="soft">{escape(description)}</p>'
        f'<div class="grid2">{"".join(cards)}</div>'
    )


def html_card(title: str, content: str) -> str:
    """Frame a plot."""
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def html_details(title: str, content: str) -> str:
    """Put content into a collapsed block."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def html_error(text: str) -> str:
    """Report a failure."""
    return f'<p class="bad">{escape(text)}</p>'


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """Write a table; the first row is the header."""
    header = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f'<div class="scroll"><table><tr>{header}</tr>{body}</table></div>'
