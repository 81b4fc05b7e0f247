"""Turns the project's docstrings into reStructuredText: they use Markdown's backticks and indented code."""

from __future__ import annotations

import re
from collections.abc import Iterator

CODE = re.compile(r"``?([^`]+)``?")
SPECIAL = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")
PARAMETER = re.compile(r"^\s*\*{1,2}\w+: ")
SECTION = re.compile(r"^\s*(Args|Returns|Raises|Yields|Attributes|Example|Examples|Note|Notes):\s*$")


def mark_up(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Rewrite the lines of a docstring in place."""
    lines[:] = list(to_rst(lines))


def to_rst(lines: list[str]) -> Iterator[str]:
    """Mark code as code, and escape what reStructuredText would take for markup."""
    code_indent: int | None = None
    before = ""
    lines = list(_join_split_code(lines))
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            yield ""
            continue
        if code_indent is not None and indent < code_indent:
            code_indent = None
        if code_indent is None and _begins_code(lines, number, before):
            code_indent = indent
            yield " " * (indent - 4) + "::"
            yield ""
        yield line if code_indent is not None else _mark_up_line(line)
        before = line


def _join_split_code(lines: list[str]) -> Iterator[str]:
    """Join lines where a span of code goes on in the next one: each line is marked up alone."""
    open_line = ""
    for line in lines:
        joined = f"{open_line} {line.strip()}" if open_line else line
        if joined.count("`") % 2 and line.strip():
            open_line = joined
            continue
        open_line = ""
        yield joined
    if open_line:
        yield open_line


def _begins_code(lines: list[str], number: int, before: str) -> bool:
    """Whether a line opens indented code: a blank line, then four more spaces than the text above."""
    if number == 0 or lines[number - 1].strip() or not before or SECTION.match(before):
        return False
    indent = len(lines[number]) - len(lines[number].lstrip())
    return indent >= len(before) - len(before.lstrip()) + 4 and not before.lstrip().startswith(("* ", "- "))


def _mark_up_line(line: str) -> str:
    if PARAMETER.match(line):
        name, colon, rest = line.partition(": ")
        return name + colon + _mark_up_text(rest)
    bullet = re.match(r"\s*[*-] ", line)
    start = bullet.end() if bullet else 0
    return line[:start] + _mark_up_text(line[start:])


def _mark_up_text(text: str) -> str:
    parts = CODE.split(text)
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = f"``{part.strip()}``"
        else:
            escaped = SPECIAL.sub(r"\\\g<0>", part)
            # Code must be followed by a space or punctuation: "``GazeSample``s" needs an empty separator.
            parts[index] = f"\\ {escaped}" if index and escaped[:1].isalnum() else escaped
    return "".join(parts)
