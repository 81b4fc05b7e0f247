"""Prompts in, masks out, on any runtime."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.bundle import Bundle, open_bundle
from sam_edge.closing import Closing
from sam_edge.config import Config, read_config
from sam_edge.errors import EngineError, InputError, SamEdgeError
from sam_edge.geometry import MASK_STRIDE, STRIDE, Placement, View, clip_view, default_size
from sam_edge.masks import Masks, best_first
from sam_edge.masks.lazy_masks import LazyMasks, areas_that_decide
from sam_edge.masks.result import near_best
from sam_edge.precision import replace_former_name
from sam_edge.prompts import as_prompts, is_no_prompt
from sam_edge.runtimes import Runtime, RuntimeOptions, open_runtime
from sam_edge.runtimes.compiled_cache import default_cache_folder

Number = TypeVar("Number", bound=np.generic)

DEFAULT_BUNDLE = Path(__file__).parent / "assets" / "mobile_sam"
"""The model that ships in the package."""
MASK_PROMPT_LOGIT = 10.0
"""Logit of a bool mask prompt: about SAM's own value well inside an object."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """The encoder's output for a view of a frame."""

    data: NDArray[np.float32]
    """(1, 256, h, w) float32, stride 16 input pixels."""
    placement: Placement
    """The view of the frame, and how it lies in the encoder's input."""
    frame_size: tuple[int, int]
    """(height, width) of the frame."""
    time_ns: int = 0
    """Time of the frame, nanoseconds."""

    @property
    def view(self) -> View:
        """The part of the frame that was encoded."""
        return self.placement.view


TOKENS = {True: (1, 2, 3), False: (0,), None: (0, 1, 2, 3)}
"""The decoder's masks by `multimask`: its three, its single one, or all."""


