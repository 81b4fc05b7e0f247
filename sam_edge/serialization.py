"""Dataclasses as JSON, and back: field by field, masks as COCO run lengths.

The annotations of a dataclass say what its fields hold, so that fields may be added without a change here: a field that
a file does not have takes its default, and one that the class no longer has is ignored. Numbers come back bit for bit.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np

from sam_edge.errors import InputError
from sam_edge.masks.rle import Rle

T = TypeVar("T")

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "null",
}
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_json(value: object) -> Any:
    """Return a value in the types of JSON.

    Raises:
        InputError: its type cannot be written.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return to_json(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        # JSON has no numbers for these.
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.ndarray):
        return _write_array(value)
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (Sequence, set, frozenset)):
        return [to_json(item) for item in value]
    raise InputError(
        f"a {type(value).__name__} cannot be recorded; accepted: numbers, text, masks, dataclasses"
    )


def from_json(kind: type[T], plain: object, *, name: str | None = None) -> T:
    """Return the dataclass that `to_json` wrote.

    Args:
        kind: the dataclass.
        plain: the JSON value.
        name: what errors call the value; None is the name of the class, and empty names the fields alone.

    Raises:
        InputError: a field is missing, or its value has the wrong type.
    """
    value: T = _read(kind, plain, kind.__name__ if name is None else name)
    return value


def _write_array(value: np.ndarray[Any, Any]) -> Any:
    if value.dtype == np.bool_ and value.ndim == 2 and value.size:
        return Rle.from_mask(value).to_json()
    return {
        "dtype": value.dtype.str,
        "shape": list(value.shape),
        "hex": np.ascontiguousarray(value).tobytes().hex(),
    }


def _read(kind: Any, plain: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_of_union(arguments, plain, name)
    if kind is Any or kind is object:
        return plain
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, plain, name)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(plain)
        except ValueError as error:
            raise InputError(f"{name}: {plain!r} is none of {[item.value for item in kind]}") from error
    if origin is Literal:
        if plain not in arguments:
            raise _wrong_value(name, plain, kind)
        return plain
    if origin is np.ndarray or kind is np.ndarray:
        return _read_array(plain, name)
    if origin is tuple:
        return _read_tuple(arguments, plain, name)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(plain, Mapping):
        return {key: _read(arguments[1], item, f"{name}[{key!r}]") for key, item in plain.items()}
    if isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(plain, list):
        return [_read(arguments[0], item, name) for item in plain]
    return _read_scalar(kind, plain, name)


def _read_of_union(kinds: tuple[Any, ...], plain: Any, name: str) -> Any:
    if plain is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _read(kind, plain, name)
            except InputError:
                continue
    raise InputError(f"{name} is {plain!r:.60}; accepted: {' or '.join(map(_describe, kinds))}")


def _read_dataclass(kind: type, plain: Any, name: str) -> Any:
    if not isinstance(plain, Mapping):
        raise InputError(f"{name}: {plain!r:.60}; accepted: an object with the fields of {kind.__name__}")
    hints = _hints(kind)
    values = {}
    for field in dataclasses.fields(kind):
        if field.name in plain:
            place = f"{name}.{field.name}" if name else field.name
            values[field.name] = _read(hints[field.name], plain[field.name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{name}: {field.name} is missing" if name else f"{field.name} is missing")
    return kind(**values)


def _read_array(plain: Any, name: str) -> Any:
    if not isinstance(plain, Mapping):
        raise InputError(f"{name}: {plain!r:.60}; accepted: a mask's run lengths")
    if "counts" in plain:
        return Rle.from_json(plain).mask()
    try:
        flat = np.frombuffer(bytes.fromhex(plain["hex"]), np.dtype(plain["dtype"]))
        return flat.reshape(plain["shape"]).copy()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: no array ({error})") from error


def _read_tuple(kinds: tuple[Any, ...], plain: Any, name: str) -> Any:
    if not isinstance(plain, list):
        raise InputError(f"{name}: {plain!r:.60}; accepted: a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], item, name) for item in plain)
    if len(kinds) != len(plain):
        raise InputError(f"{name}: {len(plain)} values; accepted: {len(kinds)}")
    return tuple(_read(kind, item, name) for kind, item in zip(kinds, plain, strict=True))


def _read_scalar(kind: Any, plain: Any, name: str) -> Any:
    if kind is float:
        if isinstance(plain, Mapping) and plain.get("float") in _NOT_FINITE:
            return _NOT_FINITE[plain["float"]]
        if isinstance(plain, (int, float)) and not isinstance(plain, bool):
            return float(plain)
    elif isinstance(kind, type) and type(plain) is kind:
        return plain
    raise _wrong_value(name, plain, kind)


def _wrong_value(name: str, plain: Any, kind: Any) -> InputError:
    return InputError(f"{name} is {plain!r:.60}; accepted: {_describe(kind)}")


def _describe(kind: Any) -> str:
    """Say in words which JSON values fit a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin is tuple:
        return (
            "a list"
            if Ellipsis in arguments
            else f"a list of {len(arguments)}, each {_describe(arguments[0])}"
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "an object"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
