"""Encode and decode on every engine here, beside the pipeline that people ship today, in one run.

    python benchmarks/bench_engines.py [--peer-encoder encoder_1024.onnx --peer-decoder decoder.onnx] [--rounds 15]

The peer is the official MobileSAM encoder at 1024x1024 in fp32 and the published SAM decoder with its full-size resize,
both on ONNX Runtime. Everything takes turns, round by round, so that a drift of the machine hits all alike; ratios
are of medians. Results are checked before they are timed: masks of every engine against the first one's.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

import sam_edge
from sam_edge.masks import iou
from sam_edge.media.environment import cpu_name, usable_cores

CLIP = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"
FRAME = 40
POINT = (520.0, 400.0)
SIZES = ((448, 672), (448, 448))
AT_ONCE = 16
AGREES = 0.9


@dataclass
class Timed:
    """One thing that is timed."""

    name: str
    call: Callable[[], object]
    times_ms: list[float] = field(default_factory=list)

    def run(self) -> None:
        begun = time.perf_counter()
        self.call()
        self.times_ms.append(1e3 * (time.perf_counter() - begun))

    @property
    def median_ms(self) -> float:
        return float(np.median(self.times_ms))

    def row(self, against_ms: float | None) -> str:
        p95 = float(np.percentile(self.times_ms, 95))
        ratio = f"{against_ms / self.median_ms:>8.2f}x" if against_ms else " " * 9
        return f"{self.name:<44}{self.median_ms:>9.2f}{p95:>9.2f}{min(self.times_ms):>9.2f}{ratio}"


def frame() -> np.ndarray:
    """Read one frame of the demo's clip: RGB uint8 (720, 1280, 3)."""
    video = cv2.VideoCapture(str(CLIP))
    video.set(cv2.CAP_PROP_POS_FRAMES, FRAME)
    found, image = video.read()
    if not found:
        raise SystemExit(f"{CLIP} cannot be read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def engines(bundle: Path | None, threads: int | None) -> list[tuple[str, str | None]]:
    """List the engines and precisions that this machine can run."""
    found: list[tuple[str, str | None]] = []
    for runtime, precision in (("onnxruntime", None), ("openvino", "f32"), ("openvino", "bf16")):
        try:
            sam_edge.load(bundle, runtime=runtime, precision=precision, threads=threads).close()
        except sam_edge.SamEdgeError as error:
            print(f"{runtime} {precision or ''}: not here ({error})")
            continue
        found.append((runtime, precision))
    return found


def prompts(count: int, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    """Make `count` one-point prompts spread over an embedding of rows x columns, as a runtime takes them."""
    points = np.zeros((count, 2, 2), np.float32)
    points[:, 0, 0] = np.linspace(0.2, 0.8, count) * 16 * columns
    points[:, 0, 1] = 0.4 * 16 * rows
    labels = np.tile(np.array([1, -1], np.int32), (count, 1))
    return (
        points,
        labels,
        np.zeros((count, 1, 4 * rows, 4 * columns), np.float32),
        np.zeros(count, np.float32),
    )


def ours(given: argparse.Namespace, image: np.ndarray) -> tuple[dict[str, list[Timed]], list[str]]:
    """Set up everything of ours, checked against each other."""
    timed: dict[str, list[Timed]] = {"encode": [], "decode": [], "batch": []}
    notes: list[str] = []
    reference = None
    for bundle in given.bundle or [None]:
        for runtime, precision in engines(bundle, given.threads):
            model = sam_edge.load(bundle, runtime=runtime, precision=precision, threads=given.threads)
            name = f"{model.bundle.manifest.name if model.bundle else ''} {runtime} {model.runtime.precision}"
            for size in SIZES:
                embedding = model.encode(image, size=size)
                best = model.decode(embedding, points=[POINT]).best
                if size == SIZES[0]:
                    reference = best if reference is None else reference
                    notes.append(f"{name}: IoU with the first engine's mask {iou(best, reference):.3f}")
                    if iou(best, reference) < AGREES:
                        raise SystemExit(f"{name} does not agree with the first engine")
                pixels = embedding.placement.render(image)[None]
                label = f"{name} {size[1]}x{size[0]}"
                timed["encode"].append(Timed(label, lambda m=model, p=pixels: m.runtime.encode(p)))
                one, many = prompts(1, *embedding.data.shape[2:]), prompts(AT_ONCE, *embedding.data.shape[2:])
                data = embedding.data
                timed["decode"].append(Timed(label, lambda m=model, d=data, p=one: m.runtime.decode(d, *p)))
                timed["batch"].append(Timed(label, lambda m=model, d=data, p=many: m.runtime.decode(d, *p)))
    return timed, notes


def peer(given: argparse.Namespace) -> tuple[Timed, Timed] | None:
    """Set up what people ship today; None when its files were not given."""
    if given.peer_encoder is None or given.peer_decoder is None:
        return None
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = given.threads or usable_cores()
    encoder, decoder = (
        onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        for path in (given.peer_encoder, given.peer_decoder)
    )
    image = np.random.default_rng(0).normal(size=(1, 3, 1024, 1024)).astype(np.float32)
    name = encoder.get_inputs()[0].name
    feed = {
        "image_embeddings": encoder.run(None, {name: image})[0],
        "point_coords": np.array([[[400, 300], [0, 0]]], np.float32),
        "point_labels": np.array([[1, -1]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array([480, 720], np.float32),
    }
    return (
        Timed("peer: official encoder, fp32, 1024x1024", lambda: encoder.run(None, {name: image})),
        Timed("peer: published decoder, 480x720", lambda: decoder.run(None, feed)),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, action="append", help="repeatable; default: the package's own")
    parser.add_argument("--peer-encoder", type=Path)
    parser.add_argument("--peer-decoder", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    packages = ("onnxruntime", "openvino", "numpy")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages if installed(name))
    print(
        f"{cpu_name()}, {given.threads or usable_cores()} threads, Python {platform.python_version()}, {versions}"
    )
    timed, notes = ours(given, frame())
    rivals = peer(given)
    everything = [*timed["encode"], *timed["decode"], *timed["batch"], *(rivals or ())]
    for item in everything:
        item.call()
    for _ in range(given.rounds):
        for item in everything:
            item.run()
    print("\n".join(notes))
    print(f"\n{'milliseconds':<44}{'median':>9}{'p95':>9}{'best':>9}{'  against':>9}")
    for title, key, rival in (("encode", "encode", 0), ("decode one point", "decode", 1)):
        print(f"-- {title}, faster than the peer")
        against = rivals[rival].median_ms if rivals else None
        if rivals:
            print(rivals[rival].row(None))
        for item in timed[key]:
            print(item.row(against))
    print(f"-- decode {AT_ONCE} points at once, faster than {AT_ONCE} calls")
    for single, batch in zip(timed["decode"], timed["batch"], strict=True):
        print(batch.row(AT_ONCE * single.median_ms))


def installed(package: str) -> bool:
    """Say whether a package is here."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
