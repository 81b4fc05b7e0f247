"""The peer of the streaming benchmark: the published MobileSAM files on ONNX Runtime, prompted by the newest gaze.

    python benchmarks/published_pipeline.py FRAMES GAZE.csv OUT [--encoder ENCODER.onnx] [--decoder DECODER.onnx]
                                            [--fps 24] [--threads 2] [--realtime]

Every frame is scaled to 1024 pixels on its longer side, encoded and decoded with one point; the mask is the one that
the decoder gives. With --realtime the frames come on a clock: a second thread always takes the newest frame with the
gaze of that moment, and the mask of a frame is the last one that is ready when the next frame comes. Reading frames and
writing masks is not on the clock. `make models` and `benchmarks/peer_encoder.py` bring the two files. Prints one line
of JSON: the medians `encode_ms` and `decode_ms`, `frames` and `processed`.
"""

from __future__ import annotations

import argparse
import json
import math
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from endings import run_script
from numpy.typing import NDArray

from sam_edge.gaze.recordings import plain
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.images import read_image

MODELS = Path(__file__).resolve().parent.parent / ".cache" / "models"
ENCODER, DECODER = "peer_encoder_1024.onnx", "sam_decoder_published.onnx"
SIDE = 1024
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
"""Normalization of the published encoder's input, RGB."""
Mask = NDArray[np.bool_]
Image = NDArray[np.uint8]


class PublishedPipeline:
    """Encoder and decoder as they are published."""

    def __init__(self, encoder: Path, decoder: Path, *, threads: int) -> None:
        """Open both files. Raises `SystemExit` where one is missing."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        for path in (encoder, decoder):
            if not path.is_file():
                raise SystemExit(
                    f"{path} is missing; get it: make models && python benchmarks/peer_encoder.py"
                )
        providers = ["CPUExecutionProvider"]
        self._encoder = onnxruntime.InferenceSession(str(encoder), options, providers=providers)
        self._decoder = onnxruntime.InferenceSession(str(decoder), options, providers=providers)
        self.encode_ms: list[float] = []
        self.decode_ms: list[float] = []

    def segment(self, image: Image, x_px: float, y_px: float) -> Mask:
        """Return the mask of one point of an image, RGB."""
        begun_s = time.perf_counter()
        scale = SIDE / max(image.shape[:2])
        tensor = self._prepare(image, scale)
        (embedding,) = self._encoder.run(None, {self._encoder.get_inputs()[0].name: tensor})
        encoded_s = time.perf_counter()
        logits = self._decoder.run(
            None,
            {
                "image_embeddings": embedding,
                # A point of label -1 pads a prompt without a box.
                "point_coords": np.array([[[x_px * scale, y_px * scale], [0, 0]]], np.float32),
                "point_labels": np.array([[1, -1]], np.float32),
                "mask_input": np.zeros((1, 1, SIDE // 4, SIDE // 4), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array(image.shape[:2], np.float32),
            },
        )[0]
        self.encode_ms.append(1e3 * (encoded_s - begun_s))
        self.decode_ms.append(1e3 * (time.perf_counter() - encoded_s))
        return np.asarray(logits[0, 0] > 0)

    @staticmethod
    def _prepare(image: Image, scale: float) -> NDArray[np.float32]:
        height, width = (round(side * scale) for side in image.shape[:2])
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        padded = np.zeros((SIDE, SIDE, 3), np.float32)
        padded[:height, :width] = (resized - MEAN) / STD
        return np.ascontiguousarray(padded.transpose(2, 0, 1)[None])


class GazePoints:
    """The newest valid gaze sample at a time."""

    def __init__(self, samples: Sequence[GazeSample]) -> None:
        valid = [sample for sample in samples if sample.valid]
        self._times_s = [sample.time_ns / 1e9 for sample in valid]
        self._points = [(sample.x_px, sample.y_px) for sample in valid]

    def newest(self, time_s: float) -> tuple[float, float] | None:
        """Return its position; None before the first one."""
        index = bisect_right(self._times_s, time_s) - 1
        return self._points[index] if index >= 0 else None


def wait_for_each(
    pipeline: PublishedPipeline, images: Sequence[Image], gaze: GazePoints, fps: float
) -> list[Mask | None]:
    """Return the mask of every frame, prompted by the newest gaze at the frame's end."""
    points = [gaze.newest((index + 1) / fps) for index in range(len(images))]
    return [
        None if point is None else pipeline.segment(image, *point)
        for image, point in zip(images, points, strict=True)
    ]


def play(
    pipeline: PublishedPipeline, images: Sequence[Image], gaze: GazePoints, fps: float
) -> list[Mask | None]:
    """Return the mask that a viewer has at the end of every frame, when the frames come on a clock."""
    newest = threading.Condition()
    index, done, is_over, mask = -1, -1, False, None
    begin_s = time.perf_counter()

    def has_work() -> bool:
        return is_over or index != done

    def work() -> None:
        nonlocal mask, done
        while True:
            with newest:
                newest.wait_for(has_work)
                if is_over:
                    return
                done = index
            point = gaze.newest(time.perf_counter() - begin_s)
            made = None if point is None else pipeline.segment(images[done], *point)
            with newest:
                mask = mask if made is None else made

    worker = threading.Thread(target=work)
    shown: list[Mask | None] = []
    worker.start()
    for arriving in range(len(images)):
        time.sleep(max(0.0, begin_s + arriving / fps - time.perf_counter()))
        with newest:
            index = arriving
            newest.notify()
        time.sleep(max(0.0, begin_s + (arriving + 1) / fps - time.perf_counter()))
        with newest:
            shown.append(mask)
    with newest:
        is_over = True
        newest.notify()
    worker.join()
    return shown


def read_frames(folder: Path) -> list[tuple[str, Image]]:
    """Read the JPEG files of a folder in the order of their names: name without its ending, and picture, RGB."""
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"{folder}: no JPEG files; give a folder of frames")
    return [(path.stem, read_image(path)) for path in paths]


def main() -> None:
    """Run on one sequence."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("frames", type=Path)
    parser.add_argument("gaze", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", type=Path, default=MODELS / ENCODER)
    parser.add_argument("--decoder", type=Path, default=MODELS / DECODER)
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--realtime", action="store_true", help="frames come on a clock")
    args = parser.parse_args()
    names, images = zip(*read_frames(args.frames), strict=True)
    gaze = GazePoints(plain.read(args.gaze).samples)
    pipeline = PublishedPipeline(args.encoder, args.decoder, threads=args.threads)
    pipeline.segment(images[0], 1.0, 1.0)  # the first call of an engine is slow
    pipeline.encode_ms.clear()
    pipeline.decode_ms.clear()
    masks = (play if args.realtime else wait_for_each)(pipeline, images, gaze, args.fps)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, mask in zip(names, masks, strict=True):
        if mask is not None:
            cv2.imwrite(str(args.out / f"{name}.png"), mask.astype(np.uint8) * 255)
    times_ms = {"encode_ms": pipeline.encode_ms, "decode_ms": pipeline.decode_ms}
    medians = {name: float(np.median(values)) if values else math.nan for name, values in times_ms.items()}
    print(json.dumps({**medians, "frames": len(images), "processed": len(pipeline.encode_ms)}))


if __name__ == "__main__":
    run_script(main)
