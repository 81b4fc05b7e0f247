"""The HTTP routes: the page, single pictures, the decoder for browsers, and what watches the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.serve.connection.connection import ConnectionRegistry
from sam_edge.serve.http import inference, openapi
from sam_edge.serve.models.engines import SIZES
from sam_edge.version import __version__
from sam_edge.web.metrics import CONTENT_TYPE
from sam_edge.web.static_files import (
    CONTENT_TYPES,
    NO_STORE,
    REVALIDATE,
    SHARED_FOLDER,
    StaticFolders,
    file_response,
)
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import ImageFormat, MaskFormat

PAGE = Path(__file__).parent.parent / "page"
"""The page's files."""
CLIP = Path(__file__).parents[2] / "assets" / "demo" / "clip.mp4"
"""For a page without a camera."""
DECODER_FILES = ("decoder.onnx", "decoder_points.onnx", "decoder_browser.onnx", "decoder.weights")
"""Files of a bundle that browsers may have."""
BROWSER_DECODER = "decoder_browser"
"""Role of a graph for WebAssembly; a bundle may leave it out."""
STATUS = {
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.TOO_MANY_CLIENTS: 503,
    ErrorCode.SHUTTING_DOWN: 503,
    ErrorCode.ENGINE_FAILED: 500,
}
"""HTTP's word for each code; 400 for the others."""
RETRY_S = "1"
SIGNATURES = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n")
"""First bytes of a JPEG and of a PNG."""
FOR_WASM = "decoder_browser.onnx"
DECODERS = ("decoder.onnx", "decoder_points.onnx", FOR_WASM)
"""Files of a bundle that a browser may ask for, beside their weights."""
Endpoint = Callable[[Request], Awaitable[Response]]
Made = TypeVar("Made")


class UnknownKindError(ProtocolError):
    """A body is no picture of a kind that is accepted."""


