"""Values of the session as JSON, and back: dataclasses field by field, masks as COCO run lengths.

What a field holds is known from its annotation, so fields may be added to a dataclass without a change here: one that
a file does not hold takes its default, and one that the class no longer has is passed over. Numbers come back bit for
bit.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from sam_edge.errors import InputError
from sam_edge.masks.rle import Rle

T = TypeVar("T")

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_json(value: object) -> Any:
    """Return a value as JSON holds it.

    Raises:
        InputError: it is of a kind that has no form here.
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
        # JSON has no word for them.
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if dataclasses.is_dataclass(value):
        return {one.name: to_json(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(one) for key, one in value.items()}
    if isinstance(value, (Sequence, set, frozenset)):
        return [to_json(one) for one in value]
    raise InputError(
        f"a {type(value).__name__} cannot be recorded; accepted: numbers, text, masks, dataclasses"
    )


def from_json(kind: type[T], plain: object) -> T:
    """Return the dataclass that `to_plain` was given.

    Raises:
        InputError: a field is missing, or holds what it cannot hold.
    """
    made: T = _made(kind, plain, kind.__name__)
    return made


def _plain_array(value: np.ndarray[Any, Any]) -> Any:
    if value.dtype == np.bool_ and value.ndim == 2 and value.size:
        return Rle.from_mask(value).to_json()
    return {
        "dtype": value.dtype.str,
        "shape": list(value.shape),
        "hex": np.ascontiguousarray(value).tobytes().hex(),
    }


def _made(kind: Any, plain: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _made_of_union(arguments, plain, name)
    if kind is Any or kind is object:
        return plain
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _made_dataclass(kind, plain, name)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(plain)
        except ValueError as error:
            raise InputError(f"{name}: {plain!r} is none of {[one.value for one in kind]}") from error
    if origin is np.ndarray or kind is np.ndarray:
        return _made_array(plain, name)
    if origin is tuple:
        return _made_tuple(arguments, plain, name)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(plain, Mapping):
        return {key: _made(arguments[1], one, f"{name}[{key!r}]") for key, one in plain.items()}
    if isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(plain, list):
        return [_made(arguments[0], one, name) for one in plain]
    return _made_scalar(kind, plain, name)


def _made_of_union(kinds: tuple[Any, ...], plain: Any, name: str) -> Any:
    if plain is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _made(kind, plain, name)
            except InputError:
                continue
    raise InputError(f"{name}: {plain!r:.60} fits none of {kinds}")


def _made_dataclass(kind: type, plain: Any, name: str) -> Any:
    if not isinstance(plain, Mapping):
        raise InputError(f"{name}: {plain!r:.60}; accepted: an object with the fields of {kind.__name__}")
    hints = _hints(kind)
    given = {}
    for one in dataclasses.fields(kind):
        if one.name in plain:
            given[one.name] = _made(hints[one.name], plain[one.name], f"{name}.{one.name}")
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise InputError(f"{name}: {one.name} is missing")
    return kind(**given)


def _made_array(plain: Any, name: str) -> Any:
    if not isinstance(plain, Mapping):
        raise InputError(f"{name}: {plain!r:.60}; accepted: a mask's run lengths")
    if "counts" in plain:
        return Rle.from_json(plain).mask()
    try:
        flat = np.frombuffer(bytes.fromhex(plain["hex"]), np.dtype(plain["dtype"]))
        return flat.reshape(plain["shape"]).copy()
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: no array ({error})") from error


def _made_tuple(kinds: tuple[Any, ...], plain: Any, name: str) -> Any:
    if not isinstance(plain, list):
        raise InputError(f"{name}: {plain!r:.60}; accepted: a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_made(kinds[0], one, name) for one in plain)
    if len(kinds) != len(plain):
        raise InputError(f"{name}: {len(plain)} values; accepted: {len(kinds)}")
    return tuple(_made(kind, one, name) for kind, one in zip(kinds, plain, strict=True))


def _made_scalar(kind: Any, plain: Any, name: str) -> Any:
    if kind is float:
        if isinstance(plain, Mapping) and plain.get("float") in _NOT_FINITE:
            return _NOT_FINITE[plain["float"]]
        if isinstance(plain, (int, float)) and not isinstance(plain, bool):
            return float(plain)
    elif isinstance(kind, type) and type(plain) is kind:
        return plain
    raise InputError(f"{name}: {plain!r:.60}; accepted: {getattr(kind, '__name__', kind)}")


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
