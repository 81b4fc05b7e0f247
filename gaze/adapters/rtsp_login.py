"""User and password of an RTSP server: Basic and Digest authentication (RFC 2617, RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

_HASHES: dict[str, Callable[[bytes], str]] = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_PARAMETER = re.compile(r'([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Digest)\s+(?=[A-Za-z][\w-]*\s*=)", re.IGNORECASE)
MASK = "***"
_SECRET = re.compile(r"([?&/_](?:pass\w*?|pwd|token)=)[^&/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RtspLogin:
    """User and password of a camera. Neither is shown by `repr`."""

    user: str = field(repr=False)
    """User name, decoded."""
    password: str = field(repr=False)
    """Password, decoded."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for in `WWW-Authenticate`."""

    scheme: str
    """`basic` or `digest`."""
    parameters: dict[str, str]
    """Its parameters, names in lower case."""

    @property
    def is_supported(self) -> bool:
        """Whether it can be answered here."""
        quality = self.parameters.get("qop", "auth").replace(" ", "").split(",")
        algorithm = self.parameters.get("algorithm", "md5").lower()
        return self.scheme == "basic" or (
            algorithm in _HASHES and "auth" in quality and "nonce" in self.parameters
        )

    @property
    def is_stale(self) -> bool:
        """Whether only the server's number is too old, and user and password are right."""
        return self.parameters.get("stale", "").lower() == "true"


def parse_challenges(value: str) -> list[Challenge]:
    """Return the challenges of one `WWW-Authenticate` field, or of several joined by commas."""
    marks = list(_SCHEME.finditer(value))
    ends = [*(mark.start() for mark in marks[1:]), len(value)][: len(marks)]
    return [
        Challenge(mark[1].lower(), _parameters(value[mark.end() : end]))
        for mark, end in zip(marks, ends, strict=True)
    ]


def _parameters(text: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(text)
    }


class Authenticator:
    """Answers the challenges of one RTSP connection; Digest is preferred to Basic."""

    def __init__(self, login: RtspLogin | None, *, client_nonce: Callable[[], str] | None = None) -> None:
        """Answer with `login`; without one nothing can be answered.

        Args:
            login: user and password.
            client_nonce: makes the client's number of a Digest answer; None: 16 random hexadecimal digits.
        """
        self._login = login
        self._client_nonce = client_nonce or (lambda: secrets.token_hex(8))
        self._challenge: Challenge | None = None
        self._requests = 0

    def take(self, challenge_field: str) -> bool:
        """Take the `WWW-Authenticate` of a refusal; returns whether the request is worth sending again."""
        supported = [each for each in parse_challenges(challenge_field) if each.is_supported]
        if self._login is None or not supported:
            return False
        chosen = max(supported, key=lambda each: each.scheme == "digest")
        is_first = self._challenge is None
        self._challenge, self._requests = chosen, 0
        return is_first or chosen.is_stale

    def header(self, method: str, url: str) -> str | None:
        """Return the `Authorization` of a request; None before the server has asked for one."""
        if self._challenge is None or self._login is None:
            return None
        if self._challenge.scheme == "basic":
            both = f"{self._login.user}:{self._login.password}".encode()
            return f"Basic {base64.b64encode(both).decode('ascii')}"
        return self._digest(self._login, self._challenge.parameters, method, url)

    def _digest(self, login: RtspLogin, asked: dict[str, str], method: str, url: str) -> str:
        digest = _HASHES[asked.get("algorithm", "md5").lower()]

        def hashed(*parts: str) -> str:
            return digest(":".join(parts).encode())

        realm, nonce = asked.get("realm", ""), asked["nonce"]
        secret, request = hashed(login.user, realm, login.password), hashed(method, url)
        fields = {"username": login.user, "realm": realm, "nonce": nonce, "uri": url}
        extra = ""
        if "qop" in asked:
            self._requests += 1
            count, own = f"{self._requests:08x}", self._client_nonce()
            fields["response"] = hashed(secret, nonce, count, own, "auth", request)
            fields["cnonce"] = own
            extra = f", qop=auth, nc={count}"
        else:
            fields["response"] = hashed(secret, nonce, request)
        if "opaque" in asked:
            fields["opaque"] = asked["opaque"]
        if "algorithm" in asked:
            extra += f", algorithm={asked['algorithm']}"
        quoted = ", ".join(f'{name}="{_escape(value)}"' for name, value in fields.items())
        return f"Digest {quoted}{extra}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def mask_login(url: str) -> str:
    """Return an address without user, password and token: `rtsp://***@host/path?password=***`."""
    scheme, slashes, rest = url.partition("//")
    if not slashes:
        return url
    # A password with an unencoded slash reaches into what looks like the path.
    head, question, query = rest.partition("?")
    _, at, place = head.rpartition("@")
    masked = f"{scheme}//{MASK}@{place}" if at else f"{scheme}//{head}"
    return _SECRET.sub(rf"\1{MASK}", f"{masked}{question}{query}")
