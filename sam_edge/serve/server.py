"""The server: its socket, its start and its end.

    with Engines() as engines, Server(engines, port=8765) as server:
        print(server.url)
        ...

`run` serves until the process gets a signal; as a context manager the server runs in a thread.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path

from sam_edge.closing import Closing
from sam_edge.errors import InputError, MissingExtraError, SessionError
from sam_edge.serve.limits import Limits
from sam_edge.serve.models.engines import Engines, check_offered_size
from sam_edge.serve.state import ServerState
from sam_edge.web.access import AccessPolicy
from sam_edge.web.metrics import Metrics
from sam_edge.web.security import SecurityMiddleware

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import WebSocketRoute
    from uvicorn import Config

    from sam_edge.serve.connection.registry import ConnectionRegistry
    from sam_edge.serve.http.routes import HttpRoutes, handle_http_error
    from sam_edge.web.http_server import HttpServer, LimitedProtocol, http_config, open_listener
except ImportError as missing:
    library = (missing.name or "uvicorn").partition(".")[0]
    raise MissingExtraError(library, extra="serve", purpose="the server") from missing

WARM_UP_FRAME_SIZE = (480, 640)
"""The engine is warmed up for frames of this (height, width) before the server listens."""
START_TIMEOUT_S = 60.0
"""Seconds that the server has to start, and to stop."""
MESSAGE_MARGIN_BYTES = 1024
"""The WebSocket accepts messages this much longer than the limit, so that the server's own error can name the limit."""


class Server(Closing):
    """Serves the page, the WebSocket and the HTTP routes. As a context manager it runs in a thread."""

    def __init__(
        self,
        engines: Engines,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str = "",
        allowed_origins: tuple[str, ...] = (),
        limits: Limits | None = None,
        size: tuple[int, int] | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Configure the server; nothing listens yet.

        Args:
            engines: the model. It stays open when the server is closed.
            host: address to listen at.
            port: port to listen at; 0 lets the system choose (see the property `port`).
            token: token that clients must send; required at any address but loopback.
            allowed_origins: other sites whose pages may connect, for example `https://example.org`; behind a reverse
                proxy, the address that browsers see.
            limits: sizes, rates and numbers that the server accepts; None is the defaults.
            size: the encoder's input (height, width) for clients that ask for none; None is by the frame.
            cert: TLS certificate, a PEM file; None serves without TLS.
            key: the certificate's private key, a PEM file.

        Raises:
            InputError: other machines can reach the address and there is no token, or an argument is not accepted.
        """
        check_certificate(cert, key)
        if not 0 <= port <= 65535:
            raise InputError(f"port: {port} is not accepted; give 0 to 65535")
        self.access = AccessPolicy(host, token, allowed_origins, allow_option="--allow-origin")
        self.metrics = Metrics()
        self._engines = engines
        self._limits = limits or Limits()
        self._size = check_offered_size(size)
        self._port = port
        self._cert, self._key = cert, key
        self._listener: socket.socket | None = None
        self._http_server: HttpServer | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def port(self) -> int:
        """The port that the server listens at; before that, the port that was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """Address of the page, with the token if there is one."""
        token = f"#token={self.access.token}" if self.access.token else ""
        return f"{'https' if self._cert else 'http'}://{self._address}/{token}"

    @property
    def stream_url(self) -> str:
        """Address of the WebSocket."""
        return f"{'wss' if self._cert else 'ws'}://{self._address}/api/stream"

    @property
    def _address(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.access.host, self.access.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def listen(self) -> None:
        """Warm the engine up and open the port. `run` and `start` do this themselves.

        Raises:
            InputError: the address cannot be used.
            EngineError: the engine failed.
        """
        if self._listener is not None:
            return
        self._engines.warm_up(self._engines.request_segmenter(), WARM_UP_FRAME_SIZE, self._size)
        self._listener = open_listener(self.access.host, self._port)
        self._port = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM or a call of `stop` from another thread. Clients get a last error."""
        self.listen()
        try:
            asyncio.run(self._serve())
        finally:
            self._close_listener()

    def start(self) -> None:
        """Serve in a thread.

        Raises:
            SessionError: the server runs already, or did not start.
        """
        if self._thread is not None:
            raise SessionError("server: it runs already; create a second one, at another port")
        self.listen()
        started = threading.Event()

        def serve() -> None:
            try:
                asyncio.run(self._serve(started))
            except Exception as error:  # `start` or `stop` raises it in the caller's thread
                self._error = error
            finally:
                started.set()

        self._thread = threading.Thread(target=serve, name="sam-edge-server", daemon=True)
        self._thread.start()
        if not started.wait(START_TIMEOUT_S) or self._error is not None:
            raise SessionError(f"server: it did not start: {self._error or 'it took too long'}")

    def stop(self) -> None:
        """Send clients a last error, and stop. Stopping twice is allowed.

        Raises:
            SessionError: the server had failed before.
        """
        if self._http_server is not None:
            self._http_server.should_exit = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(START_TIMEOUT_S)
            self._thread = None
            self._close_listener()
        error, self._error = self._error, None
        if error is not None:
            raise SessionError(f"server: it failed: {error}") from error

    def close(self) -> None:
        """Stop."""
        self.stop()

    def __enter__(self) -> Server:
        """Serve in a thread."""
        self.start()
        return self

    async def _serve(self, started: threading.Event | None = None) -> None:
        if self._listener is None:
            raise SessionError("server: it does not listen; call listen() first")
        state = ServerState(self._engines, self.access, self._limits, self.metrics, self._size)
        connections = ConnectionRegistry(state)
        app = Starlette(
            routes=[WebSocketRoute("/api/stream", connections.serve), *HttpRoutes(state).routes()],
            exception_handlers={HTTPException: handle_http_error},
        )
        self._http_server = HttpServer(self._config(app), on_shutdown=connections.close_all, started=started)
        await self._http_server.serve(sockets=[self._listener])

    def _config(self, app: Starlette) -> Config:
        limits = self._limits

        class ServerProtocol(LimitedProtocol):
            request_timeout_s = limits.hello_s
            max_connections = limits.connections

        return http_config(
            SecurityMiddleware(app, self.access, self.metrics),
            protocol=ServerProtocol,
            ws="websockets-sansio",
            ws_max_size=limits.frame_bytes + MESSAGE_MARGIN_BYTES,
            ws_per_message_deflate=False,
            ssl_certfile=self._cert,
            ssl_keyfile=self._key,
        )

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._http_server = None


def check_certificate(cert: Path | None, key: Path | None) -> None:
    """Check that a certificate and a key belong together; both may be None.

    Raises:
        InputError: names both files.
    """
    if (cert is None) != (key is None):
        raise InputError("cert and key: only one of them is given; give both, or none")
    if cert is None or key is None:
        return
    for path in (cert, key):
        if not path.is_file():
            raise InputError(f"cert and key: {path} does not exist; give a PEM file")
    try:
        # An empty password makes encrypted keys fail; otherwise OpenSSL would ask on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"cert and key: {cert} and {key} are not a certificate with its key ({error}); "
            "give PEM files, the key without a password"
        ) from error
