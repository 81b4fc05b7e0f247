"""The server: sockets, start and end.

    with Engines() as engines, Server(engines, port=8765) as server:
        print(server.url)
        ...

`run` serves until the process is told to end; as a context manager it serves in a thread.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

from sam_edge.errors import InputError, MissingExtraError, SessionError
from sam_edge.serve.limits import Limits
from sam_edge.serve.models.engines import Engines
from sam_edge.web.access import AccessPolicy
from sam_edge.web.metrics import Metrics
from sam_edge.web.security import SecurityMiddleware

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import WebSocketRoute

    from sam_edge.serve.connection.connection import ConnectionRegistry
    from sam_edge.serve.http.routes import Http, refused
    from sam_edge.web.http_server import HttpServer, LimitedProtocol, http_config, open_listener
except ImportError as missing:
    library = (missing.name or "uvicorn").partition(".")[0]
    raise MissingExtraError(library, extra="serve", purpose="the server") from missing

WARM_FRAME = (480, 640)
"""The engine is made ready for frames of this height and width before the server listens."""
START_S = 60.0
"""Longest time that a server takes to begin to listen, seconds."""


class Server:
    """Serves the page, the WebSocket and the HTTP routes. A context manager."""

    def __init__(
        self,
        engines: Engines,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str = "",
        origins: tuple[str, ...] = (),
        limits: Limits | None = None,
        size: tuple[int, int] | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Describe a server; nothing listens yet.

        Args:
            engines: the model; it stays open when the server ends.
            host: address to listen at.
            port: port to listen at; 0 lets the system choose (see `port`).
            token: what clients have to show; needed at any address but loopback.
            origins: foreign sites whose pages may connect.
            limits: what is accepted.
            size: the encoder's input (height, width) for clients that ask for none.
            cert: TLS certificate, a PEM file; None serves without TLS.
            key: its private key, a PEM file.

        Raises:
            InputError: an address that others reach has no token, or an option is not accepted.
        """
        if (cert is None) != (key is None):
            raise InputError("cert and key: one of them alone; give both, or none")
        for path in (cert, key):
            if path is not None and not path.is_file():
                raise InputError(f"cert and key: {path} is not there; give a PEM file")
        check_certificate(cert, key)
        if not 0 <= port <= 65535:
            raise InputError(f"port: {port} is not accepted; give 0 to 65535")
        self.access = AccessPolicy(host, token, origins)
        self.metrics = Metrics()
        self._engines = engines
        self._limits = limits or Limits()
        self._size = engines.check_size(size)
        self._port = port
        self._tls = (cert, key)
        self._listener: socket.socket | None = None
        self._serving: HttpServer | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def port(self) -> int:
        """The port that it listens at; the one asked for, before it does."""
        return self._port

    @property
    def url(self) -> str:
        """Where a browser finds the page; holds the token, where there is one."""
        token = f"#token={self.access.token}" if self.access.token else ""
        return f"{'https' if self._tls[0] else 'http'}://{self._address}/{token}"

    @property
    def stream_url(self) -> str:
        """Where clients find the WebSocket."""
        return f"{'wss' if self._tls[0] else 'ws'}://{self._address}/api/stream"

    @property
    def _address(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.access.host, self.access.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def listen(self) -> None:
        """Make the engine ready and open the port. `run` and entering the server do so themselves.

        Raises:
            InputError: the address cannot be listened at.
            EngineError: the engine failed.
        """
        if self._listener is not None:
            return
        self._engines.warm_up(self._engines.request_segmenter(), WARM_FRAME, self._size)
        self._listener = open_listener(self.access.host, self._port)
        self._port = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, or until `stop` is called from another thread; then tell every client."""
        self.listen()
        try:
            asyncio.run(self._serve())
        finally:
            self._close()

    def start(self) -> None:
        """Serve in a thread.

        Raises:
            SessionError: it runs already, or did not come up.
        """
        if self._thread is not None:
            raise SessionError("server: it runs already; make a second one, at another port")
        self.listen()
        up = threading.Event()

        def work() -> None:
            try:
                asyncio.run(self._serve(up))
            except Exception as error:  # `stop` raises it where the caller sees it
                self._error = error
            finally:
                up.set()

        self._thread = threading.Thread(target=work, name="sam-edge-server", daemon=True)
        self._thread.start()
        if not up.wait(START_S) or self._error is not None:
            raise SessionError(f"server: it did not come up: {self._error or 'it took too long'}")

    def stop(self) -> None:
        """Tell every client, and end. Stopping twice is allowed.

        Raises:
            SessionError: the server had failed before.
        """
        if self._serving is not None:
            self._serving.should_exit = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(START_S)
            self._thread = None
            self._close()
        error, self._error = self._error, None
        if error is not None:
            raise SessionError(f"server: it failed: {error}") from error

    def __enter__(self) -> Server:
        """Serve in a thread."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    async def _serve(self, up: threading.Event | None = None) -> None:
        if self._listener is None:
            raise SessionError("server: it does not listen; call listen() first")
        streams = ConnectionRegistry(self._engines, self.access, self._limits, self.metrics, self._size)
        app = Starlette(
            routes=[WebSocketRoute("/api/stream", streams.serve), *Http(streams).routes()],
            exception_handlers={HTTPException: refused},
        )
        limits = self._limits

        class ServerProtocol(LimitedProtocol):
            request_timeout_s = limits.hello_s
            max_connections = limits.connections

        config = http_config(
            SecurityMiddleware(app, self.access, self.metrics),
            protocol=ServerProtocol,
            ws="websockets-sansio",
            # A little more than accepted: the server's own error says more than a closed connection.
            ws_max_size=limits.frame_bytes + 1024,
            ws_per_message_deflate=False,
            ssl_certfile=self._tls[0],
            ssl_keyfile=self._tls[1],
        )
        self._serving = HttpServer(config, on_shutdown=streams.end, started=up)
        await self._serving.serve(sockets=[self._listener])

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._serving = None


def check_certificate(cert: Path | None, key: Path | None) -> None:
    """Refuse a certificate and a key that do not belong together, or are none.

    Raises:
        InputError: names both.
    """
    if cert is None or key is None:
        return
    try:
        # A key with a password cannot be read without a person: an empty one fails instead of asking.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"cert and key: {cert} and {key} are no certificate with its key ({error}); "
            "give PEM files, the key without a password"
        ) from error
