"""Query options of HTTP requests: declared once as a dataclass, read from requests, and described in OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from sam_edge.errors import InputError
from sam_edge.geometry import View
from sam_edge.parsing import SHOWN, parse_numbers, parse_size
from sam_edge.serve.models.engines import SIZES, check_offered_size

Value = TypeVar("Value")
Options = TypeVar("Options")
Query = Mapping[str, Sequence[str]]
"""The values of each option of a request."""
NUMBER = r"-?[0-9]+(\.[0-9]+)?"


@dataclass(frozen=True, slots=True)
class OptionType(Generic[Value]):
    """How one option is read and described."""

    parse: Callable[[str, str], Value]
    """Turns the option's name and text into its value; raises `InputError`."""
    schema: Mapping[str, Any]
    """JSON schema of the text."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a route. It may be given once, or several times if it is repeatable."""

    type: OptionType[Any]
    description: str
    """For the API's documentation."""
    repeatable: bool = False


def options_of(options_class: type) -> dict[str, Option]:
    """Return the options that a dataclass declares, by name: its fields are `Annotated[type, Option(...)]`."""
    fields = get_type_hints(options_class, include_extras=True)
    return {name: annotation.__metadata__[0] for name, annotation in fields.items()}


def read_options(options_class: type[Options], query: Query) -> Options:
    """Read a request's query.

    Raises:
        InputError: an option is unknown, is given more than once, or has a value that is not accepted.
    """
    accepted = options_of(options_class)
    unknown = sorted(set(query) - set(accepted))
    if unknown:
        raise InputError(
            f"option: {unknown[0][:SHOWN]!r} is not known; accepted: {', '.join(accepted) or 'none'}"
        )
    return options_class(**{name: _read(name, accepted[name], texts) for name, texts in query.items()})


def _read(name: str, known: Option, texts: Sequence[str]) -> Any:
    if known.repeatable:
        return tuple(known.type.parse(name, text) for text in texts)
    if len(texts) > 1:
        raise InputError(f"{name}: it is given {len(texts)} times; accepted: once")
    return known.type.parse(name, texts[0])


def text_type() -> OptionType[str]:
    """Any text."""
    return OptionType(lambda name, text: text, {"type": "string"})


def choice_type(*words: str) -> OptionType[str]:
    """One of some words; the first one is the default."""

    def parse(name: str, text: str) -> str:
        if text not in words:
            raise InputError(f"{name}: {text[:SHOWN]!r} is not accepted; accepted: {', '.join(words)}")
        return text

    return OptionType(parse, {"type": "string", "enum": list(words), "default": words[0]})


def boolean_type() -> OptionType[bool | None]:
    """`true` or `false`; None unless given."""

    def parse(name: str, text: str) -> bool | None:
        if text not in ("true", "false"):
            raise InputError(f"{name}: {text[:SHOWN]!r} is not accepted; accepted: true, false")
        return text == "true"

    return OptionType(parse, {"type": "boolean"})


def numbers_type(count: int, example: str) -> OptionType[list[float]]:
    """`count` finite numbers with commas between them."""
    return OptionType(lambda name, text: parse_numbers(name, text, count), numbers_schema(count, example))


def view_type(example: str) -> OptionType[View | None]:
    """A view, `x0,y0,width,height`."""

    def parse(name: str, text: str) -> View | None:
        x0, y0, width, height = parse_numbers(name, text, 4, "X0,Y0,WIDTH,HEIGHT")
        # A view snaps to whole pixels itself.
        return View(x0, y0, width, height)  # type: ignore[arg-type]

    return OptionType(parse, numbers_schema(4, example))


def size_type() -> OptionType[tuple[int, int] | None]:
    """One of the encoder input sizes on offer; the text is WIDTHxHEIGHT, the value (height, width)."""

    def parse(name: str, text: str) -> tuple[int, int] | None:
        return check_offered_size(parse_size(text, name))

    return OptionType(parse, {"type": "string", "enum": [f"{width}x{height}" for height, width in SIZES]})


def numbers_schema(count: int, example: str) -> dict[str, Any]:
    """Return the JSON schema of numbers with commas between them."""
    return {"type": "string", "pattern": f"^{','.join([NUMBER] * count)}$", "example": example}