class Segmenter(Closing):
    """SAM on one engine. A context manager; safe to call from several threads.

    Example:
        >>> model = sam_edge.load()
        >>> masks = model.segment(image, points=[[320, 200]], labels=[1])
        >>> image[masks.best]
    """

    def __init__(self, runtime: Runtime, bundle: Bundle | None = None) -> None:
        """Take over an opened runtime. Most programs call `sam_edge.load` instead."""
        self.runtime = runtime
        self.bundle = bundle
        self._preparing: dict[tuple[int, int], threading.Thread] = {}

    def encode(
        self,
        image: NDArray[np.uint8],
        *,
        size: tuple[int, int] | None = None,
        view: View | None = None,
        time_ns: int = 0,
    ) -> Embedding:
        """Encode a frame, or a part of it, once; decode as many prompts on it as needed.

        Args:
            image: RGB uint8 (H, W, 3).
            size: the encoder's input (height, width), multiples of 16, best multiples of 224; None picks the pad-free
                size of at most 672x448 pixels' area that shows the frame largest.
            view: the part of the frame to encode; None is the whole frame.
            time_ns: when the frame was shown, kept with the result.

        Raises:
            InputError: the image is not RGB uint8, the size cannot be encoded, or the view lies outside the frame.
            EngineError: the engine failed.
        """
        check_frame(image)
        frame_size = (image.shape[0], image.shape[1])
        view = view or View.whole(frame_size)
        clip_view(view, frame_size)
        size = check_size(size) if size is not None else default_size((view.height, view.width))
        placement = Placement(view, size)
        self._prepare_decoder(size)
        data = self.runtime.encode(placement.render(image)[None])
        return Embedding(data=data, placement=placement, frame_size=frame_size, time_ns=time_ns)

    def decode(
        self,
        embedding: Embedding,
        *,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        multimask: bool | None = None,
    ) -> Masks:
        """Turn prompts into masks.

        Args:
            embedding: from `encode`.
            points: (N, 2) frame pixels x, y; or (P, N, 2) for P prompts at once.
            labels: (N,) or (P, N): 1 on the object, 0 not on it, -1 for padding, where prompts have different numbers
                of points. All 1 when left out.
            boxes: (4,) x0, y0, x1, y1 in frame pixels, or (P, 4); none, (0, 4), give no masks. What reaches over the
                edge is clipped.
            mask: a mask prompt: bool (H, W) in frame pixels, or low-resolution logits (h, w) as `Masks.logits` holds
                them for this embedding; (P, ...) for P prompts.
            multimask: True for SAM's three masks, False for its single one, None for all four.

        Returns:
            Masks, best first by the project's rule (`sam_edge.masks.best_first`). One prompt gives (K, H, W), several
            give (P, K, H, W).

        Raises:
            InputError: nothing is prompted, shapes do not fit, or a point lies outside the frame or the view.
            EngineError: the engine failed.
        """
        if is_no_prompt(points, boxes) and mask is None:
            return self._no_masks(embedding, multimask)
        prompts = as_prompts(points, labels, boxes, frame_size=embedding.frame_size, view=embedding.view)
        count = prompts.count
        low, has_mask = self._mask_prompt(embedding, mask, count)
        if prompts.empty and not has_mask.any():
            raise InputError("prompt: nothing is prompted; give points, boxes or a mask")
        places, kinds = prompts.in_input(embedding.placement)
        count = max(count, low.shape[0])
        logits, scores = self.runtime.decode(
            embedding.data,
            repeat(places, count),
            repeat(kinds, count),
            repeat(low, count),
            repeat(has_mask, count),
        )
        ambiguous = np.broadcast_to(prompts.ambiguous & ~has_mask.any(), (count,))
        several = prompts.several or (mask is not None and np.ndim(mask) == 3)
        return order_masks(
            embedding, logits, scores, np.array(TOKENS[multimask]), ambiguous=ambiguous, several=several
        )

    def decode_logits(
        self,
        embedding: Embedding,
        *,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Decode P prompts without scaling their masks to the frame; faster when few of the masks are needed.

        Args and errors are those of `decode`, without a mask prompt.

        Returns:
            Low-resolution logits float32 (P, 4, 4h, 4w) and predicted IoUs float32 (P, 4), in SAM's order:
            the single mask, then the three. `embedding.placement.paste` scales one to the frame.
        """
        prompts = as_prompts(points, labels, boxes, frame_size=embedding.frame_size, view=embedding.view)
        if prompts.empty:
            raise InputError("prompt: nothing is prompted; give points or boxes")
        places, kinds = prompts.in_input(embedding.placement)
        low, has_mask = self._mask_prompt(embedding, None, prompts.count)
        return self.runtime.decode(embedding.data, places, kinds, low, has_mask)

    def segment(
        self,
        image: NDArray[np.uint8],
        *,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        multimask: bool | None = None,
        size: tuple[int, int] | None = None,
        view: View | None = None,
    ) -> Masks:
        """Encode and decode in one call. See `encode` and `decode`."""
        embedding = self.encode(image, size=size, view=view)
        return self.decode(
            embedding, points=points, labels=labels, boxes=boxes, mask=mask, multimask=multimask
        )

    def close(self) -> None:
        """Free the engine's memory. Closing twice is allowed."""
        self.runtime.close()
        for thread in tuple(self._preparing.values()):
            thread.join()

    def _prepare_decoder(self, size: tuple[int, int]) -> None:
        """Open the decoder in a thread while the encoder of a new size opens, so that the first decode is not slow."""
        if size in self._preparing:
            return

        def prepare() -> None:
            # The decode that needs it raises the error.
            with contextlib.suppress(SamEdgeError):
                self.runtime.prepare_decoder(size)

        self._preparing[size] = thread = threading.Thread(target=prepare, name="sam-edge decoder")
        thread.start()

    def _no_masks(self, embedding: Embedding, multimask: bool | None) -> Masks:
        """Return the masks of no prompt at all."""
        rows, columns = (side * STRIDE // MASK_STRIDE for side in embedding.data.shape[2:])
        count = len(TOKENS[multimask])
        return Masks(
            masks=np.zeros((0, count, *embedding.frame_size), np.bool_),
            scores=np.zeros((0, count), np.float32),
            logits=np.zeros((0, count, rows, columns), np.float32),
            token=np.zeros((0, count), np.int64),
        )

    def _mask_prompt(
        self, embedding: Embedding, mask: ArrayLike | None, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mask prompts as logits (P, 1, 4h, 4w), and for each prompt 1 if it has one, else 0."""
        rows, columns = (side * STRIDE // MASK_STRIDE for side in embedding.data.shape[2:])
        if mask is None:
            return np.zeros((count, 1, rows, columns), np.float32), np.zeros(count, np.float32)
        try:
            array = np.asarray(mask)
        except ValueError as error:
            raise InputError(f"mask: not an array ({error})") from error
        stack = array if array.ndim == 3 else array[None]
        if stack.ndim != 3 or len(stack) == 0:
            raise InputError(f"mask: shape {array.shape}; accepted: (h, w), or (P, h, w) with P of 1 or more")
        if stack.dtype == np.bool_ and stack.shape[1:] == embedding.frame_size:
            signed = np.where(stack, 1.0, -1.0).astype(np.float32) * np.float32(MASK_PROMPT_LOGIT)
            low = np.stack([embedding.placement.to_lowres(full) for full in signed])
        elif stack.dtype.kind == "f" and stack.shape[1:] == (rows, columns):
            low = stack.astype(np.float32)
        else:
            raise InputError(
                f"mask: {array.dtype} {array.shape}; accepted: bool {embedding.frame_size} in frame pixels, or "
                f"floating-point logits {(rows, columns)}"
            )
        if not np.isfinite(low).all():
            raise InputError("mask: holds NaN or infinite logits; accepted: finite values")
        if count > 1 and low.shape[0] not in (1, count):
            raise InputError(
                f"mask: {low.shape[0]} masks for {count} prompts; accepted: one mask, or one a prompt"
            )
        return low[:, None], np.ones(low.shape[0], np.float32)


def repeat(values: NDArray[Number], count: int) -> NDArray[Number]:
    """Repeat the value of one prompt (1, ...) for P prompts: (P, ...)."""
    if values.shape[0] == count:
        return values
    return np.ascontiguousarray(np.broadcast_to(values, (count, *values.shape[1:])))


def order_masks(
    embedding: Embedding,
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    tokens: NDArray[np.int64],
    *,
    ambiguous: NDArray[np.bool_],
    several: bool,
) -> Masks:
    """Put the masks of P prompts in order, the best first, and scale as few of them to the frame as that takes.

    Args:
        embedding: of the view that they lie in.
        logits: (P, 4, h, w) from the decoder.
        scores: (P, 4) from the decoder.
        tokens: (K,) the outputs that were asked for.
        ambiguous: (P,) whether a prompt is a single point.
        several: whether the result has an axis for the prompts.
    """
    scaled: dict[int, NDArray[np.bool_]] = {}
    chosen = np.empty((len(logits), len(tokens)), np.int64)
    for index, row in enumerate(chosen):
        areas = np.zeros(len(tokens))
        ready: dict[int, NDArray[np.bool_]] = {}
        near = near_best(scores[index, tokens], tokens)
        if ambiguous[index] and len(near) > 1:
            areas[near], found = areas_that_decide(
                logits[index, tokens[near]], embedding.placement, embedding.frame_size
            )
            ready = {int(near[place]): mask for place, mask in found.items()}
        order = best_first(areas, scores[index, tokens], tokens, ambiguous=bool(ambiguous[index]))
        row[:] = tokens[order]
        scaled |= {
            index * len(tokens) + rank: ready[place] for rank, place in enumerate(order) if place in ready
        }
    prompts = np.arange(len(logits))[:, None]
    kept, kept_scores = logits[prompts, chosen], scores[prompts, chosen]
    if not several:
        kept, kept_scores, chosen = kept[0], kept_scores[0], chosen[0]
    lazy = LazyMasks(kept, embedding.placement, embedding.frame_size, scaled)
    return Masks(masks=lazy, scores=kept_scores, logits=kept, token=chosen)


def check_frame(image: NDArray[np.uint8]) -> None:
    """Refuse an array that is not a frame.

    Raises:
        InputError: it is not a numpy array of RGB uint8 (H, W, 3).
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f"image: {type(image).__name__}; accepted: a numpy array, RGB uint8 (H, W, 3)")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 1:
        raise InputError(f"image: {image.dtype} {image.shape}; accepted: RGB uint8 (H, W, 3)")


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Refuse an encoder input that is not (height, width) in multiples of 16.

    Raises:
        InputError: names the value.
    """
    valid = (
        isinstance(size, Sequence)
        and len(size) == 2
        and all(isinstance(side, int | np.integer) and 64 <= side <= 4096 for side in size)
        and all(side % STRIDE == 0 for side in size)
    )
    if not valid:
        raise InputError(
            f"size: {size} is not accepted; give (height, width), multiples of {STRIDE} from 64 to 4096, best "
            "multiples of 224"
        )
    return int(size[0]), int(size[1])


def load(
    path: str | Path | None = None,
    *,
    config: Config | str | Path | None = None,
    runtime: str = "auto",
    threads: int | None = None,
    precision: str | None = None,
    device: str = "CPU",
    pin_cores: bool = False,
    cache: str | Path | bool | None = True,
) -> Segmenter:
    """Open a model.

    Args:
        path: a bundle's folder; None is the model that ships in the package. With `runtime="torch"` also a checkpoint
            (`.pt`, `.pth` or `.safetensors`) of any model of `sam_edge.nn.MODELS`, which
            its keys identify.
        config: what `sam-edge profile --budget-ms` found for this machine, or its file: stands for `path`, `runtime`,
            `threads` and `precision` where they are left out.
        runtime: the engine: `onnxruntime`, `openvino`, `torch`, `fake`, one that another package adds, or `auto`:
            OpenVINO where it is installed, else ONNX Runtime. `model.runtime.name` says what was taken.
        threads: threads of one inference; None is every core that this process may use.
        precision: number format of what the model leaves in floating point: `fp32`, or `bf16` on OpenVINO. None is
            `fp32`, but OpenVINO takes `bf16` for a model in 8 bits where the CPU has it natively;
            `model.runtime.precision` says what runs.
        device: the engine's own name of the device.
        pin_cores: keep every thread on one core; for machines that are the model's alone.
        cache: folder to keep compiled models in, so that they open in a fraction of the time; True is the user's own
            (`SAM_EDGE_CACHE`, else `~/.cache/sam-edge` or what the system has instead; `sam-edge doctor` names it),
            False or None keeps none. Keyed on everything that changes a model: files, shapes, engine, settings,
            processor. A damaged file is compiled again; several programs may share a folder.

    Raises:
        BundleError: the bundle is missing, damaged or from a newer version.
        EngineError: the engine is unknown or does not open such a bundle.
        MissingExtraError: the engine is not installed; the message holds the pip command.
        InputError: the configuration cannot be read.
    """
    if config is not None:
        settings = config if isinstance(config, Config) else read_config(config)
        path = settings.bundle_path if path is None else path
        precision = settings.precision if precision is None and runtime == "auto" else precision
        runtime = settings.runtime if runtime == "auto" else runtime
        threads = settings.threads if threads is None else threads
    options = RuntimeOptions(
        threads=threads,
        precision=None if precision is None else replace_former_name(precision),
        device=device,
        pin_cores=pin_cores,
        cache=default_cache_folder() if cache is True else Path(cache) if cache else None,
    )
    if path is not None and Path(path).suffix in (".pt", ".pth", ".safetensors"):
        return load_checkpoint(Path(path), runtime, options)
    bundle = open_bundle(path if path is not None else DEFAULT_BUNDLE)
    return Segmenter(open_runtime(bundle, runtime, options), bundle)


def load_checkpoint(path: Path, runtime: str, options: RuntimeOptions) -> Segmenter:
    """Open a checkpoint in torch.

    Raises:
        EngineError: another engine was asked for.
        MissingExtraError: torch is not installed.
        CheckpointError: the file cannot be read, or its keys and shapes are no known model's.
    """
    if runtime not in ("torch", "auto"):
        raise EngineError(
            f"runtime: {runtime!r} does not open a checkpoint ({path}); export a bundle, or use torch"
        )
    from sam_edge.nn import load_model
    from sam_edge.runtimes.torch import Torch

    return Segmenter(Torch(load_model(None, path), options))
