"""Counts and times for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_MS = (5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 200.0, 400.0, 1000.0)
"""Upper edges of the histogram of the time from a frame's arrival to its selection."""
HELP = {
    "sam_edge_clients": ("gauge", "Connected clients."),
    "sam_edge_clients_total": ("counter", "Clients that were accepted."),
    "sam_edge_refused_total": (
        "counter",
        "Refused connections and requests, by error code.",
    ),
    "sam_edge_frames_total": ("counter", "Received frames, by outcome."),
    "sam_edge_gaze_samples_total": ("counter", "Received gaze samples."),
    "sam_edge_webcams": ("gauge", "Clients that send face frames for webcam gaze."),
    "sam_edge_faces_total": ("counter", "Received face frames, by outcome."),
    "sam_edge_received_bytes_total": ("counter", "Received bytes of WebSocket messages."),
    "sam_edge_sent_bytes_total": ("counter", "Sent bytes of WebSocket messages."),
    "sam_edge_waiting_for_model": ("gauge", "Inference calls that wait for their turn."),
    "sam_edge_requests_total": ("counter", "HTTP requests, by route and status."),
    "sam_edge_stage_seconds_total": ("counter", "Time spent on frames, by stage."),
    "sam_edge_frame_seconds": ("histogram", "Time from a frame's arrival to its selection."),
}
"""Type and help text of each metric."""
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters and histograms of one server. Thread-safe."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._values: dict[str, dict[Labels, float]] = {}
        self._buckets = [0] * (len(BUCKETS_MS) + 1)
        self._frame_s = 0.0

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter of `HELP`."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            values = self._values.setdefault(name, {})
            values[key] = values.get(key, 0.0) + amount

    def record_frame(self, total_ms: float, stages_ms: Mapping[str, float]) -> None:
        """Record one frame: its time from arrival to selection, and the time of each stage."""
        with self._lock:
            index = next((i for i, edge in enumerate(BUCKETS_MS) if total_ms <= edge), len(BUCKETS_MS))
            self._buckets[index] += 1
            self._frame_s += total_ms / 1e3
            values = self._values.setdefault("sam_edge_stage_seconds_total", {})
            for stage, stage_ms in stages_ms.items():
                key = (("stage", stage),)
                values[key] = values.get(key, 0.0) + stage_ms / 1e3

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a counter; 0 before the first `add`."""
        with self._lock:
            return self._values.get(name, {}).get(tuple(sorted(labels.items())), 0.0)

    def to_text(self, gauges: Mapping[str, float]) -> str:
        """Return all metrics in Prometheus' text format; `gauges` holds the current values of gauges."""
        with self._lock:
            values = {name: dict(counts) for name, counts in self._values.items()}
            buckets, frame_s = list(self._buckets), self._frame_s
        lines: list[str] = []
        for name, (kind, help_text) in HELP.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
            if kind == "histogram":
                lines += _histogram(name, buckets, frame_s)
            elif name in gauges:
                lines.append(f"{name} {_number(gauges[name])}")
            else:
                counts = values.get(name) or {(): 0.0}
                lines += [
                    f"{name}{_labels(labels)} {_number(value)}" for labels, value in sorted(counts.items())
                ]
        return "\n".join(lines) + "\n"


def _histogram(name: str, buckets: Iterable[int], total_s: float) -> list[str]:
    lines, count = [], 0
    edges = [*(f"{edge / 1e3:g}" for edge in BUCKETS_MS), "+Inf"]
    for edge, in_bucket in zip(edges, buckets, strict=True):
        count += in_bucket
        lines.append(f'{name}_bucket{{le="{edge}"}} {count}')
    return [*lines, f"{name}_sum {total_s:.6f}", f"{name}_count {count}"]


def _labels(labels: Labels) -> str:
    def escape(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels) + "}" if labels else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
