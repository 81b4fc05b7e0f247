"""The public names of the package, and the documentation of each, read from the code."""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import itertools
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import sam_edge

NOT_PUBLIC = ("sam_edge.cli", "sam_edge.assets")


@dataclass(frozen=True)
class PublicName:
    """A name that a public package exports."""

    package: str
    """The package that documents it, for example `sam_edge.gaze`."""
    name: str
    """For example `GazeSample`."""
    kind: str
    """`class`, `exception`, `function`, `data` or `module`."""
    documentation: str
    """The docstring; empty if there is none."""


def list_packages(*, only_importable: bool = False) -> list[str]:
    """Name the packages with an `__all__` whose names have no part that begins with an underscore.

    Args:
        only_importable: leave out packages whose libraries are not installed.

    Raises:
        ImportError: the library of an extra is not installed.
    """
    names = ["sam_edge"]
    for name in names:
        folder = Path(str(sam_edge.__file__)).parent.joinpath(*name.split(".")[1:])
        names.extend(f"{name}.{info.name}" for info in pkgutil.iter_modules([str(folder)]) if info.ispkg)
    public = (name for name in names if "._" not in name and not _is_within(name, NOT_PUBLIC))
    packages = []
    for name in public:
        try:
            exported = getattr(importlib.import_module(name), "__all__", None)
        except ImportError:
            if not only_importable:
                raise
            continue
        if exported:
            packages.append(name)
    return sorted(packages)


def list_names(package: str) -> list[PublicName]:
    """Return the names that a package exports, in alphabetical order."""
    module = importlib.import_module(package)
    return [_describe(module, name) for name in sorted(module.__all__) if name != "__version__"]


def undocumented(package: str) -> Iterator[str]:
    """Yield what a package exports without documentation: names, their methods and their fields."""
    module = importlib.import_module(package)
    if not module.__doc__:
        yield package
    for name in list_names(package):
        if not name.documentation and name.kind != "module":
            yield f"{package}.{name.name}"
        value = getattr(module, name.name)
        if inspect.isclass(value):
            yield from (f"{package}.{name.name}.{member}" for member in _undocumented_members(value))


def documented_fields(cls: type) -> set[str]:
    """Return the attributes of a class that have a docstring below them."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError):
        return set()
    assert isinstance(body, ast.ClassDef)
    return {name for name, _ in _documented_assignments(body.body)}


def _describe(module: ModuleType, name: str) -> PublicName:
    value = getattr(module, name)
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        documentation = value.__doc__ or ""
        if documentation.startswith(f"{value.__name__}("):
            documentation = ""  # made by the dataclass decorator
    elif inspect.ismodule(value):
        kind, documentation = "module", value.__doc__ or ""
    elif inspect.isroutine(value):
        kind, documentation = "function", value.__doc__ or ""
    else:
        kind, documentation = "data", _find_data_docstring(name, value)
    return PublicName(module.__name__, name, kind, inspect.cleandoc(documentation))


def _undocumented_members(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        if not base.__module__.startswith("sam_edge"):
            continue
        for name, member in vars(base).items():
            if name.startswith("_"):
                continue
            is_method = isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(
                member
            )
            if is_method and not inspect.getdoc(
                member if isinstance(member, property) else getattr(cls, name)
            ):
                yield name
        yield from sorted(set(_fields(base)) - documented_fields(base))


def _fields(cls: type) -> list[str]:
    if issubclass(cls, enum.Enum):
        return [member.name for member in cls]
    if dataclasses.is_dataclass(cls):
        return [name for name in vars(cls).get("__annotations__", {}) if not name.startswith("_")]
    return []


def _find_data_docstring(name: str, value: object) -> str:
    """Return the docstring below the assignment of a constant, in whichever module of the package has it."""
    for module_name, module in sorted(sys.modules.items()):
        if not module_name.startswith("sam_edge") or getattr(module, "__dict__", {}).get(name) is not value:
            continue
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError):
            continue
        for assigned, documentation in _documented_assignments(tree.body):
            if assigned == name:
                return documentation
    return ""


def _documented_assignments(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the names that are assigned right above a docstring, with that docstring."""
    for statement, below in itertools.pairwise(body):
        if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            continue
        if not isinstance(below.value.value, str):
            continue
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from ((node.id, below.value.value) for node in names if isinstance(node, ast.Name))


def _is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
