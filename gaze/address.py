"""The address of a gaze source: a URL with options, checked as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import parse_qsl, unquote

from sam_edge.errors import InputError


class SourceAddress:
    """A parsed source URL with its options, read by typed getters.

    Options are given in the URL's query or from Python. Call `reject_unknown` after the getters.
    """

    def __init__(self, url: str, options: Mapping[str, object] | None = None) -> None:
        """Parse `url`: `scheme://host:port/path?option=value` or `scheme:path?option=value`.

        Raises:
            InputError: the scheme is missing, the port is not a number, or an option occurs twice.
        """
        self.url = url
        scheme, colon, rest = url.partition(":")
        if not colon or not scheme:
            raise InputError(
                f"url is {url!r}; accepted is scheme://address, for example pupil-core://127.0.0.1"
            )
        self.scheme = scheme.lower()
        rest, _, query = rest.partition("?")
        self.host = ""
        self.port: int | None = None
        self.path = rest
        if rest.startswith("//"):
            authority, slash, path = rest[2:].partition("/")
            self.host, self.port = self._split_authority(authority)
            self.path = slash + path
        self.path = unquote(self.path)
        self._options: dict[str, object] = {}
        for name, value in [*parse_qsl(query, keep_blank_values=True), *(options or {}).items()]:
            if name in self._options:
                raise InputError(f"option {name!r} of {url!r} occurs twice; give it once")
            self._options[name] = value
        self._read: list[str] = []

    def _split_authority(self, authority: str) -> tuple[str, int | None]:
        host, port = authority, ""
        if authority.startswith("["):
            host, _, after = authority[1:].partition("]")
            port = after.removeprefix(":")
        elif authority.count(":") == 1:
            host, _, port = authority.partition(":")
        if not port:
            return unquote(host), None
        if not port.isdecimal() or not 0 <= int(port) <= 65535:
            raise InputError(f"the port of {self.url!r} is {port!r}; accepted are 0 to 65535")
        return unquote(host), int(port)

    def need_host(self) -> str:
        """Return the host. Raises `InputError` when the URL has none."""
        if not self.host:
            raise InputError(f"url {self.url!r} has no host; accepted is {self.scheme}://HOST[:PORT]")
        return self.host

    def take(self, name: str) -> object | None:
        """Return the value of an option unchanged, or None when it is missing."""
        self._read.append(name)
        return self._options.get(name)

    def text(self, name: str, default: str | None = None, *, choices: Iterable[str] = ()) -> str | None:
        """Return a text option; with `choices` it must be one of them."""
        value = self.take(name)
        if value is None:
            return default
        accepted = tuple(choices)
        if not isinstance(value, str) or (accepted and value not in accepted):
            raise self._refuse(name, value, " or ".join(map(repr, accepted)) or "text")
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a numeric option from `least` to `most`."""
        value = self.take(name)
        if value is None:
            return default
        try:
            result = float(cast(str, value))
        except (TypeError, ValueError):
            result = float("nan")
        if isinstance(value, bool) or not least <= result <= most:
            raise self._refuse(name, value, f"a number from {least:g} to {most:g}")
        return result

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return an integer option from `least` to `most`."""
        result = self.number(name, default, least=least, most=most)
        if result != int(result):
            raise self._refuse(name, result, "a whole number")
        return int(result)

    def size(self, name: str = "size") -> tuple[int, int] | None:
        """Return an image size as (height, width): text "1280x720" is width x height, a tuple (height, width)."""
        value = self.take(name)
        if value is None:
            return None
        parts: tuple[object, ...] = ()
        if isinstance(value, str):
            width, _, height = value.lower().partition("x")
            parts = (int(height), int(width)) if width.isdecimal() and height.isdecimal() else ()
        elif isinstance(value, tuple):
            parts = value
        if len(parts) != 2 or not all(isinstance(part, int) and 1 <= part <= 65536 for part in parts):
            raise self._refuse(
                name, value, 'text like "1280x720" (width x height) or a tuple (height, width)'
            )
        return cast("tuple[int, int]", parts)

    def timeout_s(self) -> float:
        """Return the option `timeout`: seconds of silence that are an error; 5 by default."""
        return self.number("timeout", 5.0, least=0.05, most=3600.0)

    def buffer_samples(self) -> int:
        """Return the option `buffer`: samples kept for a slow reader; 8192 by default."""
        return self.integer("buffer", 8192, least=1, most=10_000_000)

    def reject_unknown(self) -> None:
        """Raise `InputError` when the address has an option that no getter read."""
        unknown = sorted(set(self._options) - set(self._read))
        if unknown:
            raise InputError(
                f"{self.scheme} has no option {unknown[0]!r}; accepted are {', '.join(sorted(set(self._read)))}"
            )

    def _refuse(self, name: str, value: object, accepted: str) -> InputError:
        return InputError(f"option {name!r} of {self.url!r} is {value!r}; accepted is {accepted}")
