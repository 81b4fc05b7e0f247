"""The public API as text: every name of every public package, with signatures.

    python tests/packaging/public_api.py            # print it
    python tests/packaging/public_api.py --write    # update public_api.txt, after a change that is made on purpose

`test_public_api.py` compares the text with the code. A package is public if it has `__all__` and no part of its name
begins with an underscore; `sam_edge.cli` is not part of the API.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import sam_edge

SNAPSHOT = Path(__file__).with_name("public_api.txt")
NOT_PUBLIC = ("sam_edge.cli", "sam_edge.assets")


def list_packages() -> list[str]:
    """Name every package that may be public, by the files in the tree alone."""
    names = ["sam_edge"]
    for name in names:
        folder = Path(str(sam_edge.__file__)).parent.joinpath(*name.split(".")[1:])
        names.extend(f"{name}.{info.name}" for info in pkgutil.iter_modules([str(folder)]) if info.ispkg)
    public = [name for name in names if "._" not in name and not is_within(name, NOT_PUBLIC)]
    return sorted(public)


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a name is that of a package, or of a part of one. `sam_edge.client` is not within `sam_edge.cli`."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def describe_package(name: str) -> str:
    """Return the API of one package as text; empty if it has no `__all__`.

    Raises:
        ImportError: a library of an extra is not installed.
    """
    package = importlib.import_module(name)
    lines = [
        line for exported in sorted(getattr(package, "__all__", ())) for line in _describe(package, exported)
    ]
    return "\n".join(lines)


def read_snapshot() -> dict[str, str]:
    """Return the stored text of each package."""
    parts = re.split(r"^== (\S+)\n", SNAPSHOT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def make_snapshot() -> str:
    """Return the text of all packages."""
    texts = {name: describe_package(name) for name in list_packages()}
    return "\n\n".join(f"== {name}\n{text}" for name, text in texts.items() if text) + "\n"


def _describe(package: ModuleType, name: str) -> Iterator[str]:
    value = getattr(package, name)
    if inspect.isclass(value):
        yield from _describe_class(name, value)
    elif inspect.isfunction(value):
        yield f"def {name}{_signature(value)}"
    elif inspect.ismodule(value):
        yield f"module {name}"
    else:
        yield f"{name}: {type(value).__name__}"


def _describe_class(name: str, cls: type) -> Iterator[str]:
    bases = [base.__name__ for base in cls.__bases__ if base is not object]
    yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    if issubclass(cls, enum.Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in cls)
    elif dataclasses.is_dataclass(cls):
        yield from (f"    {_describe_field(field)}" for field in dataclasses.fields(cls))
    elif "__init__" in vars(cls):
        yield f"    __init__{_signature(cls.__init__)}"
    own = (base for base in cls.__mro__ if base.__module__.startswith("sam_edge"))
    members = {key: value for base in reversed(list(own)) for key, value in vars(base).items()}
    for key, value in sorted(members.items()):
        if not key.startswith("_"):
            yield from (f"    {line}" for line in _describe_member(key, value))


def _describe_field(field: dataclasses.Field[object]) -> str:
    has_default = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
    return f"{field.name}: {field.type}" + (" = ..." if has_default else "")


def _describe_member(name: str, value: object) -> Iterator[str]:
    if isinstance(value, property):
        yield f"property {name} -> {inspect.signature(value.fget).return_annotation}" if value.fget else name
    elif isinstance(value, (classmethod, staticmethod)):
        yield f"{type(value).__name__} {name}{_signature(value.__func__)}"
    elif inspect.isfunction(value):
        yield f"def {name}{_signature(value)}"


def _signature(function: object) -> str:
    """Return a signature, without default values that differ between machines."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [
        parameter.replace(default=_Ellipsis()) if _differs(parameter.default) else parameter
        for parameter in signature.parameters.values()
    ]
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature.replace(parameters=parameters)))


class _Ellipsis:
    def __repr__(self) -> str:
        return "..."


def _differs(default: object) -> bool:
    return default is not inspect.Parameter.empty and not isinstance(
        default, (int, float, str, bool, tuple, type(None))
    )


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        SNAPSHOT.write_text(make_snapshot(), encoding="utf-8")
    else:
        print(make_snapshot(), end="")