class Http:
    """The routes of one server."""

    def __init__(self, streams: ConnectionRegistry) -> None:
        """Serve beside the streams: the same engines, rules, limits and counts."""
        self._streams = streams
        self._engines = streams.engines
        self._limits = streams.limits
        self._metrics = streams.metrics
        self._pictures = 0

    def routes(self) -> list[BaseRoute]:
        """Return every route but the WebSocket's."""
        made: list[BaseRoute] = [
            self._route("/", self._index, secured=False),
            self._route("/healthz", self._health, secured=False),
            self._route("/openapi.json", self._openapi, secured=False),
            self._route("/docs", self._docs, secured=False),
            self._route("/docs.css", self._docs_style, secured=False),
            self._route("/demo.mp4", self._clip, secured=False),
            self._route("/api/info", self._info),
            self._route("/api/encode", self._encode, method="POST"),
            self._route("/api/{file}", self._model_file),
            self._route("/segment", self._segment, method="POST"),
            self._route("/metrics", self._told),
        ]
        # A build may come without these folders; looked for at each request, it would be the server's own error.
        if PAGE.is_dir():
            made.append(Mount("/assets", StaticFolders(PAGE, SHARED_FOLDER)))
        if (PAGE / "vendor").is_dir():
            made.append(Mount("/vendor", StaticFolders(PAGE / "vendor")))
        return made

    def _route(self, path: str, endpoint: Endpoint, *, method: str = "GET", secured: bool = True) -> Route:
        async def guarded(request: Request) -> Response:
            response = await self._guarded(request, endpoint, secured=secured)
            self._metrics.add("sam_edge_requests_total", route=path, status=str(response.status_code))
            return response

        return Route(path, guarded, methods=[method])

    async def _guarded(self, request: Request, endpoint: Endpoint, *, secured: bool) -> Response:
        try:
            if secured and not self._streams.access.knows_header(request.headers.get("authorization", "")):
                raise ProtocolError(
                    "token: it is missing or wrong; send Authorization: Bearer TOKEN", ErrorCode.UNAUTHORIZED
                )
            return await endpoint(request)
        except UnknownKindError as error:
            return self._refused(error.code, str(error), 415)
        except ProtocolError as error:
            return self._refused(error.code, str(error))
        except ClientDisconnect:
            return self._refused(ErrorCode.MALFORMED, "body: it was cut off")
        except InputError as error:
            return self._refused(ErrorCode.INVALID_OPTION, str(error))
        except SamEdgeError as error:
            return self._refused(ErrorCode.ENGINE_FAILED, str(error))

    def _refused(self, code: ErrorCode, message: str, status: int | None = None) -> Response:
        status = status or STATUS.get(code, 400)
        self._metrics.add("sam_edge_refused_total", reason=code.name.lower())
        headers = {503: {"retry-after": RETRY_S}, 401: {"www-authenticate": "Bearer"}}.get(status, {})
        content = {"error": {"code": code.name.lower(), "message": message}}
        return JSONResponse(content, status, headers=headers)

    async def _index(self, request: Request) -> Response:
        index = PAGE / "index.html"
        if not index.is_file():
            return HTMLResponse("<!doctype html><title>sam-edge</title><p>This build has no page.</p>", 404)
        return file_response(index)

    async def _clip(self, request: Request) -> Response:
        return file_response(CLIP)

    async def _health(self, request: Request) -> Response:
        closing = self._streams.closing
        return JSONResponse({"status": "closing" if closing else "ok"}, 503 if closing else 200)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi.document(token_needed=bool(self._streams.access.token)))

    async def _docs(self, request: Request) -> Response:
        return HTMLResponse(openapi.page(openapi.document(token_needed=bool(self._streams.access.token))))

    async def _docs_style(self, request: Request) -> Response:
        return Response(openapi.STYLE, media_type=CONTENT_TYPES[".css"])

    async def _told(self, request: Request) -> Response:
        gauges = {
            "sam_edge_clients": float(self._streams.clients),
            "sam_edge_eyes": float(self._streams.eyes),
            "sam_edge_waiting_for_model": float(self._engines.waiting),
        }
        return Response(self._metrics.text(gauges), headers={"content-type": CONTENT_TYPE})

    async def _info(self, request: Request) -> Response:
        return JSONResponse(self.info())

    def info(self) -> dict[str, object]:
        """Say what the server is."""
        manifest, limits = self._engines.bundle.manifest, self._limits
        size = self._streams.default_size
        return {
            "name": "sam-edge",
            "version": __version__,
            "protocol": {
                "lowest": protocol.VERSION,
                "highest": protocol.VERSION,
                "stream": "/api/stream",
            },
            "token_needed": bool(self._streams.access.token),
            "model": {"name": manifest.name, "model": manifest.model, "precision": manifest.precision},
            "engine": self._engines.default,
            "engines": [
                {
                    "name": offer.name,
                    "precision": offer.runtime.precision if offer.runtime else None,
                    "device": offer.runtime.device if offer.runtime else None,
                    "threads": offer.runtime.threads if offer.runtime else None,
                    "open": offer.runtime is not None,
                }
                for offer in self._engines.offers
            ],
            "sizes": [[width, height] for height, width in SIZES],
            "default_size": None if size is None else list(size[::-1]),
            "limits": {
                "frame_bytes": limits.frame_bytes,
                "frame_pixels": limits.frame_pixels,
                "frames_per_s": limits.frames_per_s,
                "messages_per_s": limits.messages_per_s,
                "clients": limits.clients,
                "idle_s": limits.idle_s,
                "hello_s": limits.hello_s,
                "picture_bytes": limits.picture_bytes,
                "picture_pixels": limits.picture_pixels,
            },
            "formats": {
                "frame": [one.name.lower() for one in ImageFormat],
                "mask": [one.name.lower() for one in MaskFormat],
            },
            "webcam": {
                "face_bytes": limits.face_bytes,
                "face_pixels": limits.face_pixels,
                "faces_per_s": limits.faces_per_s,
            },
            "decoder": self._decoder(),
        }

    def _decoder(self) -> dict[str, object] | None:
        """Describe the decoder that a browser may run; None when the bundle has none in ONNX."""
        manifest = self._engines.bundle.manifest
        found = {graph.role: graph for graph in manifest.graphs if graph.file in DECODERS}
        if "decoder" not in found:
            return None
        whole = found["decoder"]
        points = found.get("decoder_points", whole)
        weights = [
            {"path": entry.path, "url": f"/api/{entry.path}", "bytes": entry.bytes}
            for entry in manifest.files
            if entry.path == "decoder.weights"
        ]
        return {
            "url": f"/api/{points.file}",
            "external_data": weights,
            "inputs": [tensor.name for tensor in points.inputs],
            "outputs": [tensor.name for tensor in points.outputs],
            "with_mask": {
                "url": f"/api/{whole.file}",
                "inputs": [tensor.name for tensor in whole.inputs],
            },
            "for_wasm": {"url": f"/api/{FOR_WASM}"} if "decoder_browser" in found else None,
        }

    async def _model_file(self, request: Request) -> Response:
        name = request.path_params["file"]
        entries = {entry.path: entry for entry in self._engines.bundle.manifest.files}
        if name not in (*DECODERS, "decoder.weights") or name not in entries:
            return self._refused(
                ErrorCode.INVALID_OPTION, "no such file; /api/info says which there are", 404
            )
        headers = {**REVALIDATE, "etag": f'"{entries[name].sha256}"'}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(
            self._engines.bundle.folder / name, media_type=CONTENT_TYPES[".onnx"], headers=headers
        )

    async def _encode(self, request: Request) -> Response:
        def work(picture: bytes) -> inference.Encoded:
            return inference.encode(
                self._engines, picture, query_of(request), most_pixels=self._limits.picture_pixels
            )

        encoded = await self._worked(request, work)
        headers = {"x-sam-edge-embedding": json.dumps(encoded.told), **NO_STORE}
        return Response(encoded.data, media_type="application/octet-stream", headers=headers)

    async def _segment(self, request: Request) -> Response:
        def work(picture: bytes) -> dict[str, object]:
            return inference.segment(
                self._engines, picture, query_of(request), most_pixels=self._limits.picture_pixels
            )

        return JSONResponse(await self._worked(request, work))

    async def _worked(self, request: Request, work: Callable[[bytes], Made]) -> Made:
        """Read the picture and work on it in a thread, unless too many are worked on already."""
        if self._streams.closing:
            raise ProtocolError("server: it shuts down", ErrorCode.SHUTTING_DOWN)
        if self._pictures >= self._limits.pictures:
            raise ProtocolError(
                f"server: {self._pictures} pictures are worked on; try again in a second",
                ErrorCode.TOO_MANY_CLIENTS,
            )
        self._pictures += 1
        try:
            picture = await asyncio.wait_for(self._body(request), self._limits.idle_s)
            if not picture.startswith(SIGNATURES):
                raise UnknownKindError(
                    "body: neither a JPEG nor a PNG; accepted: those two", ErrorCode.INVALID_IMAGE
                )
            return await asyncio.to_thread(work, picture)
        except asyncio.TimeoutError as error:
            raise ProtocolError(
                f"body: it did not come in within {self._limits.idle_s:g} s", ErrorCode.TIMEOUT
            ) from error
        finally:
            self._pictures -= 1

    async def _body(self, request: Request) -> bytes:
        most = self._limits.picture_bytes
        told = request.headers.get("content-length", "0")
        parts, size = [], int(told) if told.isdecimal() and len(told) < 16 else 0
        if size <= most:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > most:
                    break
                parts.append(part)
        if size > most:
            raise ProtocolError(f"body: more than {most} bytes; send a smaller picture", ErrorCode.TOO_LARGE)
        return b"".join(parts)


async def refused(request: Request, error: Exception) -> Response:
    """Answer a request for what is not there, or by a method that is not accepted, as every other one is refused."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {404: "no such path; /openapi.json lists them", 405: "not by this method; see Allow"}
    content = {"error": {"code": "invalid_option", "message": message.get(status, str(error))}}
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse(content, status, headers=headers)


def query_of(request: Request) -> inference.Query:
    """Return the options of a request: every value of each."""
    return {name: request.query_params.getlist(name) for name in request.query_params}
