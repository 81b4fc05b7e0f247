"""The live picture on a page of this computer's browser."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._live.drawing import name_of
from sam_edge._live.screen_eye import PicturePlace, ScreenGaze
from sam_edge._live.step import LiveStep
from sam_edge.closing import Closing
from sam_edge.errors import InputError, MissingExtraError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.media.object_colours import object_hex
from sam_edge.stream.selection import Selection
from sam_edge.stream.session import GazeSession
from sam_edge.web.access import AccessPolicy
from sam_edge.web.metrics import Metrics
from sam_edge.web.security import SecurityMiddleware

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Mount, Route

    from sam_edge.web.http_server import HttpServer, http_config, open_listener
    from sam_edge.web.pages import page_response, shared_routes
    from sam_edge.web.static_files import CONTENT_TYPES, NO_STORE, StaticFolders
except ImportError as missing:
    library = (missing.name or "uvicorn").partition(".")[0]
    raise MissingExtraError(library, extra="serve", purpose="the page (--web)") from missing

HOST = "127.0.0.1"
"""The page shows what a person sees and looks at: it is for this computer alone."""
PAGE = Path(__file__).parent / "page"
JPEG_QUALITY = 85
NEXT_FRAME_S = 5.0
"""A request for the next frame waits this long, then says that there is none."""
JOIN_S = 5.0


class LivePageServer(Closing):
    """Serves the newest picture, and takes the page's commands. Its thread ends with `close`."""

    def __init__(
        self, session: GazeSession, *, name: str, port: int = 8766, screen: ScreenGaze | None = None
    ) -> None:
        """Open the port and serve.

        Args:
            session: commands go to it.
            name: the camera's address, which the page shows.
            port: TCP port; 0 lets the system choose.
            screen: gaze on the screen, which needs to know where the page shows the picture.

        Raises:
            InputError: the port cannot be opened.
        """
        if not 0 <= port <= 65535:
            raise InputError(f"port: {port} is not accepted; give 0 to 65535")
        self._session, self._name, self._screen = session, name, screen
        self._listener = open_listener(HOST, port)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}/"
        """Address of the page."""
        # Replaced as a whole by the thread that shows; read by the event loop.
        self._picture: tuple[int, NDArray[np.uint8], dict[str, Any]] | None = None
        self._encoded: tuple[int, bytes] = (0, b"")
        self._stop_requested = threading.Event()
        app = Starlette(
            routes=[
                Route("/", self._get_index),
                Route("/api/frame", self._get_frame),
                Route("/api/place", self._post_place, methods=["POST"]),
                Route("/api/{command:str}", self._post_command, methods=["POST"]),
                *shared_routes(),
                Mount("/assets", StaticFolders(PAGE)),
            ]
        )
        config = http_config(SecurityMiddleware(app, AccessPolicy(HOST), Metrics()), ws="none")
        self._server = HttpServer(config, on_shutdown=self._end)
        self._thread = threading.Thread(target=self._serve, name="live page", daemon=True)
        self._thread.start()

    def show(self, picture: NDArray[np.uint8], step: LiveStep) -> bool:
        """Offer a picture, RGB, and what the page says about it. Returns whether to go on."""
        number = 1 if self._picture is None else self._picture[0] + 1
        self._picture = (number, picture, describe(step))
        return not self._stop_requested.is_set()

    def close(self) -> None:
        """Stop serving. Closing twice is allowed."""
        self._server.should_exit = True
        self._thread.join(JOIN_S)
        self._listener.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    async def _end(self) -> None:
        self._stop_requested.set()

    # Requests of the page, in the event loop.

    async def _get_index(self, request: Request) -> Response:
        return page_response(PAGE / "index.html")

    async def _get_frame(self, request: Request) -> Response:
        """Answer with the first frame after number `after`, as JPEG; its facts stand in a header."""
        text = request.query_params.get("after", "0")
        if not text.isdecimal():
            return JSONResponse({"error": f"after: {text!r}; accepted: a number"}, 400, headers=NO_STORE)
        deadline_ns = host_now_ns() + round(NEXT_FRAME_S * 1e9)
        while self._picture is None or self._picture[0] <= int(text):
            if host_now_ns() >= deadline_ns or self._server.should_exit:
                return Response(status_code=204, headers=NO_STORE)
            await asyncio.sleep(0.005)
        number, picture, facts = self._picture
        if self._encoded[0] != number:
            self._encoded = (number, await asyncio.to_thread(_encode, picture))
        facts = {"number": number, "camera": self._name, "on_screen": self._screen is not None, **facts}
        described = JSONResponse(facts).body
        headers = {**NO_STORE, "x-sam-edge-frame": bytes(described).decode("ascii", "backslashreplace")}
        return Response(self._encoded[1], media_type=CONTENT_TYPES[".jpg"], headers=headers)

    async def _post_place(self, request: Request) -> Response:
        """Take the place of the picture on the screen."""
        if self._screen is None:
            return JSONResponse({"error": "place: the gaze is not on the screen"}, 404, headers=NO_STORE)
        try:
            fields = json.loads(await request.body())
            values = [float(fields[name]) for name in ("left", "top", "width", "height")]
            self._screen.show_at(PicturePlace(*values))
        except (InputError, ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"place: {error}"}, 400, headers=NO_STORE)
        return JSONResponse({}, headers=NO_STORE)

    async def _post_command(self, request: Request) -> Response:
        command = request.path_params["command"]
        if command == "pin":
            return JSONResponse({"object": self._session.pin(at_ns=host_now_ns())}, headers=NO_STORE)
        if command == "unpin":
            self._session.unpin()
        elif command == "stop":
            self._stop_requested.set()
        else:
            return JSONResponse({"error": f"no command {command!r}"}, 404, headers=NO_STORE)
        return JSONResponse({}, headers=NO_STORE)


def describe(step: LiveStep) -> dict[str, Any]:
    """Return what the page says about a frame."""
    selection = step.selection
    return {
        "state": selection.state.value,
        "object": selection.object_id,
        "label": selection.label or "",
        "age_ms": round(selection.age_ms),
        "latency_ms": round(step.latency_ms),
        "delay_known": step.frame.uncertainty_ns is not None,
        "pinned": [item.object_id for item in selection.pinned],
        "objects": _describe_objects(selection),
    }


def _describe_objects(selection: Selection) -> list[dict[str, Any]]:
    """Return the objects in the picture: pinned ones, oldest first, then the selected one."""
    labels = {item.object_id: item.label for item in selection.pinned}
    pinned = set(labels)
    if selection.object_id is not None:
        labels[selection.object_id] = selection.label
    return [
        {
            "id": object_id,
            "name": name_of(object_id, label),
            "colour": object_hex(object_id),
            "pinned": object_id in pinned,
            "looked": object_id == selection.object_id,
        }
        for object_id, label in labels.items()
    ]


def _encode(picture: NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())
