"""This model beside its peers on one machine, in one run: everything takes turns, ratios are of medians.

    python benchmarks/bench_peers.py [--models .cache/models] [--threads 2] [--rounds 7] [--json OUT.json]

Peers: the official MobileSAM encoder at 1024x1024 on ONNX Runtime (`make models`, `benchmarks/peer_encoder.py`) and in
torch, and, for time only, with random weights: `segment-anything` ViT-B, and SAM 2 tiny in image mode where the package
`sam2` (and Pillow) is installed. Those two import torchvision, which is stood in for: what is timed does not call it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_engines import MODELS, Timed
from peer_encoder import stand_ins

import sam_edge
from sam_edge.errors import SamEdgeError
from sam_edge.profile.environment import gather_machine
from sam_edge.profile.noise import NoiseMeter
from sam_edge.profile.timing import measured_frame

OURS = (("onnxruntime", None), ("openvino", "f32"), ("openvino", "bf16"))
SIZE = (448, 672)


def ours(threads: int) -> list[Timed]:
    """Time our own encoder."""
    made = []
    frame = measured_frame()
    for runtime, precision in OURS:
        try:
            model = sam_edge.load(runtime=runtime, precision=precision, threads=threads)
        except SamEdgeError as error:
            print(f"{runtime}: not here ({error})")
            continue
        name = f"sam-edge 672x448, {runtime} {model.runtime.precision}"
        made.append(Timed(name, lambda model=model: model.encode(frame, size=SIZE)))
    return made


def official(models: Path, threads: int) -> list[Timed]:
    """Time the official encoder at 1024x1024."""
    import onnxruntime

    made = []
    image = np.random.default_rng(0).normal(size=(1, 3, 1024, 1024)).astype(np.float32)
    path = models / "peer_encoder_1024.onnx"
    if path.is_file():
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        made.append(Timed("MobileSAM 1024, ONNX Runtime fp32", lambda: session.run(None, {name: image})))
    checkpoint = models / "mobile_sam.pt"
    if checkpoint.is_file():
        from sam_edge.nn import load_model

        encoder = load_model(None, checkpoint).image_encoder.eval()
        made.append(Timed("MobileSAM 1024, torch fp32", in_torch(encoder)))
    return made


def random_weights() -> list[Timed]:
    """Time ViT-B, and SAM 2 tiny where it is installed, with random weights."""
    for name, module in stand_ins().items():
        sys.modules.setdefault(name, module)
    build = importlib.import_module("segment_anything.build_sam")
    made = [
        Timed(
            "segment-anything ViT-B 1024, torch fp32",
            in_torch(build.sam_model_registry["vit_b"]().image_encoder),
        )
    ]
    try:
        made.append(Timed("SAM 2.1 tiny 1024, image mode, torch fp32", in_torch(sam2_tiny())))
    except ImportError as error:
        print(f"SAM 2 tiny could not be had: {error}")
    return made


def sam2_tiny() -> Any:
    """Build SAM 2.1 tiny's image encoder as its own configuration, `sam2.1_hiera_t.yaml`, describes it.

    Raises:
        ImportError: the package `sam2` is not installed.
    """
    backbones = "sam2.modeling.backbones"
    trunk = importlib.import_module(f"{backbones}.hieradet").Hiera(
        embed_dim=96,
        num_heads=1,
        stages=(1, 2, 7, 2),
        global_att_blocks=(5, 7, 9),
        window_pos_embed_bkg_spatial_size=(7, 7),
    )
    module = importlib.import_module(f"{backbones}.image_encoder")
    places = importlib.import_module("sam2.modeling.position_encoding").PositionEmbeddingSine(
        num_pos_feats=256
    )
    neck = module.FpnNeck(
        places, d_model=256, backbone_channel_list=[768, 384, 192, 96], fpn_top_down_levels=[2, 3]
    )
    return module.ImageEncoder(trunk, neck, scalp=1)


def in_torch(encoder: Any) -> Callable[[], object]:
    """Make a call of an encoder at 1024x1024."""
    import torch

    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    encoder.eval()

    def call() -> object:
        with torch.inference_mode():
            return encoder(image)

    return call


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    everything = [*ours(given.threads), *official(given.models, given.threads), *random_weights()]
    for item in everything:
        item.call()
    noise = NoiseMeter()
    for _ in range(given.rounds):
        noise.look()
        for item in everything:
            item.call()
            item.run()
    machine, found = gather_machine(), noise.noise()
    print(f"{machine.cpu}, {given.threads} threads, {machine.packages}, torch {torch.__version__}")
    fastest = min(item.median_ms for item in everything)
    print(f"{'encode a frame, ms':<46}{'median':>9}{'p95':>9}{'best':>9}{'ratio':>9}")
    for item in everything:
        p95 = float(np.percentile(item.times_ms, 95))
        ratio = item.median_ms / fastest
        print(f"{item.name:<46}{item.median_ms:>9.1f}{p95:>9.1f}{min(item.times_ms):>9.1f}{ratio:>8.1f}x")
    print(found.note() or "the machine was quiet")
    if given.json:
        given.json.write_text(json.dumps([item.figures() for item in everything], indent=1) + "\n")


if __name__ == "__main__":
    main()
