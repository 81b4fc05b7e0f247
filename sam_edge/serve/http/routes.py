"""The server's HTTP routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.serve.http.docs_page import STYLE, docs_page
from sam_edge.serve.http.image_requests import encode_image, segment_image
from sam_edge.serve.http.openapi import openapi_document
from sam_edge.serve.http.options import read_options
from sam_edge.serve.http.route_table import (
    DECODER_FILES,
    ENCODE,
    HEALTH,
    INFO,
    METRICS,
    SEGMENT,
    Operation,
)
from sam_edge.serve.http.server_info import server_info
from sam_edge.serve.state import ServerState
from sam_edge.web.metrics import CONTENT_TYPE
from sam_edge.web.static_files import (
    BINARY_TYPE,
    CONTENT_TYPES,
    NO_STORE,
    REVALIDATE,
    SHARED_FOLDER,
    StaticFolders,
    file_response,
)
from sam_edge.wire.errors import ErrorCode, ProtocolError

PAGE = Path(__file__).parents[1] / "page"
"""Folder of the page's files."""
CLIP = Path(__file__).parents[2] / "assets" / "demo" / "clip.mp4"
"""Video for a page without a camera."""
STATUS = {
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.TOO_MANY_CLIENTS: 503,
    ErrorCode.SHUTTING_DOWN: 503,
    ErrorCode.ENGINE_FAILED: 500,
}
"""HTTP status of each error code; 400 for all others."""
ERROR_HEADERS = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "1"}}
SIGNATURES = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n")
"""First bytes of a JPEG and of a PNG."""
NOT_FOUND = "no such path; /openapi.json lists them"
Endpoint = Callable[[Request], Awaitable[Response]]
Options = TypeVar("Options")
Result = TypeVar("Result")


class UnsupportedImageError(ProtocolError):
    """The body is neither a JPEG nor a PNG."""


