"""This model beside its peers on one machine, in one run: everything takes turns, ratios are of medians.

    python benchmarks/bench_peers.py [--models .cache/models] [--threads 2] [--rounds 7] [--markdown] [--json OUT.json]

Peers: the official MobileSAM at 1024x1024, on ONNX Runtime with the published decoder (`make models`,
`benchmarks/peer_encoder.py`) and in torch; SAM 2 tiny in image mode on ONNX Runtime, with its real weights
(`python .ci/fetch_models.py sam2_tiny`, 184 MB); and, for time only, `segment-anything` ViT-B with random weights.

`encode` is a frame of 1280x720 for this model; peers are given the finished tensor. `decode` is one point, to masks of
the frame's size, right after its own encoding, as an app does it; `first mask` is both together. The masks of one point
are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endings import end_without, run_script

try:
    import cv2
    import numpy as np
    from bench_engines import MODELS, POINT, frame
    from numpy.typing import NDArray
    from peer_encoder import stand_ins

    import sam_edge
    from sam_edge.errors import SamEdgeError
    from sam_edge.masks import iou
    from sam_edge.profile.measure.environment import gather_machine
    from sam_edge.profile.measure.noise import NoiseMeter
except ImportError as error:
    end_without(error)

OURS = (("onnxruntime", None), ("openvino", "fp32"), ("openvino", "bf16"))
SIZE, PEER_SIDE = (448, 672), 1024
AGREES = 0.7
"""IoU of a peer's mask with ours, at least: the same thing was meant. Random weights mean nothing."""
SAM_MEAN, SAM_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
Masks = NDArray[np.bool_]
"""(K, H, W), the best first where the peer says which."""


@dataclass
class Peer:
    """A model on an engine, and how long it took."""

    name: str
    encode: Callable[[], Any]
    decode: Callable[[Any], Masks]
    compared: bool = True
    encode_ms: list[float] = field(default_factory=list)
    decode_ms: list[float] = field(default_factory=list)

    def warm(self) -> Masks:
        """Encode and decode without a clock."""
        return self.decode(self.encode())

    def run(self) -> None:
        """Encode, decode, and note how long each took."""
        begun = time.perf_counter()
        embedding = self.encode()
        between = time.perf_counter()
        self.decode(embedding)
        self.encode_ms.append(1e3 * (between - begun))
        self.decode_ms.append(1e3 * (time.perf_counter() - between))

    @property
    def first_ms(self) -> list[float]:
        """From a frame to its mask."""
        return [one + other for one, other in zip(self.encode_ms, self.decode_ms, strict=True)]


def ours(image: NDArray[np.uint8], threads: int) -> Iterator[Peer]:
    """Open the model in the package on every engine here."""
    for runtime, precision in OURS:
        try:
            model = sam_edge.load(runtime=runtime, precision=precision, threads=threads)
        except SamEdgeError as error:
            print(f"{runtime}: not here ({error})")
            continue
        yield of_segmenter(f"sam-edge 672x448, {runtime} {model.runtime.precision}", model, image, SIZE)


def of_segmenter(
    name: str, model: sam_edge.Segmenter, image: NDArray[np.uint8], size: tuple[int, int]
) -> Peer:
    """Make a peer of a model that sam-edge opens."""
    return Peer(
        name,
        lambda: model.encode(image, size=size),
        lambda embedding: model.decode(embedding, points=[POINT]).masks,
    )


def official(image: NDArray[np.uint8], models: Path, threads: int) -> Iterator[Peer]:
    """Open the official model at 1024x1024."""
    files = [models / name for name in ("peer_encoder_1024.onnx", "sam_decoder_published.onnx")]
    if missing := [path.name for path in files if not path.is_file()]:
        print(f"MobileSAM on ONNX Runtime: without {', '.join(missing)}")
    else:
        encoder, decoder = (opened(path, threads) for path in files)
        inputs, scale = letterboxed(image)
        name, prompt = encoder.get_inputs()[0].name, sam_prompt(scale, image.shape[:2])
        yield Peer(
            "MobileSAM 1024, ONNX Runtime fp32",
            lambda: encoder.run(None, {name: inputs})[0],
            lambda embedding: decoder.run(None, {"image_embeddings": embedding, **prompt})[0][0] > 0,
        )
    checkpoint = models / "mobile_sam.pt"
    if checkpoint.is_file():
        model = sam_edge.load(checkpoint, runtime="torch", threads=threads)
        yield of_segmenter("MobileSAM 1024, torch fp32", model, image, (PEER_SIDE, PEER_SIDE))


