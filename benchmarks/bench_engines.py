"""The figures that exporters and runtimes are held to: asked beside measured, and the peer beside both, in one run.

    python benchmarks/bench_engines.py [--models .cache/models] [--rounds 15] [--accuracy COCO128] [--json OUT.json]

The peer is what people ship today: the official MobileSAM encoder at 1024x1024 in fp32 and the published SAM decoder
with its full-size resize, both on ONNX Runtime. `make models` and `benchmarks/peer_encoder.py` bring its files.
Everything takes turns, round by round, so that a drift of the machine hits all alike; ratios are of medians. Results
are checked before they are timed: the masks of every engine against the first one's, and several prompts at once
against one by one.

`--fp32 BUNDLE` (from `sam-edge export --precision fp32`) adds ONNX Runtime's own fp32 to compare its 8 bits with.
`--accuracy DIR` measures on a labelled set, `images/` and `labels/`, beside fp32 torch: minutes. Core ML's figures are
the table that `sam-edge export --target coreml` prints.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from app_calls import decode_with_masks, everything_s, start_s
from endings import run_script
from results import Figure, gather

import sam_edge
from sam_edge.cores import available_cores
from sam_edge.masks import iou
from sam_edge.media.environment import cpu_name
from sam_edge.segmenter import DEFAULT_BUNDLE

MODELS = Path(__file__).resolve().parent.parent / ".cache" / "models"
CLIP = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"
FRAME = 40
POINT = (520.0, 400.0)
SIZES = ((448, 672), (448, 448))
AT_ONCE = 16
AGREES = 0.9
SAME = 0.95
"""IoU of masks of several prompts at once with those one by one: bf16 sums in another order."""
ENGINES = (("onnxruntime", None), ("openvino", "fp32"), ("openvino", "bf16"))


@dataclass
class Timed:
    """One thing that is timed."""

    name: str
    call: Callable[[], object]
    times_ms: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Call it once and note how long it took."""
        begun = time.perf_counter()
        self.call()
        self.times_ms.append(1e3 * (time.perf_counter() - begun))

    @property
    def median_ms(self) -> float:
        """Median of all calls."""
        return float(np.median(self.times_ms))

    def figures(self) -> dict[str, float | str]:
        """Describe for JSON."""
        p95 = float(np.percentile(self.times_ms, 95))
        best = min(self.times_ms)
        return {
            "name": self.name,
            "median_ms": round(self.median_ms, 2),
            "p95_ms": round(p95, 2),
            "best_ms": round(best, 2),
        }

    def row(self, against_ms: float | None) -> str:
        """Describe in a line."""
        p95 = float(np.percentile(self.times_ms, 95))
        ratio = f"{against_ms / self.median_ms:>8.2f}x" if against_ms else " " * 9
        return f"{self.name:<44}{self.median_ms:>9.2f}{p95:>9.2f}{min(self.times_ms):>9.2f}{ratio}"


@dataclass
class Asked:
    """One row of the table: what is asked for, and what was measured."""

    what: str
    asked: str
    measured: str
    met: bool | None

    def row(self) -> str:
        """Describe in a line."""
        verdict = {True: "met", False: "missed", None: "not measured"}[self.met]
        return f"{self.what:<66}{self.asked:>16}{self.measured:>34}  {verdict}"


