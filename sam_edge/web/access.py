"""Access control: tokens, and the `Host` and `Origin` headers that browsers send."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sam_edge.errors import InputError

MIN_TOKEN_LENGTH = 16
"""Characters of a token, at least: such a token cannot be guessed over a network."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Which requests a server accepts."""

    host: str
    """Address that the server listens at."""
    token: str = ""
    """Token that requests must carry; empty accepts requests without one."""
    allowed_origins: tuple[str, ...] = ()
    """Sites, such as `https://example.org`, whose pages may connect in addition to the server's own page. Their host
    names are accepted as the server's own, as behind a reverse proxy."""
    allow_option: str = ""
    """Command line option that adds to `allowed_origins`, for messages; empty where there is none."""

    def __post_init__(self) -> None:
        """Check the rules.

        Raises:
            InputError: other machines can reach the address and there is no token, the token is too short, or an origin
                is not one.
        """
        if not self.token and not is_loopback(self.host):
            raise InputError(
                f"host: {self.host!r} can be reached from other machines, and no token is set; give one of "
                f"{MIN_TOKEN_LENGTH} characters or more (`--token auto` creates one), or listen at 127.0.0.1"
            )
        if self.token and (len(self.token) < MIN_TOKEN_LENGTH or not self.token.isascii()):
            raise InputError(
                f"token: {len(self.token)} characters; accepted: {MIN_TOKEN_LENGTH} or more, ASCII; "
                "`--token auto` creates one"
            )
        for origin in self.allowed_origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
                raise InputError(
                    f"allowed_origins: {origin!r}; accepted: SCHEME://HOST[:PORT], as browsers send it"
                )

    def accepts_token(self, token: str) -> bool:
        """Return whether a token is right. The comparison takes constant time."""
        return not self.token or hmac.compare_digest(token.encode("utf-8"), self.token.encode("ascii"))

    def accepts_authorization(self, authorization: str) -> bool:
        """Return whether an `Authorization` header holds the right token."""
        scheme, _, token = authorization.partition(" ")
        return not self.token or (scheme.lower() == "bearer" and self.accepts_token(token.strip()))

    def accepts_headers(self, host: str, origin: str | None) -> bool:
        """Return whether a request's `Host` and `Origin` headers are accepted."""
        return self.find_refusal(host, origin) is None

    def find_refusal(self, host: str, origin: str | None) -> str | None:
        """Return why a request's `Host` or `Origin` header is not accepted, and what to do; None if they are.

        Without a token, only local names and those of allowed origins are accepted as `Host`. Otherwise a foreign name
        that resolves to this machine (DNS rebinding) would give that site's pages access. Only browsers send `Origin`.
        """
        name = _host_name(host)
        if name is None:
            return f"Host {_shorten(host)} is not a host name"
        local = name in LOCAL_NAMES or is_loopback(name)
        if not self.token and not local and name not in self._allowed_names():
            return f"Host {_shorten(host)} is foreign; accepted: {self._accepted()}" + self._remedy(
                f"https://{host}"
            )
        if origin is None or origin in self.allowed_origins or _is_own_origin(origin, host):
            return None
        return f"Origin {_shorten(origin)} is foreign; accepted: {self._accepted()}" + self._remedy(origin)

    def _allowed_names(self) -> set[str | None]:
        return {urlsplit(origin).hostname for origin in self.allowed_origins}

    def _accepted(self) -> str:
        return ", ".join(["the server's own address", *self.allowed_origins])

    def _remedy(self, origin: str) -> str:
        if not self.allow_option:
            return ""
        return (
            f". If this is your reverse proxy or your site, start the server with {self.allow_option} "
            f"{_shorten(origin)} (docs/how-to/serving.md, Behind a reverse proxy)"
        )

    def allows_origin(self, origin: str | None) -> bool:
        """Return whether pages of this foreign origin may read responses."""
        return origin is not None and origin in self.allowed_origins


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return the value of a header of an ASGI scope: None if it is missing, empty if it occurs more than once."""
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        return ""
    return values[0].decode("latin-1") if values else None


def _is_own_origin(origin: str, host: str) -> bool:
    """Return whether a page of the same host sent the request."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() and origin.startswith(("http://", "https://"))
    except ValueError:
        return False


def _shorten(text: str) -> str:
    """Return what a client sent, printable and short enough for a message."""
    shown = "".join(letter for letter in text[:100] if letter.isprintable())
    return f"{shown}..." if len(text) > 100 else shown or "(none)"


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
