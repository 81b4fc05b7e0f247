"""The code in the documents: where it stands, whether it can run in a test, and the names of sam_edge that it uses.

A block that cannot run has a comment right above it: `<!-- not run: needs an eye tracker -->`. It is compiled, and its
names of sam_edge are checked, as those of every block.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n+)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of code in a document."""

    line: int
    """Line of the document on which the code begins, from 1."""
    language: str
    """For example `python` or `bash`."""
    code: str
    """The lines between the fences."""
    not_run: str | None
    """Why it cannot run in a test; None: it runs."""


def read_blocks(page: Path, language: str) -> list[CodeBlock]:
    """Return the blocks of a language in a document, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        CodeBlock(text[: match.start("code")].count("\n") + 1, language, match["code"], match["reason"])
        for match in BLOCK.finditer(text)
        if match["language"] == language
    ]


def wrong_names(code: str) -> Iterator[str]:
    """Yield each name of sam_edge that does not exist, and each keyword that a function of sam_edge does not take."""
    tree = ast.parse(code)
    known: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "sam_edge":
                    importlib.import_module(alias.name)
                    known[alias.asname or "sam_edge"] = importlib.import_module(
                        alias.name if alias.asname else "sam_edge"
                    )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sam_edge":
            yield from _import_from(node, known)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            _, missing = _resolve(node, known)
            if missing:
                yield missing
        elif isinstance(node, ast.Call):
            yield from _wrong_keywords(node, known)


def _import_from(node: ast.ImportFrom, known: dict[str, object]) -> Iterator[str]:
    module = importlib.import_module(str(node.module))
    for alias in node.names:
        submodule = f"{node.module}.{alias.name}"
        if hasattr(module, "__path__") and importlib.util.find_spec(submodule):
            importlib.import_module(submodule)
        if hasattr(module, alias.name):
            known[alias.asname or alias.name] = getattr(module, alias.name)
        else:
            yield f"{node.module}.{alias.name}"


def _resolve(node: ast.expr, known: dict[str, object]) -> tuple[object | None, str]:
    """Return what a dotted name is, and the name that is missing; (None, "") for names of other libraries."""
    if isinstance(node, ast.Name):
        return known.get(node.id), ""
    if not isinstance(node, ast.Attribute):
        return None, ""
    owner, missing = _resolve(node.value, known)
    if owner is None or missing or not (inspect.ismodule(owner) or inspect.isclass(owner)):
        return None, ""
    if not hasattr(owner, node.attr):
        return None, f"{getattr(owner, '__name__', owner)}.{node.attr}"
    return getattr(owner, node.attr), ""


def _wrong_keywords(node: ast.Call, known: dict[str, object]) -> Iterator[str]:
    function, _ = _resolve(node.func, known)
    if not callable(function):
        return
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return
    accepted = {parameter.name for parameter in parameters}
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in accepted:
            yield f"{ast.unparse(node.func)}({keyword.arg}=...)"