def sam2_tiny(image: NDArray[np.uint8], models: Path, threads: int) -> Iterator[Peer]:
    """Open SAM 2 Hiera-tiny in image mode, as others exported it. Its decoder makes masks of 256x256."""
    files = [models / name for name in ("sam2_hiera_tiny_encoder.ort", "sam2_hiera_tiny_decoder.onnx")]
    if missing := [path.name for path in files if not path.is_file()]:
        print(f"SAM 2 tiny: without {', '.join(missing)}; python .ci/fetch_models.py sam2_tiny")
        return
    encoder, decoder = (opened(path, threads) for path in files)
    height, width = image.shape[:2]
    # Not letterboxed: SAM 2 stretches a picture to its square.
    square = cv2.resize(image, (PEER_SIDE, PEER_SIDE), interpolation=cv2.INTER_AREA)
    inputs = normalised(square)
    names = [output.name for output in encoder.get_outputs()]
    prompt = {
        "point_coords": np.array(
            [[[POINT[0] * PEER_SIDE / width, POINT[1] * PEER_SIDE / height]]], np.float32
        ),
        "point_labels": np.ones((1, 1), np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
    }

    def decode(made: list[Any]) -> Masks:
        masks, scores = decoder.run(None, {**dict(zip(names, made, strict=True)), **prompt})
        order = np.argsort(-scores[0])
        return np.stack([cv2.resize(masks[0, index], (width, height)) > 0 for index in order])

    yield Peer("SAM 2 tiny 1024, ONNX Runtime fp32", lambda: encoder.run(None, {"image": inputs}), decode)


def vit_b(image: NDArray[np.uint8]) -> Iterator[Peer]:
    """Build ViT-B with random weights."""
    import torch

    for name, module in stand_ins().items():
        sys.modules.setdefault(name, module)
    model = importlib.import_module("segment_anything.build_sam").sam_model_registry["vit_b"]().eval()
    inputs = torch.from_numpy(letterboxed(image)[0])
    height, width = image.shape[:2]
    scale = PEER_SIDE / max(height, width)
    points = torch.tensor([[[POINT[0] * scale, POINT[1] * scale]]]), torch.ones(1, 1)
    inner = (round(height * scale), round(width * scale))

    def encode() -> Any:
        with torch.inference_mode():
            return model.image_encoder(inputs)

    def decode(embedding: Any) -> Masks:
        with torch.inference_mode():
            sparse, dense = model.prompt_encoder(points=points, boxes=None, masks=None)
            low, _ = model.mask_decoder(
                image_embeddings=embedding,
                image_pe=model.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
            )
            return np.asarray(model.postprocess_masks(low, inner, (height, width))[0] > 0)

    yield Peer("segment-anything ViT-B 1024, torch fp32, random weights", encode, decode, compared=False)


def opened(path: Path, threads: int) -> Any:
    """Open a file on ONNX Runtime, `.onnx` or its own `.ort`, which it tells apart by the name."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def normalised(image: NDArray[Any]) -> NDArray[np.float32]:
    """Bring RGB (H, W, 3) to what SAM's encoders take: (1, 3, H, W)."""
    scaled = (image.astype(np.float32) - np.array(SAM_MEAN, np.float32)) / np.array(SAM_STD, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def letterboxed(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Scale the longer side to 1024 and pad with zeros, as SAM does; return the scale, too."""
    scale = PEER_SIDE / max(image.shape[:2])
    height, width = (round(side * scale) for side in image.shape[:2])
    small = normalised(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    canvas = np.zeros((1, 3, PEER_SIDE, PEER_SIDE), np.float32)
    canvas[:, :, :height, :width] = small
    return canvas, scale


def sam_prompt(scale: float, frame_size: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """Write one point as SAM's usual export takes it, with the point that pads it."""
    return {
        "point_coords": np.array([[[POINT[0] * scale, POINT[1] * scale], [0, 0]]], np.float32),
        "point_labels": np.array([[1, -1]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array(frame_size, np.float32),
    }


def check(peers: list[Peer]) -> None:
    """Compare masks: something of the first one's masks is found by all others.

    Raises:
        SystemExit: a peer means something else.
    """
    first = peers[0].warm()
    for peer in peers:
        masks = peer.warm()
        if peer.compared:
            best = max(iou(mask, other) for mask in masks for other in first)
            print(f"{peer.name}: IoU with the first one's mask {best:.3f}", file=sys.stderr)
            if best < AGREES:
                raise SystemExit(f"{peer.name} does not select what {peers[0].name} does")


def table(peers: list[Peer], *, markdown: bool) -> Iterator[str]:
    """Write the figures, as Markdown where that is asked for."""
    fastest = min(float(np.median(peer.first_ms)) for peer in peers)
    rows = [["ms, median (p95)", "encode", "decode one point", "first mask", "ratio"]]
    for peer in peers:
        cells = [figure(times) for times in (peer.encode_ms, peer.decode_ms, peer.first_ms)]
        rows.append([peer.name, *cells, f"{float(np.median(peer.first_ms)) / fastest:.1f}x"])
    if markdown:
        yield f"| {' | '.join(rows[0])} |"
        yield "| --- |" + " ---: |" * (len(rows[0]) - 1)
        yield from (f"| {' | '.join(row)} |" for row in rows[1:])
    else:
        yield from (f"{row[0]:<58}" + "".join(f"{cell:>18}" for cell in row[1:]) for row in rows)


def figure(times_ms: list[float]) -> str:
    """Write the median and the 95th percentile."""
    return f"{np.median(times_ms):.0f} ({np.percentile(times_ms, 95):.0f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--markdown", action="store_true", help="a table for a document")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    image, models, threads = frame(), args.models, args.threads
    peers = [
        *ours(image, threads),
        *official(image, models, threads),
        *sam2_tiny(image, models, threads),
        *vit_b(image),
    ]
    check(peers)
    noise = NoiseMeter()
    for _ in range(args.rounds):
        noise.check()
        for peer in peers:
            # Once without a clock: what ran before has had the caches and the threads.
            peer.warm()
            peer.run()
    machine = gather_machine()
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    print(f"{machine.cpu}, {threads} threads; Python {machine.python}, {packages}; {args.rounds} rounds\n")
    print("\n".join(table(peers, markdown=args.markdown)))
    print(f"\n{noise.noise().note() or 'the machine was quiet'}")
    if args.json:
        content = [
            {"name": peer.name, "encode_ms": peer.encode_ms, "decode_ms": peer.decode_ms} for peer in peers
        ]
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
