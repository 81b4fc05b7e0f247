"""Point clouds as files: PLY (Turk, 1994) and binary glTF 2.0 (Khronos), with the box as lines."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.pointcloud.cloud import OrientedBox, PointCloud

FLOAT, UNSIGNED_BYTE, UNSIGNED_SHORT = 5126, 5121, 5123
POINTS, LINES = 0, 1
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
EDGES = [(a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1]
"""The twelve edges of a box, as pairs of corner indices."""


def write_ply(path: str | Path, cloud: PointCloud) -> None:
    """Write a cloud as binary PLY: x, y, z in metres, red, green, blue; nothing half-written stands under `path`.

    Raises:
        InputError: the cloud is empty.
        MediaError: the file cannot be written.
    """
    _check(cloud)
    kinds = [("xyz", "<f4", 3), ("rgb", "u1", 3)]
    records = np.zeros(len(cloud), np.dtype([(name, kind, count) for name, kind, count in kinds]))
    records["xyz"], records["rgb"] = cloud.points_m, cloud.colours
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment sam-edge, {cloud.space} space, metres",
        f"element vertex {len(cloud)}",
        *(f"property float {name}" for name in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        "end_header",
    ]
    with write_atomically(Path(path)) as part:
        part.write_bytes("\n".join(lines).encode() + b"\n" + records.tobytes())


def write_glb(path: str | Path, cloud: PointCloud, box: OrientedBox | None = None) -> None:
    """Write a cloud, and a box as lines, as binary glTF; nothing half-written ever stands under `path`.

    glTF has y upwards and z backwards: a node turns a camera's space (y down, z forward) into that. A cloud in the
    world's space is written as it is.

    Raises:
        InputError: the cloud is empty.
        MediaError: the file cannot be written.
    """
    _check(cloud)
    glb = _GlbBuffer()
    colours = np.concatenate([_linear(cloud.colours), np.full((len(cloud), 1), 255, np.uint8)], axis=1)
    meshes = [glb.mesh("points", POINTS, cloud.points_m, colours=colours)]
    if box is not None:
        meshes.append(glb.mesh("box", LINES, box.corners_m, lines=np.array(EDGES, np.uint16)))
    turn = {"rotation": [1, 0, 0, 0]} if cloud.space == "camera" else {}
    nodes = [{"mesh": index, "name": mesh["name"], **turn} for index, mesh in enumerate(meshes)]
    content = {
        "asset": {"version": "2.0", "generator": "sam-edge"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        "meshes": meshes,
        "accessors": glb.accessors,
        "bufferViews": glb.views,
        "buffers": [{"byteLength": len(glb.data)}],
    }
    with write_atomically(Path(path)) as part:
        part.write_bytes(_container(content, bytes(glb.data)))


class _GlbBuffer:
    """The binary chunk of a file, with its buffer views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def mesh(
        self,
        name: str,
        mode: int,
        points: NDArray[np.float64],
        *,
        colours: NDArray[np.uint8] | None = None,
        lines: NDArray[np.uint16] | None = None,
    ) -> dict[str, Any]:
        """Add a mesh of points or lines."""
        places = points.astype("<f4")
        bounds = {"min": places.min(axis=0).tolist(), "max": places.max(axis=0).tolist()}
        attributes = {"POSITION": self._add(places, FLOAT, "VEC3", **bounds)}
        primitive: dict[str, Any] = {"mode": mode, "attributes": attributes}
        if colours is not None:
            attributes["COLOR_0"] = self._add(colours, UNSIGNED_BYTE, "VEC4", normalized=True)
        if lines is not None:
            primitive["indices"] = self._add(lines.astype("<u2").reshape(-1), UNSIGNED_SHORT, "SCALAR")
        return {"name": name, "primitives": [primitive]}

    def _add(self, values: NDArray[Any], component: int, kind: str, **facts: Any) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes}
        self.data += values.tobytes()
        accessor = {"bufferView": len(self.views), "componentType": component, "count": len(values)}
        self.views.append(view)
        self.accessors.append({**accessor, "type": kind, **facts})
        return len(self.accessors) - 1


def _container(content: dict[str, Any], data: bytes) -> bytes:
    """Return a GLB file: a header, the JSON, and the binary part, each to a multiple of four bytes."""
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    head = struct.pack("<4sII", b"glTF", 2, total)
    first = struct.pack("<II", len(text), JSON_CHUNK) + text
    return head + first + struct.pack("<II", len(data), BINARY_CHUNK) + data


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return sRGB as linear light: glTF's vertex colours are linear."""
    share = colours / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.rint(255 * light), np.uint8)


def _check(cloud: PointCloud) -> None:
    if len(cloud) == 0:
        raise InputError("cloud: has no points; there is nothing to write")
