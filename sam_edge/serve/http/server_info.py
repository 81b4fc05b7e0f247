"""What `GET /api/info` says: model, engines, sizes, limits, and the decoder that browsers may run."""

from __future__ import annotations

from sam_edge.bundle import Manifest
from sam_edge.identity.memory import CAPACITY
from sam_edge.serve.models.engines import SIZES, EngineOffer
from sam_edge.serve.state import ServerState
from sam_edge.version import __version__
from sam_edge.wire import protocol
from sam_edge.wire.messages import ImageFormat, MaskFormat

DECODER, POINT_DECODER, WASM_DECODER = "decoder", "decoder_points", "decoder_browser"
"""Roles of the decoder graphs that browsers may run; a bundle may lack the last two, or all."""
WEIGHTS_FILE = "decoder.weights"


def server_info(state: ServerState) -> dict[str, object]:
    """Describe the server, for JSON. All sizes are [width, height]."""
    manifest, size = state.engines.bundle.manifest, state.default_size
    return {
        "name": "sam-edge",
        "version": __version__,
        "protocol": {"lowest": protocol.VERSION, "highest": protocol.VERSION, "stream": "/api/stream"},
        "token_needed": bool(state.access.token),
        "model": {"name": manifest.name, "model": manifest.model, "precision": manifest.precision},
        "engine": state.engines.default,
        "engines": [_engine_info(offer) for offer in state.engines.offers],
        "sizes": [[width, height] for height, width in SIZES],
        "default_size": None if size is None else list(size[::-1]),
        "limits": {
            name: getattr(state.limits, name)
            for name in (
                "frame_bytes",
                "frame_pixels",
                "frames_per_s",
                "messages_per_s",
                "clients",
                "idle_s",
                "hello_s",
                "picture_bytes",
                "picture_pixels",
            )
        },
        "formats": {
            "frame": [image_format.name.lower() for image_format in ImageFormat],
            "mask": [mask_format.name.lower() for mask_format in MaskFormat],
        },
        "webcam": {
            name: getattr(state.limits, name) for name in ("face_bytes", "face_pixels", "faces_per_s")
        },
        "objects": {"known": CAPACITY, "label_characters": state.limits.label_characters},
        "confirmation": True,
        "decoder": _decoder_info(manifest),
    }


def _engine_info(offer: EngineOffer) -> dict[str, object]:
    runtime = offer.runtime
    return {
        "name": offer.name,
        "precision": runtime.precision if runtime else None,
        "device": runtime.device if runtime else None,
        "threads": runtime.threads if runtime else None,
        "open": runtime is not None,
    }


def _decoder_info(manifest: Manifest) -> dict[str, object] | None:
    """Describe the decoder that a browser may run; None when the bundle has none in ONNX."""
    graphs = {
        graph.role: graph
        for graph in manifest.graphs
        if graph.role in (DECODER, POINT_DECODER, WASM_DECODER) and graph.file.endswith(".onnx")
    }
    if DECODER not in graphs:
        return None
    whole = graphs[DECODER]
    points = graphs.get(POINT_DECODER, whole)
    weights = [
        {"path": entry.path, "url": f"/api/{entry.path}", "bytes": entry.bytes}
        for entry in manifest.files
        if entry.path == WEIGHTS_FILE
    ]
    return {
        "url": f"/api/{points.file}",
        "external_data": weights,
        "inputs": [tensor.name for tensor in points.inputs],
        "outputs": [tensor.name for tensor in points.outputs],
        "with_mask": {"url": f"/api/{whole.file}", "inputs": [tensor.name for tensor in whole.inputs]},
        "for_wasm": {"url": f"/api/{graphs[WASM_DECODER].file}"} if WASM_DECODER in graphs else None,
    }
