"""The page: a server on this machine alone that asks the annotator's questions in a browser.

One thread works: it asks, answers, encodes and writes, one thing after the other. What the page sees is a snapshot that
this thread makes after each. An answer names the state that it was given for, so that none is taken for another
question; when it is confirmed it is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import cv2

from sam_edge.annotate.answers import Answer, Proposal
from sam_edge.annotate.dataset import write_dataset
from sam_edge.annotate.said import read_answer
from sam_edge.annotate.show import kept_of, progress_of, question_of
from sam_edge.annotate.stages import Annotator, Stopped, Work
from sam_edge.errors import InputError, MissingExtraError, SamEdgeError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.web.access import AccessPolicy
from sam_edge.web.metrics import Metrics
from sam_edge.web.security import SecurityMiddleware

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Mount, Route

    from sam_edge.web.http_server import HttpServer, http_config, open_listener
    from sam_edge.web.static_files import CONTENT_TYPES, NO_STORE, SHARED_FOLDER, StaticFolders, file_response
except ImportError as missing:
    library = (missing.name or "uvicorn").partition(".")[0]
    raise MissingExtraError(library, extra="serve", purpose="the page") from missing

HOST = "127.0.0.1"
"""The page shows the recording, and changes the data set: nobody else is to reach it."""
PAGE = Path(__file__).parent / "page"
SHARED_FILES = ("style.css", "icon.svg")
"""Files that the page of `sam-edge serve` uses as well."""
MOST_BODY = 1 << 16
"""Bytes of an answer."""
SOON_S = 0.5
"""An answer waits so long for the next question, and else says that it is worked on."""
JPEG_QUALITY = 92
Made = TypeVar("Made")


class Stale(SamEdgeError):
    """An answer to something that is no longer asked."""


class PageServer:
    """Serves the page until the person stops."""

    def __init__(self, annotator: Annotator, samples: Sequence[GazeSample], *, port: int = 0) -> None:
        """Ask an annotator's questions; nothing listens yet.

        Args:
            annotator: what asks; nobody else may use it meanwhile.
            samples: the gaze, to be drawn.
            port: where to listen; 0 lets the system choose.

        Raises:
            InputError: the port is none.
        """
        if not 0 <= port <= 65535:
            raise InputError(f"port: {port} is not accepted; give 0 to 65535")
        self._annotator = annotator
        self._samples = samples
        self._port = port
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="annotate")
        self._stopping = threading.Event()
        self._work: Work | None = None
        # An old page's answer is to fit no state of another server.
        self._state = secrets.randbits(40)
        self._shown: dict[str, Any] = {"question": None, "kept": [], **progress_of(annotator)}
        self._picture = (-1, b"")
        self._problem: Exception | None = None
        self._finished = False
        self._busy = True
        self._server: HttpServer | None = None
        self._listener: socket.socket | None = None
        annotator.heed = self._heed

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{HOST}:{self._port}/"

    def listen(self) -> None:
        """Open the port. Raises `InputError` when it cannot be had."""
        self._listener = open_listener(HOST, self._port)
        self._port = self._listener.getsockname()[1]

    def run(self) -> bool:
        """Serve until the page, SIGINT or SIGTERM ends it; say whether all is done.

        Raises:
            SamEdgeError: the work failed; what was accepted before is in the journal.
        """
        if self._listener is None:
            self.listen()
        self._worker.submit(self._go_on)
        try:
            asyncio.run(self._serve())
        finally:
            self._stopping.set()
            self._worker.shutdown(cancel_futures=True)
            if self._listener is not None:
                self._listener.close()
        if self._problem is not None:
            raise self._problem
        return self._finished

    def stop(self) -> None:
        """End, as the page's button does; from any thread."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True

    async def end(self) -> None:
        """Let the work that is done now end."""
        self._stopping.set()

    async def _serve(self) -> None:
        app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/api/state", self._tell),
                Route("/api/frame/{index:int}.jpg", self._frame),
                Route("/api/answer", self._take, methods=["POST"]),
                Route("/api/stop", self._stop, methods=["POST"]),
                *(Route(f"/shared/{name}", self._shared) for name in SHARED_FILES),
                Mount("/assets", StaticFolders(PAGE)),
            ]
        )
        config = http_config(SecurityMiddleware(app, AccessPolicy(HOST), Metrics()), ws="none")
        self._server = HttpServer(config, on_shutdown=self.end)
        await self._server.serve(sockets=[self._listener] if self._listener else None)

    # What the one thread does.

    def _go_on(self) -> None:
        """Make what needs no question, until something is asked or all is done."""
        try:
            self._show(self._annotator.ask())
            self._worker.submit(self._prepare)
        except Stopped:
            return
        except Exception as error:  # `run` raises it where the caller sees it
            self._problem = error
            self.stop()

    def _prepare(self) -> None:
        """Make the next question ready, a little at a time: an answer that came in meanwhile goes first."""
        try:
            if not self._stopping.is_set() and self._annotator.prepare():
                self._worker.submit(self._prepare)
        except Exception as error:  # as above
            self._problem = error
            self.stop()

    def _answer(self, state: int, answer: Answer) -> bool:
        """Give an answer; say whether its question is still open."""
        if state != self._state or self._busy:
            raise Stale("answer: something else is asked by now; look again")
        self._annotator.answer(answer)
        asked = self._annotator.asked
        if asked is not None:
            self._show(asked)
        else:
            self._busy = True
        return asked is not None

    def _show(self, asked: Proposal | None) -> None:
        """Make the snapshot that the page sees."""
        if asked is None:
            write_dataset(self._annotator.journal)
            shown: dict[str, Any] = {"question": None, "kept": []}
        else:
            masks = self._annotator.journal.of_frame(asked.frame.stem)
            shown = {"question": question_of(asked, self._samples), "kept": [kept_of(one) for one in masks]}
            if self._picture[0] != asked.frame.index:
                self._picture = (asked.frame.index, _jpeg(asked))
        shown.update(progress_of(self._annotator))
        self._state += 1
        self._shown, self._work = shown, None
        self._finished = asked is None
        self._busy = False

    def _heed(self, work: Work) -> None:
        if self._stopping.is_set():
            raise Stopped
        self._work = work

    # What the page asks for.

    async def _index(self, request: Request) -> Response:
        return file_response(PAGE / "index.html")

    async def _shared(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return file_response(SHARED_FOLDER / name)

    async def _tell(self, request: Request) -> Response:
        return JSONResponse(self._told(), headers=NO_STORE)

    async def _frame(self, request: Request) -> Response:
        index, data = self._picture
        if request.path_params["index"] != index:
            return _refused(404, "frame: it is no longer asked about")
        return Response(data, media_type=CONTENT_TYPES[".jpg"], headers=NO_STORE)

    async def _take(self, request: Request) -> Response:
        try:
            state, answer = read_answer(await _body(request))
            still_open = await self._run(lambda: self._answer(state, answer))
            if not still_open:
                # The answer is on disk; what comes next may take a while.
                following = self._run(self._go_on)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.shield(following), SOON_S)
        except Stale as error:
            return _refused(409, str(error))
        except SamEdgeError as error:
            return _refused(400 if isinstance(error, InputError) else 500, str(error))
        return JSONResponse(self._told(), headers=NO_STORE)

    async def _stop(self, request: Request) -> Response:
        self.stop()
        return JSONResponse({"stopped": True, "folder": str(self._annotator.journal.folder)})

    def _told(self) -> dict[str, Any]:
        work = self._work
        doing = None
        if self._busy and work is not None:
            doing = {
                "stage": work.stage.value,
                "frame": work.frame,
                "done": work.done,
                "total": work.total,
                "share": round(work.share, 2),
            }
        return {
            **self._shown,
            "state": self._state,
            "busy": self._busy,
            "doing": doing,
            "finished": self._finished and not self._busy,
            "video": self._annotator.film.name,
            "folder": self._annotator.journal.folder.name,
        }

    def _run(self, work: Callable[[], Made]) -> asyncio.Future[Made]:
        return asyncio.get_running_loop().run_in_executor(self._worker, work)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BODY:
            raise InputError(f"body: more than {MOST_BODY} bytes; send one answer")
        parts.append(part)
    return b"".join(parts)


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status, headers=NO_STORE)


def _jpeg(asked: Proposal) -> bytes:
    bgr = cv2.cvtColor(asked.frame.image, cv2.COLOR_RGB2BGR)
    there, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not there:
        raise SessionError(f"frame {asked.frame.index}: it cannot be packed as JPEG")
    return data.tobytes()
