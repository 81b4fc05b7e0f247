"""Writes a page for each public package, which Sphinx fills from the docstrings."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path

import public_names
from docstrings import to_rst
from public_names import PublicName

DIRECTIVES = {"class": "autoclass", "exception": "autoexception", "function": "autofunction"}


def write_pages(folder: Path) -> None:
    """Write `FOLDER/PACKAGE.rst` for every public package.

    Raises:
        SystemExit: a public name, method or field has no docstring.
    """
    packages = public_names.list_packages()
    missing = [name for package in packages for name in public_names.undocumented(package)]
    if missing:
        raise SystemExit("public names without a docstring: " + ", ".join(missing))
    folder.mkdir(exist_ok=True)
    owners: dict[int, PublicName] = {}
    for package in packages:
        text = _page(package, owners)
        path = folder / f"{package}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in set(folder.glob("*.rst")) - {folder / f"{package}.rst" for package in packages}:
        path.unlink()


def _page(package: str, owners: dict[int, PublicName]) -> str:
    """Return the page of a package. A name that an earlier package documents is only linked."""
    module = importlib.import_module(package)
    own: list[PublicName] = []
    linked: list[PublicName] = []
    for name in public_names.list_names(package):
        if name.kind == "module":
            continue
        owner = owners.setdefault(id(getattr(module, name.name)), name)
        (own if owner is name else linked).append(owner)
    parts = [f"{package}\n{'=' * len(package)}\n", f".. automodule:: {package}\n"]
    if linked:
        links = ", ".join(f":py:obj:`~{name.package}.{name.name}`" for name in linked)
        parts.append(f"Also exported here: {links}.\n")
    parts += [_entry(name) for name in own]
    return "\n".join(parts)


def _entry(name: PublicName) -> str:
    full = f"{name.package}.{name.name}"
    if name.kind == "data":
        text = textwrap.indent(_as_rst(name.documentation), "   ")
        return f".. py:data:: {name.name}\n   :module: {name.package}\n\n{text}\n"
    members = (
        "   :members:\n   :inherited-members: Module, Exception, tuple, int, str\n"
        if name.kind == "class"
        else ""
    )
    return f".. {DIRECTIVES[name.kind]}:: {full}\n{members}"


def _as_rst(documentation: str) -> str:
    return "\n".join(to_rst(documentation.splitlines()))
