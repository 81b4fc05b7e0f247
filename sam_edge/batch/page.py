"""`index.html`: every recording with its state, and links to its report, its files and its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from urllib.parse import quote

from sam_edge.batch.progress import describe_time
from sam_edge.batch.results import REPORT
from sam_edge.batch.states import Progress, RecordingState

FILES = Path(__file__).parent / "page_files"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The browser loads nothing, whatever the page holds."""
MAX_ROWS = 5000
"""Most recordings on the page, failed ones first; `summary.csv` has all."""
ORDER: tuple[Progress, ...] = ("failed", "running", "left", "done")
"""States in the order of the page."""
COLUMNS = (
    ("Recording", "name"),
    ("State", "state"),
    ("Participant", "text"),
    ("Length", ""),
    ("Frames", ""),
    ("Valid gaze", ""),
    ("Fixations", ""),
    ("Objects", ""),
    ("Mask shown", ""),
    ("Time", ""),
    ("Host", "text"),
    ("Results", "text"),
)
"""Heading and CSS class of each column."""


def to_html(states: Sequence[RecordingState]) -> str:
    """Return the page."""
    counts = Counter(state.progress for state in states)
    shown = sorted(states, key=lambda state: (ORDER.index(state.progress), state.recording.uri))[:MAX_ROWS]
    style, script = ((FILES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    heads = "".join(
        f'<th scope="col" class="{kind}"><button type="button">{name}</button></th>' for name, kind in COLUMNS
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{counts['done']} of {len(states)} recordings done</title><style>{style}</style></head><body>"
        f"{_summary(states, counts)}{_filters(counts)}{_note(len(states))}"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(map(_row, shown))}</tbody></table></div>"
        f'<script type="module">{script}</script></body></html>\n'
    )


def _summary(states: Sequence[RecordingState], counts: Counter[Progress]) -> str:
    finished = [state.done for state in states if state.done is not None]
    frames = sum(done.figures.frames for done in finished)
    length = describe_time(sum(done.figures.duration_s or 0.0 for done in finished))
    time = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"<h1>{counts['done']} of {len(states)} recordings done</h1>"
        f'<p class="soft">{frames:,} frames, {length} of recordings. Written {time}.</p>'
        f'<meter min="0" max="{max(1, len(states))}" value="{counts["done"]}" '
        f'aria-label="share of the recordings that are done"></meter>'
    )


def _filters(counts: Counter[Progress]) -> str:
    total = sum(counts.values())
    buttons = [f'<button type="button" data-state="" aria-pressed="true">all {total}</button>']
    buttons += [
        f'<button type="button" data-state="{name}" aria-pressed="false">{name} {counts[name]}</button>'
        for name in ORDER
        if counts[name]
    ]
    return (
        f'<div class="bar">{"".join(buttons)}'
        '<input id="search" type="search" placeholder="Find a recording" aria-label="Find a recording">'
        '<span id="count" class="soft" role="status"></span></div>'
    )


def _note(total: int) -> str:
    if total <= MAX_ROWS:
        return ""
    return (
        f'<p class="soft">{MAX_ROWS} of {total} recordings are listed here; summary.csv has all of them.</p>'
    )


def _row(state: RecordingState) -> str:
    recording, done, failure = state.recording, state.done, state.failure
    figures = done.figures if done is not None else None
    duration_s = figures.duration_s if figures is not None else recording.duration_s
    cells = [
        _name_cell(state),
        state.progress,
        escape(recording.participant),
        _number(duration_s, "" if duration_s is None else describe_time(duration_s)),
        _count(figures.frames if figures is not None else recording.frames),
        _percent(figures.valid_gaze if figures is not None else None),
        _count(figures.fixations if figures is not None else None),
        _count(figures.objects if figures is not None else None),
        _percent(figures.coverage if figures is not None else None),
        _number(done.seconds, describe_time(done.seconds)) if done is not None else "",
        escape(done.host if done is not None else failure.host if failure is not None else ""),
        _links(state),
    ]
    texts = [cell if isinstance(cell, tuple) else ("", cell) for cell in cells]
    columns = "".join(
        f'<td class="{kind}" data-name="{name}"{value}>{text}</td>'
        for (value, text), (name, kind) in zip(texts, COLUMNS, strict=True)
    )
    return f'<tr class="{state.progress}">{columns}</tr>'


def _name_cell(state: RecordingState) -> str:
    recording = state.recording
    text = f"{escape(recording.name)}<small>{escape(recording.uri)}</small>"
    if state.failure is not None:
        text += f'<span class="problem">{state.failure.error_class}: {escape(state.failure.message)}</span>'
    if state.done is not None and state.done.figures.warnings:
        text += f"<small>{escape('; '.join(state.done.figures.warnings))}</small>"
    return text


def _links(state: RecordingState) -> str:
    links = []
    if state.done is not None:
        if state.done.has(REPORT):
            links.append(("report", state.done.path_of(REPORT)))
        links.append(("files", f"{state.done.attempt}/"))
    if state.done is not None or (state.failure is not None and state.failure.log):
        links.append(("log", f"logs/{state.recording.id}.txt"))
    return " ".join(f'<a href="{quote(path)}">{name}</a>' for name, path in links)


def _number(value: float | None, text: str) -> tuple[str, str]:
    """Return the attribute that the column is sorted by, and the text."""
    return f' data-value="{-1 if value is None else value:g}"', text


def _count(value: int | None) -> tuple[str, str]:
    return _number(value, "" if value is None else f"{value:,}")


def _percent(value: float | None) -> tuple[str, str]:
    return _number(value, "" if value is None else f"{value:.0%}")
