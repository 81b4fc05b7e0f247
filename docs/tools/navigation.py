"""The order of the pages in the site's navigation: that of the links in `docs/index.md`, a part under each heading."""

from __future__ import annotations

import re

HEADING = re.compile(r"^## (.+)$", flags=re.MULTILINE)
ENTRY = re.compile(r"^\* \[[^\]]+\]\(([\w./-]+)\.md\)", flags=re.MULTILINE)
TREE = """
```{{toctree}}
:hidden:
:caption: {caption}
{depth}
{pages}
```
"""
API_TREE = """
```{toctree}
:hidden:
:glob:
api/*
```
"""


def add_page_trees(app: object, name: str, source: list[str]) -> None:
    """Append the trees that Sphinx makes the navigation from, to the pages that have some."""
    if name == "index":
        source[0] += "".join(_trees(source[0]))
    elif name == "reference/api":
        source[0] += API_TREE


def _trees(text: str) -> list[str]:
    parts = HEADING.split(text)[1:]
    trees = []
    for caption, part in zip(parts[::2], parts[1::2], strict=True):
        pages = ENTRY.findall(part)
        if pages:
            trees.append(TREE.format(caption=caption, depth="", pages="\n".join(pages)))
    return trees
