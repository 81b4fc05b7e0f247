"""The part of the soak in which eight clients of a server come and go, some of them badly."""

from __future__ import annotations

import itertools
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress

from bench_memory import DEMO, looping
from soak_figures import Figures, run_threads

from sam_edge.client import Client, RefusedError, connect, jpeg_of
from sam_edge.errors import SamEdgeError
from sam_edge.gaze.recordings import read
from sam_edge.media.frames import open_frames
from sam_edge.wire.errors import ErrorCode

CLIENTS = 8
HANG_S = 60.0
"""A client that gets no answer within this many seconds hangs."""
NS = 1_000_000_000


class Clients:
    """Eight threads; each is one client after the other."""

    def __init__(self, url: str, figures: Figures, *, rate_hz: float, began_s: float) -> None:
        """Send `rate_hz` frames a second and client to the server at `url` (a WebSocket's)."""
        self._url, self._figures, self._began_s = url, figures, began_s
        self._interval_s = 1 / rate_hz
        self._http = url.replace("ws://", "http://").removesuffix("/api/stream")
        with open_frames(DEMO / "clip.mp4") as frames:
            self._size = frames.size
            self._jpegs = [jpeg_of(frame.image) for frame in itertools.islice(frames, 0, None, 4)]
        self._samples = tuple(read(DEMO / "gaze.csv").samples)
        self._lock = threading.Lock()

    def run(self, stopping: threading.Event, tick: Callable[[], None]) -> None:
        """Come and go until `stopping` is set; `tick` is called all the time."""
        threads = [
            threading.Thread(
                target=self._guard, args=(number, stopping), name=f"client {number}", daemon=True
            )
            for number in range(CLIENTS)
        ]
        run_threads(threads, stopping, tick, self._figures, hang_s=HANG_S)

    def _guard(self, number: int, stopping: threading.Event) -> None:
        lot = random.Random(number)
        while not stopping.is_set():
            visit = lot.choice(
                (self._stay, self._stay, self._stay, self._vanish, self._talk_nonsense, self._post)
            )
            try:
                visit(lot, stopping)
            except (SamEdgeError, OSError) as error:
                self._fault(f"client {number}: {type(error).__name__}: {error}"[:300])
                stopping.wait(1.0)

    def _stay(self, lot: random.Random, stopping: threading.Event) -> None:
        """Send frames and gaze for a while, and take leave."""
        deadline_s = time.monotonic() + HANG_S
        while not stopping.is_set():
            try:
                client = connect(self._url, name="soak", timeout_s=HANG_S)
            except RefusedError as error:
                # The place of a client that has just left is freed when its session has ended.
                if error.reply.code is not ErrorCode.TOO_MANY_CLIENTS or time.monotonic() > deadline_s:
                    raise
                self._count("visits put off")
                stopping.wait(0.5)
                continue
            with client:
                self._stream(client, lot.uniform(3.0, 30.0), lot, stopping)
            self._count("visits")
            return

    def _stream(self, client: Client, seconds: float, lot: random.Random, stopping: threading.Event) -> None:
        end_s = time.monotonic() + seconds
        offset_ns = time.monotonic_ns()
        gaze = looping(self._samples, 10 * NS)
        due = next(gaze)
        sent: dict[int, float] = {}
        for index in itertools.count():
            if stopping.is_set() or time.monotonic() > end_s:
                return
            now_ns = time.monotonic_ns()
            samples = []
            while due.time_ns + offset_ns <= now_ns:
                samples.append(type(due)(due.time_ns + offset_ns, due.x_px, due.y_px, due.confidence))
                due = next(gaze)
            client.send_gaze(samples)
            number = client.send_encoded(self._jpegs[index % len(self._jpegs)], self._size, now_ns)
            if number is not None:
                sent[number] = time.monotonic()
            if lot.random() < 0.02:
                client.pin()
            next_s = time.monotonic() + self._interval_s
            while (left_s := next_s - time.monotonic()) > 0 and not stopping.is_set():
                selection = client.receive(min(left_s, 0.5))
                began_s = sent.pop(selection.frame_id, None) if selection is not None else None
                if began_s is not None:
                    self._step(time.monotonic() - began_s)
            if sent and time.monotonic() - min(sent.values()) > HANG_S:
                # A frame that the server skipped gets no selection; one that is answered later clears it.
                if client.in_flight:
                    self._fault(f"no selection within {HANG_S:g} s")
                sent.clear()

    def _vanish(self, lot: random.Random, stopping: threading.Event) -> None:
        """Begin a connection and leave without a word."""
        with self._socket() as raw:
            request = (
                "GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            raw.sendall(request.encode()[: lot.randrange(10, 400)])
            stopping.wait(lot.uniform(0.1, 3.0))
        self._count("vanished")

    def _talk_nonsense(self, lot: random.Random, stopping: threading.Event) -> None:
        """Send bytes that are no HTTP."""
        with self._socket() as raw:
            raw.sendall(lot.randbytes(lot.randrange(1, 4000)))
            with suppress(OSError):
                raw.recv(1000)
        self._count("nonsense")
        stopping.wait(0.2)

    def _post(self, lot: random.Random, stopping: threading.Event) -> None:
        """Segment one image over HTTP, and read the metrics."""
        body = self._jpegs[lot.randrange(len(self._jpegs))]
        began_s = time.monotonic()
        for path, data in (("/segment?point=100,100&masks=none", body), ("/metrics", None)):
            request = urllib.request.Request(self._http + path, data=data)
            try:
                with urllib.request.urlopen(request, timeout=HANG_S) as answer:
                    answer.read()
            except urllib.error.HTTPError as error:
                # Two at a time: the third one is told to come again.
                if error.code != 503:
                    raise
                self._count("posts put off")
        self._count("posts")
        if time.monotonic() - began_s > HANG_S:
            self._fault(f"a POST took {time.monotonic() - began_s:.0f} s")
        stopping.wait(1.0)

    def _socket(self) -> socket.socket:
        host, port = self._http.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=HANG_S)

    def _step(self, took_s: float) -> None:
        with self._lock:
            self._figures.step_times_s.append(time.monotonic() - self._began_s)
            self._figures.steps_ms.append(1e3 * took_s)

    def _count(self, name: str) -> None:
        with self._lock:
            self._figures.count(name)

    def _fault(self, words: str) -> None:
        with self._lock:
            self._figures.faults.append(words)