def frame() -> np.ndarray:
    """Read one frame of the demo's clip: RGB uint8 (720, 1280, 3)."""
    video = cv2.VideoCapture(str(CLIP))
    video.set(cv2.CAP_PROP_POS_FRAMES, FRAME)
    found, image = video.read()
    if not found:
        raise SystemExit(f"{CLIP} cannot be read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def prompts(count: int, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    """Make `count` one-point prompts spread over an embedding of rows x columns, as a runtime takes them."""
    points = np.zeros((count, 2, 2), np.float32)
    points[:, 0, 0] = np.linspace(0.2, 0.8, count) * 16 * columns
    points[:, 0, 1] = 0.4 * 16 * rows
    labels = np.tile(np.array([1, -1], np.int32), (count, 1))
    empty = np.zeros((count, 1, 4 * rows, 4 * columns), np.float32)
    return points, labels, empty, np.zeros(count, np.float32)


def check_at_once(name: str, runtime: Any, data: np.ndarray, one: tuple[np.ndarray, ...], many: Any) -> None:
    """Compare the first of several prompts at once with that prompt alone.

    Raises:
        SystemExit: they differ.
    """
    alone, together = runtime.decode(data, *one)[0][0] > 0, runtime.decode(data, *many)[0][0] > 0
    same = min(iou(mask, other) for mask, other in zip(alone, together, strict=True))
    if not (np.array_equal(one[0][0], many[0][0]) and same >= SAME):
        raise SystemExit(f"{name}: {AT_ONCE} prompts at once are not the prompts one by one (IoU {same:.3f})")


@dataclass
class Ours:
    """What is timed of ours, by engine and size."""

    encode: dict[tuple[str, tuple[int, int]], Timed] = field(default_factory=dict)
    decode: dict[tuple[str, tuple[int, int]], Timed] = field(default_factory=dict)
    batch: dict[tuple[str, tuple[int, int]], Timed] = field(default_factory=dict)
    with_masks: dict[tuple[str, tuple[int, int]], Timed] = field(default_factory=dict)
    everything_s: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def everything(self) -> list[Timed]:
        """List all that is timed."""
        return [*self.encode.values(), *self.decode.values(), *self.batch.values(), *self.with_masks.values()]


def set_up(args: argparse.Namespace, image: np.ndarray) -> Ours:
    """Open every bundle on every engine here, and check them against each other."""
    ours = Ours()
    reference = None
    bundles = [(args.bundle, "")] + [(args.fp32, "fp32 ")] * (args.fp32 is not None)
    for bundle, prefix in bundles:
        for runtime, precision in ENGINES[:1] if prefix else ENGINES:
            try:
                model = sam_edge.load(bundle, runtime=runtime, precision=precision, threads=args.threads)
            except sam_edge.SamEdgeError as error:
                print(f"{runtime} {precision or ''}: not here ({error})")
                continue
            name = f"{prefix}{runtime} {model.runtime.precision}"
            for size in SIZES:
                embedding = model.encode(image, size=size)
                best = model.decode(embedding, points=[POINT]).best
                if size == SIZES[0]:
                    reference = best if reference is None else reference
                    ours.notes.append(f"{name}: IoU with the first engine's mask {iou(best, reference):.3f}")
                    if iou(best, reference) < AGREES:
                        raise SystemExit(f"{name} does not agree with the first engine")
                pixels, data = embedding.placement.render(image)[None], embedding.data
                one, many = prompts(1, *data.shape[2:]), prompts(AT_ONCE, *data.shape[2:])
                check_at_once(name, model.runtime, data, one, many)
                label, key = f"{name} {size[1]}x{size[0]}", (name, size)
                ours.encode[key] = Timed(label, partial(model.runtime.encode, pixels))
                ours.decode[key] = Timed(label, partial(model.runtime.decode, data, *one))
                ours.batch[key] = Timed(label, partial(model.runtime.decode, data, *many))
                ours.with_masks[key] = Timed(label, decode_with_masks(model, size))
            if not prefix:
                ours.everything_s[name] = everything_s(model)
    return ours


def peer(args: argparse.Namespace) -> tuple[Timed, Timed] | None:
    """Set up what people ship today; None when its files are not here."""
    encoder_file = args.peer_encoder or args.models / "peer_encoder_1024.onnx"
    decoder_file = args.peer_decoder or args.models / "sam_decoder_published.onnx"
    missing = [str(path) for path in (encoder_file, decoder_file) if not path.is_file()]
    if missing:
        print(
            f"without the peer: {', '.join(missing)} not here; make models && python benchmarks/peer_encoder.py"
        )
        return None
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = args.threads or available_cores()
    encoder, decoder = (
        onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        for path in (encoder_file, decoder_file)
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


def times(what: str, least: float, ratios: dict[str, float]) -> Asked:
    """Make a row of a ratio: the best of several engines counts."""
    if not ratios:
        return Asked(what, f">= {least:g}x", "", None)
    name = max(ratios, key=lambda key: ratios[key])
    return Asked(what, f">= {least:g}x", f"{ratios[name]:.1f}x ({name})", ratios[name] >= least)


def at_most(what: str, most: float, measured: dict[str, float], unit: str) -> Asked:
    """Make a row of a duration: the best of several engines counts."""
    name = min(measured, key=lambda key: measured[key])
    value = measured[name]
    return Asked(what, f"<= {most:g} {unit}", f"{value:.2f} {unit} ({name})", value <= most)


def speed_rows(ours: Ours, rivals: tuple[Timed, Timed] | None) -> list[Asked]:
    """Compare what was timed with what is asked."""
    eight = {key: timed for key, timed in ours.encode.items() if not key[0].startswith("fp32")}
    rows = []
    for size, least in zip(SIZES, (12, 18), strict=True):
        fast = (
            {k[0]: rivals[0].median_ms / t.median_ms for k, t in eight.items() if k[1] == size}
            if rivals
            else {}
        )
        rows.append(times(f"encode {size[1]}x{size[0]}, against the peer's encode", least, fast))
    decode = (
        {k[0]: rivals[1].median_ms / ours.decode[k].median_ms for k in eight if k[1] == SIZES[0]}
        if rivals
        else {}
    )
    rows.append(times("decode one point, against the peer's decode", 4, decode))
    with_masks = (
        {k[0]: rivals[1].median_ms / ours.with_masks[k].median_ms for k in eight if k[1] == SIZES[0]}
        if rivals
        else {}
    )
    rows.append(times("Segmenter.decode, four masks of 720x480, against the peer's", 8, with_masks))
    each = {k[0]: ours.batch[k].median_ms / AT_ONCE for k in eight if k[1] == SIZES[0]}
    rows.append(at_most(f"{AT_ONCE} prompts at once, each", 1.5, each, "ms"))
    for runtime, most in (("onnxruntime", 0.6), ("openvino", 1.0)):
        if installed(runtime):
            rows.append(at_most(f"start to first mask, {runtime}", most, {"cached": start_s(runtime)}, "s"))
    # Half of what it took on two cores of an AMD EPYC with AVX2 when this was asked.
    rows.append(at_most("everything mode, STANDARD, one photograph", 1.2, ours.everything_s, "s"))
    for size in SIZES:
        many = {
            k[0]: AT_ONCE * ours.decode[k].median_ms / ours.batch[k].median_ms for k in eight if k[1] == size
        }
        rows.append(
            times(f"{AT_ONCE} prompts at once on {size[1]}x{size[0]}, against {AT_ONCE} calls", 1.8, many)
        )
    full = {size: timed for (name, size), timed in ours.encode.items() if name.startswith("fp32")}
    own = {
        f"{size[1]}x{size[0]}": timed.median_ms / eight["onnxruntime int8", size].median_ms
        for size, timed in full.items()
        if ("onnxruntime int8", size) in eight
    }
    rows.append(
        times("int8 on ONNX Runtime, against its fp32", 1.4, {k: v for k, v in own.items() if k == "672x448"})
    )
    return rows


def size_rows(args: argparse.Namespace) -> list[Asked]:
    """Compare sizes on disk with what is asked."""
    files = {path.name: path.stat().st_size / 1e6 for path in (args.bundle or DEFAULT_BUNDLE).iterdir()}
    rows = []
    for role, most in (("encoder", 7), ("decoder", 5)):
        megabytes = sum(size for name, size in files.items() if name.startswith(role))
        rows.append(
            Asked(f"size of the int8 {role}", f"<= {most} MB", f"{megabytes:.2f} MB", megabytes <= most)
        )
    return rows


def accuracy_rows(args: argparse.Namespace) -> list[Asked]:
    """Measure on a labelled set beside fp32 torch, on every engine."""
    what = "int8 beside fp32 torch, 672x448: chosen mask; worst of the three; loss of truth"
    asked = ".96; .95; .005"
    if args.accuracy is None:
        return [Asked(what, asked, "", None)]
    from sam_edge.exporters.evaluate import compare
    from sam_edge.exporters.image_sets import read_labelled_images

    rows = []
    with sam_edge.load(args.models / "mobile_sam.pt", runtime="torch", threads=args.threads) as reference:
        for runtime, precision in ENGINES:
            with sam_edge.load(
                args.bundle, runtime=runtime, precision=precision, threads=args.threads
            ) as model:
                found = compare(model, reference, read_labelled_images(args.accuracy), size=SIZES[0])
                name = f"{runtime} {model.runtime.precision}"
            loss, three = found.truth_loss, min(found.token_iou[1:])
            met = found.chosen_iou >= 0.96 and three >= 0.95 and loss is not None and loss <= 0.005
            said = f"{found.chosen_iou:.3f}; {three:.3f}; {loss:.4f}" if loss is not None else "no labels"
            rows.append(Asked(f"{what} ({name})", asked, said, met))
    return rows


def environment(args: argparse.Namespace) -> dict[str, Any]:
    """Say what the figures belong to."""
    packages = [name for name in ("onnxruntime", "openvino", "numpy", "torch") if installed(name)]
    return {
        "processor": cpu_name(),
        "threads": args.threads or available_cores(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "load_before": round(os.getloadavg()[0], 2),
        "rounds": args.rounds,
    }


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", type=Path, default=MODELS, help="where the peer's files and the checkpoint lie"
    )
    parser.add_argument("--peer-encoder", type=Path, help="default: peer_encoder_1024.onnx among the models")
    parser.add_argument(
        "--peer-decoder", type=Path, help="default: sam_decoder_published.onnx among the models"
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="BUNDLE", help="what is measured; default: the package's own"
    )
    parser.add_argument("--fp32", type=Path, metavar="BUNDLE", help="an fp32 ONNX bundle")
    parser.add_argument("--accuracy", type=Path, metavar="DIR", help="a labelled set to measure accuracy on")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write the figures for docs/reference/benchmarks.md"
    )
    return parser.parse_args()


def headline_figures(ours: Ours, rivals: tuple[Timed, Timed] | None) -> list[Figure]:
    """Return the times of the fastest engine, and the peer's."""
    peer_encode, peer_decode = (rival.median_ms for rival in rivals) if rivals else (None, None)
    figures = []
    for size in SIZES:
        fastest = min(
            (key for key in ours.encode if key[1] == size), key=lambda key: ours.encode[key].median_ms
        )
        name = f"{size[1]}x{size[0]}"
        what = f"encode a frame, {name}, {fastest[0]}; peer 1024x1024"
        figures.append(Figure(f"encode_{name}", what, "ms", ours.encode[fastest].median_ms, peer_encode))
        if size == SIZES[0]:
            what = f"decode one point, {name}, {fastest[0]}"
            figures.append(Figure("decode", what, "ms", ours.decode[fastest].median_ms, peer_decode, 1))
    return figures


def main() -> None:
    """Measure and print."""
    args = parse()
    machine = environment(args)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    ours, rivals = set_up(args, frame()), peer(args)
    everything = [*ours.everything(), *(rivals or ())]
    for item in everything:
        item.call()
    for _ in range(args.rounds):
        for item in everything:
            item.run()
    print("\n".join(ours.notes))
    print(f"\n{'milliseconds':<44}{'median':>9}{'p95':>9}{'best':>9}{'  against':>9}")
    for title, timed, rival in (("encode", ours.encode, 0), ("decode one point", ours.decode, 1)):
        print(f"-- {title}, faster than the peer")
        if rivals:
            print(rivals[rival].row(None))
        for item in timed.values():
            print(item.row(rivals[rival].median_ms if rivals else None))
    print(f"-- decode {AT_ONCE} points at once, faster than {AT_ONCE} calls")
    for key, item in ours.batch.items():
        print(item.row(AT_ONCE * ours.decode[key].median_ms))
    rows = [*speed_rows(ours, rivals), *accuracy_rows(args), *size_rows(args)]
    print(f"\n{'what':<66}{'asked':>16}{'measured':>34}")
    for row in rows:
        print(row.row())
    if args.results:
        peer_is = (
            "the official MobileSAM encoder at 1024x1024 in fp32 and the published decoder, on ONNX Runtime"
        )
        headline = headline_figures(ours, rivals)
        gather("Engines", headline, threads=args.threads, peer=peer_is).write(args.results)
    if args.json:
        figures = {
            "machine": machine,
            "table": [asdict(row) for row in rows],
            "timed": {
                kind: [item.figures() for item in getattr(ours, kind).values()]
                for kind in ("encode", "decode", "batch", "with_masks")
            },
            "peer": [item.figures() for item in rivals or ()],
        }
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def installed(package: str) -> bool:
    """Say whether a package is here."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    run_script(main)
