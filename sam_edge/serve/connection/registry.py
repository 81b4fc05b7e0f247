"""All open WebSocket connections of one server."""

from __future__ import annotations

import asyncio
import time

from starlette.websockets import WebSocket

from sam_edge.serve.connection.connection import Connection
from sam_edge.serve.state import ServerState
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.messages import ErrorReply

CLOSE_TIMEOUT_S = 3.0
"""Seconds that clients have to close their connections when the server shuts down."""
POLL_S = 0.02


class ConnectionRegistry:
    """Runs connections, and closes them when the server shuts down."""

    def __init__(self, state: ServerState) -> None:
        """Start without connections."""
        self._state = state
        self._connections: set[Connection] = set()

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until it disconnects."""
        connection = Connection(self._state, websocket)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    async def close_all(self) -> None:
        """Send every client a last error, and wait until their connections are closed, for a limited time."""
        self._state.closing = True
        error = ErrorReply(ErrorCode.SHUTTING_DOWN, "server: it shuts down; connect again later", fatal=True)
        for connection in list(self._connections):
            connection.close(error)
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        while self._connections and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
