"""ASGI middleware: access control for every request, and security headers on every response."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sam_edge.web.access import AccessPolicy, header
from sam_edge.web.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ISOLATION_HEADERS = (
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=()"),
)
"""The first two allow pages to use threads (SharedArrayBuffer)."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' {sockets}; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Pages load nothing from other sites. The WebSocket's address is listed because older browsers do not count it as
'self'."""


class SecurityMiddleware:
    """Refuses requests of foreign pages and host names, and adds the security headers to every response."""

    def __init__(self, app: App, access: AccessPolicy, metrics: Metrics) -> None:
        """Protect `app`; `metrics` counts refused requests."""
        self._app = app
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as the ASGI specification says."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = header(scope["headers"], b"host") or ""
        origin = header(scope["headers"], b"origin")
        refusal = self._access.find_refusal(host, origin)
        if refusal is not None:
            self._metrics.add("sam_edge_refused_total", reason="origin")
            if scope["type"] == "http":
                await send_error(send, 403, "origin", refusal)
            elif "websocket.http.response" in scope.get("extensions", {}):
                await send_error(send, 403, "origin", refusal, kind="websocket.http.response")
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        foreign_origin = origin if self._access.allows_origin(origin) else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers(host, foreign_origin)]
            await send(message)

        if scope["method"] == "OPTIONS" and foreign_origin is not None:
            await send_with_headers({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send_with_headers)

    def _headers(self, host: str, foreign_origin: str | None) -> list[tuple[bytes, bytes]]:
        # Behind a proxy the page has the address of an allowed origin.
        names = [host, *(origin.partition("://")[2] for origin in self._access.allowed_origins)]
        sockets = " ".join(f"ws://{name} wss://{name}" for name in dict.fromkeys(names))
        policy = CONTENT_SECURITY_POLICY.format(sockets=sockets).encode("latin-1")
        own = [*ISOLATION_HEADERS, (b"content-security-policy", policy)]
        if foreign_origin is None:
            return [*own, (b"cross-origin-resource-policy", b"same-origin")]
        return [
            *own,
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"access-control-allow-origin", foreign_origin.encode("latin-1")),
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"Authorization, Content-Type"),
            (b"access-control-expose-headers", b"X-Sam-Edge-Embedding"),
            (b"vary", b"Origin"),
        ]


async def send_error(
    send: Send, status: int, code: str, message: str, *, kind: str = "http.response"
) -> None:
    """Respond with an error; `kind` is `websocket.http.response` before a WebSocket is accepted."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode("utf-8")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
