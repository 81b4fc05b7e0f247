"""Counts and times for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_MS = (5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 200.0, 400.0, 1000.0)
"""Upper edges of the histogram of a frame's time in the server."""
HELP = {
    "sam_edge_clients": ("gauge", "Clients that are connected now."),
    "sam_edge_clients_total": ("counter", "Clients that were welcomed."),
    "sam_edge_refused_total": (
        "counter",
        "Connections and requests that were refused, by the reason's name.",
    ),
    "sam_edge_frames_total": ("counter", "Frames that came, by what became of them."),
    "sam_edge_gaze_samples_total": ("counter", "Gaze samples that came."),
    "sam_edge_eyes": ("gauge", "Cameras that look at a person now."),
    "sam_edge_faces_total": ("counter", "Pictures of faces that came, by what became of them."),
    "sam_edge_received_bytes_total": ("counter", "Bytes of messages that came."),
    "sam_edge_sent_bytes_total": ("counter", "Bytes of messages that went out."),
    "sam_edge_waiting_for_model": ("gauge", "Calls that wait for their turn on the model now."),
    "sam_edge_requests_total": ("counter", "HTTP requests that reached a route, by route and status."),
    "sam_edge_stage_seconds_total": ("counter", "Time spent in each stage of frames."),
    "sam_edge_frame_seconds": ("histogram", "Time from a frame's arrival to its selection."),
}
"""Kind and meaning of each metric."""
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counts what the server does. Thread-safe."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._lock = threading.Lock()
        self._values: dict[str, dict[Labels, float]] = {}
        self._buckets = [0] * (len(BUCKETS_MS) + 1)
        self._frame_s = 0.0

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a metric of `HELP`."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            values = self._values.setdefault(name, {})
            values[key] = values.get(key, 0.0) + amount

    def frame(self, took_ms: float, stages_ms: Mapping[str, float]) -> None:
        """Note the time of one frame, from arrival to selection, and of its stages."""
        with self._lock:
            index = next((i for i, edge in enumerate(BUCKETS_MS) if took_ms <= edge), len(BUCKETS_MS))
            self._buckets[index] += 1
            self._frame_s += took_ms / 1e3
            values = self._values.setdefault("sam_edge_stage_seconds_total", {})
            for stage, stage_ms in stages_ms.items():
                key = (("stage", stage),)
                values[key] = values.get(key, 0.0) + stage_ms / 1e3

    def value(self, name: str, **labels: str) -> float:
        """Return a metric as it is now; 0 when nothing was counted."""
        with self._lock:
            return self._values.get(name, {}).get(tuple(sorted(labels.items())), 0.0)

    def text(self, now: Mapping[str, float]) -> str:
        """Write everything for Prometheus; `now` holds gauges that are read rather than counted."""
        with self._lock:
            values = {**{name: dict(found) for name, found in self._values.items()}}
            buckets, frame_s = list(self._buckets), self._frame_s
        lines: list[str] = []
        for name, (kind, meaning) in HELP.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
            if kind == "histogram":
                lines += _histogram(name, buckets, frame_s)
            elif name in now:
                lines.append(f"{name} {_number(now[name])}")
            else:
                found = values.get(name) or {(): 0.0}
                lines += [
                    f"{name}{_labels(labels)} {_number(value)}" for labels, value in sorted(found.items())
                ]
        return "\n".join(lines) + "\n"


def _histogram(name: str, buckets: Iterable[int], total_s: float) -> list[str]:
    lines, count = [], 0
    edges = [*(f"{edge / 1e3:g}" for edge in BUCKETS_MS), "+Inf"]
    for edge, here in zip(edges, buckets, strict=True):
        count += here
        lines.append(f'{name}_bucket{{le="{edge}"}} {count}')
    return [*lines, f"{name}_sum {total_s:.6f}", f"{name}_count {count}"]


def _labels(labels: Labels) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
