"""A Python client of `sam-edge serve`. It needs no library of the server, only `websockets`."""

from sam_edge.client.client import Client, connect, jpeg_of
from sam_edge.client.clock import ClockOffset
from sam_edge.client.transport import RefusedError, VersionError
from sam_edge.client.webcam import RemoteWebcam

__all__ = ["Client", "ClockOffset", "RefusedError", "RemoteWebcam", "VersionError", "connect", "jpeg_of"]