class HttpRoutes:
    """The routes of one server. Each is called in the event loop; images are processed in threads."""

    def __init__(self, state: ServerState) -> None:
        """Share the state with the server's connections."""
        self._state = state
        self._images = 0

    def routes(self) -> list[BaseRoute]:
        """Return all routes except the WebSocket's."""
        routes: list[BaseRoute] = [
            self._public_route("/", self._index),
            self._public_route("/openapi.json", self._openapi),
            self._public_route("/docs", self._docs),
            self._public_route("/docs.css", self._docs_style),
            self._public_route("/demo.mp4", self._clip),
            self._operation_route(HEALTH, self._health),
            self._operation_route(INFO, self._info),
            self._operation_route(ENCODE, self._encode),
            *(self._operation_route(operation, self._decoder_file) for operation in DECODER_FILES),
            self._operation_route(SEGMENT, self._segment),
            self._operation_route(METRICS, self._metrics),
        ]
        # A build may lack these folders. Checked at each request, a missing folder would be an internal error.
        if PAGE.is_dir():
            routes.append(Mount("/assets", StaticFolders(PAGE, SHARED_FOLDER)))
        if (PAGE / "vendor").is_dir():
            routes.append(Mount("/vendor", StaticFolders(PAGE / "vendor")))
        return routes

    def _public_route(self, path: str, endpoint: Endpoint) -> Route:
        return self._route(path, "GET", endpoint, needs_token=False)

    def _operation_route(self, operation: Operation[Any], endpoint: Endpoint) -> Route:
        return self._route(operation.path, operation.method, endpoint, needs_token=operation.needs_token)

    def _route(self, path: str, method: str, endpoint: Endpoint, *, needs_token: bool) -> Route:
        async def checked(request: Request) -> Response:
            response = await self._respond(request, endpoint, needs_token=needs_token)
            self._state.metrics.add("sam_edge_requests_total", route=path, status=str(response.status_code))
            return response

        return Route(path, checked, methods=[method])

    async def _respond(self, request: Request, endpoint: Endpoint, *, needs_token: bool) -> Response:
        """Call an endpoint. Every error of this package becomes an error response here, and nowhere else."""
        try:
            if needs_token and not self._state.access.accepts_authorization(
                request.headers.get("authorization", "")
            ):
                raise ProtocolError(
                    "token: it is missing or wrong; send Authorization: Bearer TOKEN", ErrorCode.UNAUTHORIZED
                )
            return await endpoint(request)
        except UnsupportedImageError as error:
            return self._refuse(error.code, str(error), 415)
        except ProtocolError as error:
            return self._refuse(error.code, str(error))
        except ClientDisconnect:
            return self._refuse(ErrorCode.MALFORMED, "body: it was cut off")
        except InputError as error:
            return self._refuse(ErrorCode.INVALID_OPTION, str(error))
        except SamEdgeError as error:
            return self._refuse(ErrorCode.ENGINE_FAILED, str(error))

    def _refuse(self, code: ErrorCode, message: str, status: int | None = None) -> Response:
        self._state.metrics.add("sam_edge_refused_total", reason=code.name.lower())
        status = status or STATUS.get(code, 400)
        return error_response(status, code, message, headers=ERROR_HEADERS.get(status))

    async def _index(self, request: Request) -> Response:
        index = PAGE / "index.html"
        if not index.is_file():
            return HTMLResponse("<!doctype html><title>sam-edge</title><p>This build has no page.</p>", 404)
        return file_response(index)

    async def _clip(self, request: Request) -> Response:
        return file_response(CLIP)

    async def _health(self, request: Request) -> Response:
        closing = self._state.closing
        return JSONResponse({"status": "closing" if closing else "ok"}, 503 if closing else 200)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi_document(token_needed=bool(self._state.access.token)))

    async def _docs(self, request: Request) -> Response:
        return HTMLResponse(docs_page(openapi_document(token_needed=bool(self._state.access.token))))

    async def _docs_style(self, request: Request) -> Response:
        return Response(STYLE, media_type=CONTENT_TYPES[".css"])

    async def _metrics(self, request: Request) -> Response:
        gauges = {
            "sam_edge_clients": float(self._state.clients),
            "sam_edge_webcams": float(self._state.webcams),
            "sam_edge_waiting_for_model": float(self._state.engines.waiting),
        }
        return Response(self._state.metrics.to_text(gauges), headers={"content-type": CONTENT_TYPE})

    async def _info(self, request: Request) -> Response:
        return JSONResponse(server_info(self._state))

    async def _decoder_file(self, request: Request) -> Response:
        bundle, name = self._state.engines.bundle, request.url.path.rpartition("/")[2]
        entries = {entry.path: entry for entry in bundle.manifest.files}
        if name not in entries:
            message = "the server's bundle has no such file; /api/info lists them"
            return self._refuse(ErrorCode.INVALID_OPTION, message, 404)
        headers = {**REVALIDATE, "etag": f'"{entries[name].sha256}"'}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(bundle.folder / name, media_type=BINARY_TYPE, headers=headers)

    async def _encode(self, request: Request) -> Response:
        engines, max_pixels = self._state.engines, self._state.limits.picture_pixels
        encoded = await self._process_image(
            request,
            ENCODE,
            lambda image, options: encode_image(engines, image, options, max_pixels=max_pixels),
        )
        headers = {"x-sam-edge-embedding": json.dumps(encoded.description), **NO_STORE}
        return Response(encoded.data, media_type=BINARY_TYPE, headers=headers)

    async def _segment(self, request: Request) -> Response:
        engines, max_pixels = self._state.engines, self._state.limits.picture_pixels
        segmentation = await self._process_image(
            request,
            SEGMENT,
            lambda image, options: segment_image(engines, image, options, max_pixels=max_pixels),
        )
        return JSONResponse(segmentation)

    async def _process_image(
        self,
        request: Request,
        operation: Operation[Options],
        process: Callable[[bytes, Options], Result],
    ) -> Result:
        """Read the image and process it in a thread, unless too many images are in work already."""
        limits = self._state.limits
        if self._state.closing:
            raise ProtocolError("server: it shuts down", ErrorCode.SHUTTING_DOWN)
        if self._images >= limits.pictures:
            raise ProtocolError(
                f"server: it processes {self._images} images already; try again in a second",
                ErrorCode.TOO_MANY_CLIENTS,
            )
        self._images += 1
        try:
            image = await asyncio.wait_for(self._body(request), limits.idle_s)
            if not image.startswith(SIGNATURES):
                raise UnsupportedImageError(
                    "body: neither a JPEG nor a PNG; accepted: those two", ErrorCode.INVALID_IMAGE
                )
            options = read_options(
                operation.options_class,
                {name: request.query_params.getlist(name) for name in request.query_params},
            )
            return await asyncio.to_thread(process, image, options)
        except asyncio.TimeoutError as error:
            raise ProtocolError(
                f"body: it did not arrive within {limits.idle_s:g} s", ErrorCode.TIMEOUT
            ) from error
        finally:
            self._images -= 1

    async def _body(self, request: Request) -> bytes:
        max_bytes = self._state.limits.picture_bytes
        announced = request.headers.get("content-length", "0")
        size = int(announced) if announced.isdecimal() and len(announced) < 16 else 0
        parts: list[bytes] = []
        if size <= max_bytes:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    break
                parts.append(part)
        if size > max_bytes:
            raise ProtocolError(
                f"body: more than {max_bytes} bytes; send a smaller image", ErrorCode.TOO_LARGE
            )
        return b"".join(parts)


async def handle_http_error(request: Request, error: Exception) -> Response:
    """Respond to unknown paths and methods in the form of all other errors."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {404: NOT_FOUND, 405: "not by this method; see Allow"}.get(status, str(error))
    headers = error.headers if isinstance(error, HTTPException) else None
    return error_response(status, ErrorCode.INVALID_OPTION, message, headers=headers)


def error_response(
    status: int, code: ErrorCode, message: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as JSON, see `ErrorJson`."""
    return JSONResponse({"error": {"code": code.name.lower(), "message": message}}, status, headers=headers)
