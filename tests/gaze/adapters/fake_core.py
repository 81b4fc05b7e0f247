"""A fake Pupil Capture: Pupil Remote (REP) and the data bus (XPUB, so that subscriptions can be seen)."""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty, SimpleQueue

import msgpack
import zmq
from fake_base import HEIGHT, WIDTH, position_of, wait_until


class FakeCore:
    """Capture. Pupil time starts at an arbitrary, negative value."""

    def __init__(self, *, with_size: bool = True) -> None:
        self.context = zmq.Context()
        self.offset_s = -5000.0 - time.monotonic()
        self.rate = 1.0
        self.remote_port = 0
        self.sent = 0
        self.questions = 0
        self.notified: list[object] = []
        self.subscribed: set[bytes] = set()
        self.mute_remote = False
        self._outbox: SimpleQueue[list[bytes]] = SimpleQueue()
        self._running = False
        self._start()
        self.url = f"pupil-core://127.0.0.1:{self.remote_port}"
        self.options: dict[str, object] = {"size": (HEIGHT, WIDTH)} if with_size else {}

    @property
    def connections(self) -> int:
        return self.questions

    def now_s(self) -> float:
        return (time.monotonic() + self.offset_s) * self.rate

    def _start(self) -> None:
        self._remote = self.context.socket(zmq.REP)
        self._remote.setsockopt(zmq.LINGER, 0)
        if self.remote_port:
            wait_until(self._bind_again, "the port of Pupil Remote")
        else:
            self.remote_port = self._remote.bind_to_random_port("tcp://127.0.0.1")
        self._bus = self.context.socket(zmq.XPUB)
        self._bus.setsockopt(zmq.LINGER, 0)
        self._bus.setsockopt(zmq.SNDHWM, 100_000)
        self._bus_port = self._bus.bind_to_random_port("tcp://127.0.0.1")
        self.subscribed.clear()
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _bind_again(self) -> bool:
        try:
            self._remote.bind(f"tcp://127.0.0.1:{self.remote_port}")
        except zmq.ZMQError:
            return False
        return True

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._remote, zmq.POLLIN)
        poller.register(self._bus, zmq.POLLIN)
        while self._running:
            ready = dict(poller.poll(2))
            if self._bus in ready:
                event = self._bus.recv()
                (self.subscribed.add if event[:1] == b"\x01" else self.subscribed.discard)(event[1:])
            if self._remote in ready:
                question, *content = self._remote.recv_multipart()
                if content:
                    self.notified.append(msgpack.unpackb(content[0]))
                self._answer(question.decode())
            with contextlib.suppress(Empty):
                while True:
                    self._bus.send_multipart(self._outbox.get_nowait())
        self._remote.close()
        self._bus.close()

    def _answer(self, question: str) -> None:
        self.questions += 1
        if question == "SUB_PORT":
            self._remote.send_string(str(self._bus_port))
        elif question == "t":
            if self.mute_remote:
                return
            self._remote.send_string(repr(self.now_s()))
        else:
            self._remote.send_string("Unknown command.")

    def wait_ready(self) -> None:
        wait_until(lambda: b"gaze." in self.subscribed, "a subscription to gaze")

    def publish(self, topic: str, content: object, *raw: bytes) -> None:
        """Publish a message as Capture does: topic, msgpack, raw frames."""
        self._outbox.put([topic.encode(), msgpack.packb(content, use_bin_type=True), *raw])

    def publish_raw(self, *frames: bytes) -> None:
        """Publish frames as they are."""
        self._outbox.put(list(frames))

    @staticmethod
    def datum(number: int, time_s: float, topic: str = "gaze.3d.01.") -> dict[str, object]:
        """A gaze datum whose position carries a number."""
        x, y = position_of(number)
        datum: dict[str, object] = {
            "topic": topic,
            "confidence": 0.95,
            "norm_pos": [x / WIDTH, 1.0 - y / HEIGHT],
            "timestamp": time_s,
            "gaze_point_3d": [10.0, -20.0, 500.0],
            "base_data": [
                {"topic": f"pupil.{eye}.3d", "timestamp": time_s + int(eye) * 0.001}
                for eye in topic.split(".")[2]
                if eye in "01"
            ],
        }
        if topic == "gaze.3d.01.":
            datum["eye_centers_3d"] = {"0": [30.0, 10.0, -20.0], "1": [-30.0, 10.0, -20.0]}
            datum["gaze_normals_3d"] = {"0": [0.0, 0.0, 1.0], "1": [0.0, 0.0, 1.0]}
        elif topic.startswith("gaze.3d."):
            datum["eye_center_3d"] = [30.0, 10.0, -20.0]
            datum["gaze_normal_3d"] = [0.0, 0.0, 1.0]
        return datum

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        """Send the next numbered samples."""
        for _ in range(count):
            time_s = max(getattr(self, "_last_s", -1e12) + 1e-6, self.now_s())
            self._last_s = time_s
            self.publish("gaze.3d.01.", self.datum(self.sent, time_s))
            self.sent += 1
            if interval_s:
                time.sleep(interval_s)

    def send_bad(self) -> None:
        good = self.datum(0, self.now_s())
        self.publish_raw(b"gaze.3d.01.")
        self.publish_raw(b"gaze.3d.01.", b"\xc1")
        self.publish_raw(b"gaze.\xff", msgpack.packb({}))
        self.publish_raw(b"gaze.3d.01.", msgpack.packb([1, 2]))
        self.publish("gaze.3d.01.", good | {"norm_pos": ["a", None]})
        self.publish("gaze.3d.01.", good | {"timestamp": float("nan")})
        self.publish("gaze.3d.01.", good | {"norm_pos": [float("inf"), 0.0]})
        self.publish("gaze.3d.01.", {key: value for key, value in good.items() if key != "confidence"})

    def drop(self) -> None:
        """Restart Capture: another bus port, another clock."""
        self.kill()
        self.revive()

    def kill(self) -> None:
        """End Capture."""
        self._running = False
        self._thread.join()
        self._outbox = SimpleQueue()

    def revive(self) -> None:
        """Start Capture again: another bus port, another clock."""
        self.offset_s += 77.0
        self._last_s = -1e12
        self._start()

    def jump_clock(self, seconds: float) -> None:
        self.offset_s += seconds
        self._last_s = -1e12

    def stop(self) -> None:
        self._running = False
        self._thread.join()
        self.context.destroy(linger=0)
