"""What the Companion app of Neon and Invisible says about its sensors: where each one streams.

Wire format: https://pupil-labs.github.io/pl-realtime-api/dev/guides/under-the-hood/ (facts only).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sam_edge.errors import TrackerError
from sam_edge.gaze.adapters.base import ConnectionLost

_GENERATIONS = {"1": "invisible", "2": "neon"}


@dataclass(frozen=True, slots=True)
class CompanionSensor:
    """A sensor that streams."""

    url: str
    """Its RTSP address."""
    echo_port: int | None
    """Port of the phone's Time Echo; None: an old app."""


def read_status(status: object, *, sensor: str, host: str, name: str, generation: str) -> CompanionSensor:
    """Find a sensor in the answer to `/api/status`.

    Args:
        status: the decoded JSON.
        sensor: `gaze` or `world`.
        host: the phone, as the user gave it.
        name: the source, for messages.
        generation: `neon` or `invisible`.

    Raises:
        ConnectionLost: the phone has no glasses connected.
        TrackerError: it is not a Companion app, or glasses of the other generation are connected.
    """
    parts = status.get("result") if isinstance(status, dict) else None
    if not isinstance(parts, list):
        raise TrackerError(f"{name} does not answer like a Companion app; update the app")
    found: dict[str, object] | None = None
    echo_port: int | None = None
    for part in parts:
        data = part.get("data") if isinstance(part, dict) else None
        if not isinstance(data, dict):
            continue
        if part.get("model") == "Phone":
            echo_port = _port(data.get("time_echo_port"))
        elif part.get("model") == "Hardware":
            _check_generation(str(data.get("version")), generation, host, name)
        elif (
            part.get("model") == "Sensor"
            and data.get("sensor") == sensor
            and data.get("conn_type") == "DIRECT"
        ):
            found = data
    if found is None or found.get("connected") is not True:
        raise ConnectionLost("the Companion app has no glasses connected; plug them in")
    port, parameters = _port(found.get("port")), str(found.get("params", ""))
    if (
        found.get("protocol", "rtsp") != "rtsp"
        or port is None
        or not re.fullmatch(r"[\w=&.,%-]*", parameters)
    ):
        raise TrackerError(
            f"{name} describes its {sensor} stream in an unknown way; update the Companion app"
        )
    address = f"[{host}]" if ":" in host else host
    return CompanionSensor(f"rtsp://{address}:{port}/?{parameters}", echo_port)


def _check_generation(version: str, generation: str, host: str, name: str) -> None:
    stated = _GENERATIONS.get(version, generation)
    if stated != generation:
        raise TrackerError(f"{name} is of the generation {stated!r}; open it as {stated}://{host}")


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None
