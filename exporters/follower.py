"""Add the follower to a bundle of ONNX files: the beginning of the encoder and the trained part in one graph.

    python -m sam_edge.exporters.follower BUNDLE --weights FILE --checkpoint FILE

Weights are stored in 8 bits or half precision; arithmetic stays in floating point. Before the bundle is changed, the
stored graph is compared with torch on objects of the labelled images in the package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch.export import Dim

from sam_edge.bundle import FOLLOWER, MANIFEST, Bundle, GraphEntry, describe_file, open_bundle
from sam_edge.errors import GateError, InputError
from sam_edge.exporters.gate import LABELLED
from sam_edge.exporters.image_sets import read_labelled_images
from sam_edge.exporters.onnx_graphs import describe_tensors, shrink_to_int8
from sam_edge.exporters.onnx_weights import store_half
from sam_edge.exporters.trace import prepare_for_tracing, to_onnx
from sam_edge.follow.crops import CLIP, render_crop, sample_map, square_round
from sam_edge.follow.follower import probability
from sam_edge.follow.network import NO_MEMORY
from sam_edge.masks import iou, mask_to_box
from sam_edge.nn import Sam, load_mobile_sam
from sam_edge.nn.follower import Follower, FollowerGraph
from sam_edge.nn.follower_weights import load_follower

SIDE = 168
"""The crop's side, pixels."""
FILE = "follower.onnx"
"""The graph's file in a bundle."""
INT8_FROM = 8_192
"""Weights of at least this many values are stored in 8 bits, smaller ones in half precision."""
LEAST_IOU = 0.99
"""Least mean IoU of the stored graph's masks with those of torch."""
CHECKED_IMAGES = 8
"""Labelled images whose objects are compared."""
INPUTS = ("image", "carried", "trusted_keys", "trusted_mask", "before_keys", "before_mask")
"""Inputs of the graph, in order."""
MEANING = {
    "image": "RGB crop round the object, 0..255",
    "carried": "logits of the mask as motion carried it, 2 pixels apart",
    "trusted_keys": "keys of a crop whose mask is trusted",
    "trusted_mask": "its mask, 0..1",
    "before_keys": "keys of the crop before",
    "before_mask": "its mask, 0..1",
    "logits": "logits of the corrected mask, 2 pixels apart; > 0 is inside",
    "confidence": "predicted IoU",
    "keys": "keys of the crop, which need the image alone",
}
"""What the graph's inputs and outputs hold."""


def trace_follower(model: Sam, follower: Follower) -> onnx.ModelProto:
    """Trace the network for any number of objects."""
    config = follower.config
    cells, places = SIDE // 2, (SIDE // 8) ** 2
    keys = (config.heads, places, config.key_width // config.heads)
    batch = Dim("batch", min=1, max=64)
    shapes = {name: (2, *(keys if name.endswith("keys") else (cells, cells))) for name in INPUTS[1:]}
    graph = FollowerGraph(prepare_for_tracing(model), follower.eval())
    return to_onnx(
        graph,
        (
            torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),
            *(torch.zeros(shape) for shape in shapes.values()),
        ),
        {name: {0: batch} for name in INPUTS},
        {
            "image": ("batch", SIDE, SIDE, 3),
            "carried": ("batch", cells, cells),
            "trusted_keys": ("batch", *keys),
            "trusted_mask": ("batch", cells, cells),
            "before_keys": ("batch", *keys),
            "before_mask": ("batch", cells, cells),
            "logits": ("batch", cells, cells),
            "confidence": ("batch",),
            "keys": ("batch", *keys),
        },
    )


def describe_follower(proto: onnx.ModelProto, file: str) -> GraphEntry:
    """Describe the graph for a manifest."""
    return GraphEntry(
        role=FOLLOWER,
        file=file,
        multiple_of=SIDE,
        inputs=describe_tensors(proto.graph.input, MEANING),
        outputs=describe_tensors(proto.graph.output, MEANING),
    )


def add_follower(folder: Path, model: Sam, follower: Follower) -> Bundle:
    """Write the graph into a bundle, or replace it, once it has passed its gate.

    Raises:
        InputError: the bundle is not one of ONNX files.
        GateError: the stored graph's masks differ too much from those of torch.
    """
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    if manifest.target != "onnx":
        raise InputError(f"bundle: {folder} is for {manifest.target}; accepted: a bundle for onnx")
    proto = trace_follower(model, follower)
    shrink_to_int8(proto.graph, at_least=INT8_FROM)
    store_half(proto.graph)
    check_agreement(proto, model, follower)
    path = bundle.folder / FILE
    onnx.save(proto, path)
    files = [file for file in manifest.files if file.path != FILE]
    graphs = [graph for graph in manifest.graphs if graph.role != FOLLOWER]
    entry = describe_follower(proto, FILE)
    changed = replace(manifest, files=(*files, describe_file(path)), graphs=(*graphs, entry))
    (bundle.folder / MANIFEST).write_text(changed.to_json(), encoding="utf-8")
    return open_bundle(bundle.folder)


def check_agreement(proto: onnx.ModelProto, model: Sam, follower: Follower) -> float:
    """Compare the stored graph with torch; return the mean IoU of their masks.

    Raises:
        GateError: it is below `LEAST_IOU`.
    """
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    exact = FollowerGraph(model, follower).eval()
    found = []
    for feed in example_feeds(session):
        logits = session.run(["logits"], feed)[0]
        with torch.inference_mode():
            expected = exact(*(torch.from_numpy(feed[name]) for name in INPUTS))[0].numpy()
        found.append(float(iou(logits[0] > 0, expected[0] > 0)))
    mean = float(np.mean(found))
    if mean < LEAST_IOU:
        raise GateError(f"follower: mean IoU with torch {mean:.4f}; accepted: {LEAST_IOU} or more")
    return mean


def example_feeds(session: onnxruntime.InferenceSession) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Yield inputs of labelled objects: each is trusted with its true mask, and carried with a displaced one."""
    for labelled in read_labelled_images(LABELLED, at_most=CHECKED_IMAGES):
        for mask in labelled.objects:
            box = mask_to_box(mask)
            if box is None:
                continue
            x0, y0, x1, y1 = (float(side) for side in box)
            view = square_round((x0, y0, x1, y1))
            size = (mask.shape[0], mask.shape[1])
            logits = ((2 * sample_map(mask.astype(np.float32), view, size, 0.0) - 1) * CLIP).astype(
                np.float32
            )
            shifted = np.asarray(
                cv2.warpAffine(logits, np.array([[1.0, 0, 3], [0, 1.0, 2]]), logits.shape[::-1])
            )
            memory = {"keys": NO_MEMORY.keys[None], "mask": probability(logits)[None]}
            memories = {
                f"{which}_{name}": value for which in ("trusted", "before") for name, value in memory.items()
            }
            feed = {"image": render_crop(labelled.image, view)[None], "carried": shifted[None], **memories}
            keys = session.run(["keys"], feed)[0]
            yield {**feed, "trusted_keys": keys, "before_keys": keys}


def main() -> int:
    """Add the graph to the bundle that the command line names."""
    parser = argparse.ArgumentParser(description="Add the follower to a bundle of ONNX files.")
    parser.add_argument("bundle", type=Path, help="the bundle's folder; it is changed in place")
    parser.add_argument("--weights", type=Path, required=True, help="what `sam-edge train follower` wrote")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the official MobileSAM checkpoint")
    args = parser.parse_args()
    bundle = add_follower(args.bundle, load_mobile_sam(args.checkpoint), load_follower(args.weights))
    sys.stdout.write(f"{bundle.folder / FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
