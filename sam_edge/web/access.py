"""Who may talk to the server: tokens, and what browsers say about themselves."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sam_edge.errors import InputError

SHORTEST_TOKEN = 16
"""Characters of a token, at least: one that cannot be guessed over a network."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """The rules of one server."""

    host: str
    """The address that it listens at."""
    token: str = ""
    """What clients have to show; empty lets everybody in."""
    origins: tuple[str, ...] = ()
    """Sites, such as `https://example.org`, whose pages may connect besides the server's own."""

    def __post_init__(self) -> None:
        """Refuse rules that leave a network open.

        Raises:
            InputError: an address that others reach has no token, the token is short, or an origin is none.
        """
        if not self.token and not is_loopback(self.host):
            raise InputError(
                f"host: {self.host!r} can be reached by others, and no token is set; give one of {SHORTEST_TOKEN} "
                "characters or more (`--token auto` makes one), or listen at 127.0.0.1"
            )
        if self.token and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise InputError(
                f"token: {len(self.token)} characters; accepted: {SHORTEST_TOKEN} or more, ASCII; "
                "`--token auto` makes one"
            )
        for origin in self.origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
                raise InputError(f"origin: {origin!r}; accepted: SCHEME://HOST[:PORT], as browsers send it")

    def knows(self, token: str) -> bool:
        """Say whether a token is the right one, in a time that does not tell how much of it is."""
        return not self.token or hmac.compare_digest(token.encode("utf-8"), self.token.encode("ascii"))

    def knows_header(self, authorization: str) -> bool:
        """Say whether an `Authorization` header holds the right token."""
        scheme, _, token = authorization.partition(" ")
        return not self.token or (scheme.lower() == "bearer" and self.knows(token.strip()))

    def accepts(self, host: str, origin: str | None) -> bool:
        """Say whether a request may come in, by its `Host` and `Origin` headers.

        Without a token, only local names are accepted as `Host`: a foreign name that was made to point here (DNS
        rebinding) would be a page of that name's own origin. `Origin` comes from browsers alone.
        """
        name = _host_name(host)
        if name is None or (not self.token and name not in LOCAL_NAMES and not is_loopback(name)):
            return False
        if origin is None or origin in self.origins:
            return True
        return urlsplit(origin).netloc.lower() == host.lower() and origin.startswith(("http://", "https://"))

    def shares_with(self, origin: str | None) -> bool:
        """Say whether a page of this foreign origin may read answers."""
        return origin is not None and origin in self.origins


def is_loopback(host: str) -> bool:
    """Say whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return the value of a header of an ASGI scope; None when it is not there, empty when it is there twice."""
    found = [value for key, value in headers if key == name]
    if len(found) > 1:
        return ""
    return found[0].decode("latin-1") if found else None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
