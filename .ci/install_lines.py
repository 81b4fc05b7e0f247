"""The install lines of README.md and docs/: from a clone before the first release, from the package index after it.

    python .ci/install_lines.py         # write the form that `PUBLISHED` says into every document

`tests/docs/test_install_lines.py` holds the documents to it. Lines that develop sam-edge (the extra `test`)
always install the clone.
"""

from __future__ import annotations

import re
from pathlib import Path

PUBLISHED = False
"""Whether the package index has sam-edge: set it to True with the first release, and run this script."""
REPO = Path(__file__).resolve().parent.parent
LINE = re.compile(r"""pip install (?:-e )?(?P<quote>["'])(?:\.|sam-edge)\[(?P<extras>[a-z,-]+)\](?P=quote)""")
"""An install line of either form."""


def install_line(extras: str) -> str:
    """Return the line that installs sam-edge with these extras, with quotes that every shell takes."""
    return f'pip install "sam-edge[{extras}]"' if PUBLISHED else f'pip install -e ".[{extras}]"'


def documents() -> list[Path]:
    """List the documents whose install lines are for users."""
    return [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]


def rewrite(text: str) -> str:
    """Return a document with every install line in the form that `PUBLISHED` says."""

    def replace(line: re.Match[str]) -> str:
        is_for_developers = "test" in line["extras"].split(",")
        return line[0] if is_for_developers else install_line(line["extras"])

    return LINE.sub(replace, text)


def main() -> None:
    """Rewrite the documents, and name those that changed."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if (changed := rewrite(text)) != text:
            path.write_text(changed, encoding="utf-8")
            print(path.relative_to(REPO))


if __name__ == "__main__":
    main()
