"""Links between the documents lead somewhere, and every page of docs/ can be reached from its index."""

from __future__ import annotations

import re
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
TARGET = re.compile(r"^\[[^\]]+\]: (\S+)$", flags=re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", flags=re.MULTILINE)
TREE = re.compile(r"^```\{toctree\}\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
GENERATED = ("reference/api/", "reference/command_line")
"""Pages that the documentation's build makes."""
MENTION = re.compile(r"(?<![\w/.-])docs/[\w/.-]+\.(?:md|jpg|png|webp|gif|svg)\b")
EXTERNAL = ("http://", "https://", "mailto:")


def list_documents(repo_dir: Path) -> list[Path]:
    return [path for path in list_files(repo_dir) if path.suffix == ".md"]


def list_files(repo_dir: Path) -> list[Path]:
    """List the files that git follows or would follow; all files where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=repo_dir, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for path in repo_dir.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [path for name in names.splitlines() if (path := repo_dir / name).is_file()]


def links_of(text: str) -> Iterator[str]:
    prose = FENCE.sub("", text)
    for pattern in (LINK, TARGET):
        yield from (link for link in pattern.findall(prose) if not link.startswith(EXTERNAL))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub and the documentation site give to a page's headings."""
    anchors: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        words = re.sub(r"\]\([^)]*\)", "]", heading).lower()
        base = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        same = sum(
            anchor == base or re.fullmatch(rf"{re.escape(base)}-\d+", anchor) is not None
            for anchor in anchors
        )
        anchors.add(f"{base}-{same}" if same else base)
    return anchors


def broken_links(page: Path) -> Iterator[str]:
    for link in links_of(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if any(f"docs/{folder}" in target.as_posix() for folder in GENERATED):
            continue
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors_of(target):
            yield f"{link}: {target.name} has no such heading"


def test_every_link_leads_to_a_file_and_a_heading(repo_dir: Path) -> None:
    broken = [
        f"{page.relative_to(repo_dir)}: {what}"
        for page in list_documents(repo_dir)
        for what in broken_links(page)
    ]
    assert not broken, "\n".join(broken)


def test_every_file_of_docs_that_is_named_anywhere_exists(repo_dir: Path) -> None:
    """Messages, docstrings and comments name pages as `docs/how-to/recordings.md`."""
    missing = []
    for path in list_files(repo_dir):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        names = set(MENTION.findall(text))
        missing += [
            f"{path.relative_to(repo_dir)}: {name}" for name in names if not (repo_dir / name).exists()
        ]
    assert not missing, "\n".join(missing)


def test_every_page_can_be_reached_from_the_index(repo_dir: Path) -> None:
    docs = repo_dir / "docs"
    reached, waiting = {docs / "index.md"}, deque([docs / "index.md"])
    while waiting:
        page = waiting.popleft()
        text = page.read_text(encoding="utf-8")
        entries = [line for tree in TREE.findall(text) for line in tree.splitlines()]
        names = [link.partition("#")[0] for link in links_of(text)]
        names += [f"{entry}.md" for entry in entries if entry and not entry.startswith(":")]
        for name in names:
            target = (page.parent / name).resolve()
            if target.suffix == ".md" and target.is_file() and target not in reached:
                reached.add(target)
                waiting.append(target)
    lost = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md") if page not in reached}
    assert not lost, f"no page links to {sorted(lost)}"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("# A\n[x](#a)", []),
        ("# A\n[x](#b)", ["#b: page.md has no such heading"]),
        ("# A\n[x](nowhere.md)", ["nowhere.md: no such file"]),
        ("# A\n```\n[x](nowhere.md)\n```\n", []),
        ("# The `--timeline`: a line, 2 frames\n[x](#the---timeline-a-line-2-frames)", []),
    ],
)
def test_broken_links_are_found(tmp_path: Path, text: str, wrong: list[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert list(broken_links(page)) == wrong
