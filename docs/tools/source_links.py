"""Links from the documents to files of the repository that are no pages, such as `../../examples/webcam_mouse.py`.

The site copies such files, so that the links work offline. Links to folders become plain text.
"""

from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"\[([^\]]+)\]\((\.\.?/[^()\s#]+)\)")


def link_to_source_files(app: object, name: str, source: list[str]) -> None:
    """Leave links to pages as they are, and turn the others into downloads or text."""
    docs = Path(str(app.srcdir))  # type: ignore[attr-defined]
    folder = (docs / name).parent

    def replace(match: re.Match[str]) -> str:
        text, link = match[1], match[2]
        target = (folder / link).resolve()
        if target.is_relative_to(docs):
            return match[0]
        if target.is_file():
            label = text.replace("`", "")
            return f"{{download}}`{label} <{link}>`"
        return text

    source[0] = LINK.sub(replace, source[0])
