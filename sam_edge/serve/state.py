"""What all connections and HTTP requests of one server share."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam_edge.serve.limits import Limits
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.models.load_shedder import LoadShedder
from sam_edge.web.access import AccessPolicy
from sam_edge.web.metrics import Metrics
from sam_edge.wire.errors import ErrorCode, ProtocolError


@dataclass(slots=True)
class ServerState:
    """Engines, rules and counts of one server. Only the event loop's thread changes it."""

    engines: Engines
    access: AccessPolicy
    limits: Limits
    metrics: Metrics
    default_size: tuple[int, int] | None = None
    """The encoder's input (height, width) for clients that ask for none; None is by the frame."""
    load_shedder: LoadShedder = field(default_factory=LoadShedder)
    closing: bool = False
    """Whether the server shuts down and accepts nothing new."""
    clients: int = 0
    """Welcomed clients that are still connected."""
    webcams: int = 0
    """Clients with active webcam gaze."""
    last_client_id: int = 0
    """Number of the newest client; they count from 1."""

    def add_client(self) -> int:
        """Count a client in, and return its number.

        Raises:
            ProtocolError: the server has as many clients as it accepts.
        """
        if self.clients >= self.limits.clients:
            raise ProtocolError(
                f"server: {self.clients} clients are connected, its limit; try again later",
                ErrorCode.TOO_MANY_CLIENTS,
            )
        self.clients += 1
        self.last_client_id += 1
        self.load_shedder.add_client()
        self.metrics.add("sam_edge_clients_total")
        return self.last_client_id

    def remove_client(self) -> None:
        """Count a client out."""
        self.clients -= 1
        self.load_shedder.remove_client()

    def add_webcam(self) -> None:
        """Count a client with webcam gaze in.

        Raises:
            ProtocolError: the server runs webcam gaze for as many clients as it accepts.
        """
        if self.webcams >= self.limits.webcams:
            raise ProtocolError(
                f"webcam: the server runs webcam gaze for {self.webcams} clients, its limit; try again later",
                ErrorCode.TOO_MANY_WEBCAMS,
            )
        self.webcams += 1

    def remove_webcam(self) -> None:
        """Count a client with webcam gaze out."""
        self.webcams -= 1
