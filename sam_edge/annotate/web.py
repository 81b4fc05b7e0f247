"""The page: a server for this machine alone that shows the annotator's proposals in a browser.

One thread works: it proposes, takes answers, encodes and writes, one thing after the other, and makes a snapshot after
each, which the page shows. An answer names the state for which it was given, so that it never counts for another
proposal; once it is confirmed it is on disk.

Threads: the fields under "worker" are written by the worker thread alone; the event loop only reads them.
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

from sam_edge.annotate.annotator import Annotator
from sam_edge.annotate.answer_codec import decode_answer
from sam_edge.annotate.answers import Answer
from sam_edge.annotate.dataset import write_dataset
from sam_edge.annotate.page_state import describe_annotation, describe_progress, describe_proposal
from sam_edge.annotate.proposal import Proposal
from sam_edge.annotate.stage import StopRequested, WorkStatus
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
    from sam_edge.web.pages import page_response, shared_routes
    from sam_edge.web.static_files import CONTENT_TYPES, NO_STORE, StaticFolders
except ImportError as missing:
    library = (missing.name or "uvicorn").partition(".")[0]
    raise MissingExtraError(library, extra="serve", purpose="the page") from missing

HOST = "127.0.0.1"
"""The page shows the recording and changes the data set: it is for this machine alone."""
PAGE = Path(__file__).parent / "page"
MAX_BODY_BYTES = 1 << 16
"""Largest request with an answer."""
NEXT_PROPOSAL_S = 0.5
"""How long an answer's response waits for the next proposal; later ones arrive with the page's next request."""
JPEG_QUALITY = 92
Result = TypeVar("Result")


class StaleAnswerError(SamEdgeError):
    """An answer to a proposal that is no longer open."""


class PageServer:
    """Serves the page until the person stops."""

    def __init__(self, annotator: Annotator, samples: Sequence[GazeSample], *, port: int = 0) -> None:
        """Prepare to serve an annotator's proposals; `listen` opens the port.

        Args:
            annotator: the annotator; the server must be its only user.
            samples: the gaze in order of time, frame pixels, for the trail.
            port: TCP port; 0 lets the system choose.

        Raises:
            InputError: the port is out of range.
        """
        if not 0 <= port <= 65535:
            raise InputError(f"port: {port} is not accepted; give 0 to 65535")
        self._annotator = annotator
        self._samples = samples
        self._port = port
        self._server: HttpServer | None = None
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="annotate")
        # Worker. States begin at random: a page of an earlier server never has a state of this one.
        self._state = secrets.randbits(40)
        self._snapshot: dict[str, Any] = {
            "proposal": None,
            "annotations": [],
            **describe_progress(annotator),
        }
        self._status: WorkStatus | None = None
        self._image = (-1, b"")
        self._error: Exception | None = None
        self._finished = False
        self._busy = True
        annotator.on_progress = self._on_progress

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self._port}/"

    def listen(self) -> None:
        """Open the port.

        Raises:
            InputError: the port cannot be opened.
        """
        self._listener = open_listener(HOST, self._port)
        self._port = self._listener.getsockname()[1]

    def run(self) -> bool:
        """Serve until the page, SIGINT or SIGTERM ends it; return whether all stages are done.

        Raises:
            SamEdgeError: the annotator failed; answers given before are in the journal.
        """
        if self._listener is None:
            self.listen()
        self._worker.submit(self._advance)
        try:
            asyncio.run(self._serve())
        finally:
            self._stopping.set()
            self._worker.shutdown(cancel_futures=True)
            if self._listener is not None:
                self._listener.close()
        if self._error is not None:
            raise self._error
        return self._finished

    def stop(self) -> None:
        """Stop, as the page's button does; from any thread."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True

    async def end(self) -> None:
        """Stop the worker after its present task; the HTTP server calls this when it shuts down."""
        self._stopping.set()

    async def _serve(self) -> None:
        app = Starlette(
            routes=[
                Route("/", self._get_index),
                Route("/api/state", self._get_state),
                Route("/api/frame/{index:int}.jpg", self._get_frame),
                Route("/api/answer", self._post_answer, methods=["POST"]),
                Route("/api/stop", self._post_stop, methods=["POST"]),
                *shared_routes(),
                Mount("/assets", StaticFolders(PAGE)),
            ]
        )
        config = http_config(SecurityMiddleware(app, AccessPolicy(HOST), Metrics()), ws="none")
        self._server = HttpServer(config, on_shutdown=self.end)
        await self._server.serve(sockets=[self._listener] if self._listener else None)

    # Worker thread.

    def _advance(self) -> None:
        """Run the annotator until the next proposal, or until all stages are done."""
        try:
            self._publish(self._annotator.ask())
            self._worker.submit(self._prepare)
        except StopRequested:
            return
        except Exception as error:  # `run` raises it in the caller's thread
            self._error = error
            self.stop()

    def _prepare(self) -> None:
        """Prepare the next proposal in short steps, so that an answer can come in between."""
        try:
            if not self._stopping.is_set() and self._annotator.prepare():
                self._worker.submit(self._prepare)
        except Exception as error:  # as above
            self._error = error
            self.stop()

    def _answer(self, state: int, answer: Answer) -> bool:
        """Give an answer to the annotator; return whether its proposal is still open."""
        if state != self._state or self._busy:
            raise StaleAnswerError("answer: another proposal is open by now; load the state again")
        self._annotator.answer(answer)
        proposal = self._annotator.proposal
        if proposal is not None:
            self._publish(proposal)
        else:
            self._busy = True
        return proposal is not None

    def _publish(self, proposal: Proposal | None) -> None:
        """Make the snapshot that the page shows; without a proposal all stages are done."""
        if proposal is None:
            write_dataset(self._annotator.journal)
            snapshot: dict[str, Any] = {"proposal": None, "annotations": []}
        else:
            annotations = self._annotator.journal.annotations_on(proposal.frame.stem)
            snapshot = {
                "proposal": describe_proposal(proposal, self._samples),
                "annotations": [describe_annotation(annotation) for annotation in annotations],
            }
            if self._image[0] != proposal.frame.index:
                self._image = (proposal.frame.index, _encode_jpeg(proposal))
        snapshot.update(describe_progress(self._annotator))
        self._state += 1
        self._snapshot, self._status = snapshot, None
        self._finished = proposal is None
        self._busy = False

    def _on_progress(self, status: WorkStatus) -> None:
        if self._stopping.is_set():
            raise StopRequested
        self._status = status

    # Requests of the page, in the event loop.

    async def _get_index(self, request: Request) -> Response:
        return page_response(PAGE / "index.html")

    async def _get_state(self, request: Request) -> Response:
        return JSONResponse(self._describe_state(), headers=NO_STORE)

    async def _get_frame(self, request: Request) -> Response:
        index, data = self._image
        if request.path_params["index"] != index:
            return _error_response(404, "frame: no proposal is open on it")
        return Response(data, media_type=CONTENT_TYPES[".jpg"], headers=NO_STORE)

    async def _post_answer(self, request: Request) -> Response:
        try:
            state, answer = decode_answer(await _read_body(request))
            still_open = await self._run_in_worker(lambda: self._answer(state, answer))
            if not still_open:
                # The answer is on disk; the next proposal may take a while.
                next_proposal = self._run_in_worker(self._advance)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.shield(next_proposal), NEXT_PROPOSAL_S)
        except StaleAnswerError as error:
            return _error_response(409, str(error))
        except SamEdgeError as error:
            return _error_response(400 if isinstance(error, InputError) else 500, str(error))
        return JSONResponse(self._describe_state(), headers=NO_STORE)

    async def _post_stop(self, request: Request) -> Response:
        self.stop()
        return JSONResponse({"stopped": True, "folder": str(self._annotator.journal.folder)})

    def _describe_state(self) -> dict[str, Any]:
        status = self._status
        work = None
        if self._busy and status is not None:
            work = {
                "stage": status.stage.value,
                "frame": status.frame,
                "done": status.done,
                "total": status.total,
                "share": round(status.share, 2),
            }
        return {
            **self._snapshot,
            "state": self._state,
            "busy": self._busy,
            "work": work,
            "finished": self._finished and not self._busy,
            "video": self._annotator.video.name,
            "folder": self._annotator.journal.folder.name,
        }

    def _run_in_worker(self, task: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._worker, task)


async def _read_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise InputError(f"body: more than {MAX_BODY_BYTES} bytes; send one answer")
        parts.append(part)
    return b"".join(parts)


def _error_response(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status, headers=NO_STORE)


def _encode_jpeg(proposal: Proposal) -> bytes:
    bgr = cv2.cvtColor(proposal.frame.image, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise SessionError(f"frame {proposal.frame.index}: cannot be encoded as JPEG")
    return data.tobytes()
