"""What is to be measured: models on engines, at sizes, with so many prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_edge.bundle import open_bundle
from sam_edge.errors import InputError, SamEdgeError
from sam_edge.precision import replace_former_name
from sam_edge.runtimes import engines
from sam_edge.runtimes.base import available_cores
from sam_edge.runtimes.registry import preferred_precision
from sam_edge.segmenter import DEFAULT_BUNDLE, check_size

ASSETS = DEFAULT_BUNDLE.parent
CLIP, GAZE = ASSETS / "demo" / "clip.mp4", ASSETS / "demo" / "gaze.csv"
"""What a session sees where nothing else is given, and where the person looks in it."""
PARTS = ("cold", "timing", "session", "sustained", "peak", "operators")
"""What a profile consists of, in the order in which it is measured."""
SIZES = ((448, 672), (448, 448), (224, 224))
"""Input sizes (height, width) where none are asked for: a whole frame, a square, and a close-up."""
FEWEST_ROUNDS = 4
"""Rounds that are measured however long they take: an interval draws from them."""
LEFT_OUT = ("fake", "torch")
"""Engines that are measured only when they are asked for."""
CHOOSES_THREADS = ("coreml",)
"""Engines that are told no number of threads."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A model on an engine."""

    bundle: Path
    """The bundle's folder, or a checkpoint for torch."""
    runtime: str
    """As `sam_edge.load` takes it."""
    precision: str | None
    """As `sam_edge.load` takes it."""
    threads: int | None
    """Threads of one inference; None where the engine chooses itself."""
    model: str = ""
    """What tells the bundle from the others that are measured; empty where there is but one."""

    @property
    def label(self) -> str:
        """Name it for people."""
        model = f"{self.model}, " if self.model else ""
        precision = f" {self.precision}" if self.precision else ""
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}" if self.threads else ""
        return f"{model}{self.runtime}{precision}{threads}"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is timed."""

    engine: Engine
    """The model and its engine."""
    size: tuple[int, int]
    """The encoder's input (height, width)."""
    prompts: int
    """Prompts decoded in one call; 0 where a frame is encoded."""

    @property
    def what(self) -> str:
        """`encode` or `decode`."""
        return "decode" if self.prompts else "encode"

    @property
    def size_text(self) -> str:
        """Width x height."""
        return f"{self.size[1]}x{self.size[0]}"

    @property
    def label(self) -> str:
        """Name it for people."""
        prompts = f" {self.prompts}" if self.prompts else ""
        return f"{self.what}{prompts} {self.size_text}, {self.engine.label}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a profile measures, and how long it takes over it."""

    engines: tuple[Engine, ...]
    """Models on engines."""
    sizes: tuple[tuple[int, int], ...] = SIZES
    """The encoder's inputs (height, width)."""
    prompts: tuple[int, ...] = (1,)
    """How many prompts are decoded in one call, at every size."""
    many: tuple[int, ...] = (16,)
    """The same, at the first size only: what a prompt more costs hardly depends on the size."""
    rounds: int = 6
    """Everything is timed once a round, so that a drift of the machine hits all alike."""
    rounds_s: float = 80.0
    """Where the machine is slow no round begins after so many seconds, but for the first `FEWEST_ROUNDS`."""
    block_ms: float = 120.0
    """About how long one thing is timed in a round, milliseconds."""
    cold_starts: int = 2
    """Fresh processes a model and engine."""
    sustained_s: float = 60.0
    """How long the first engine encodes without a pause, seconds."""
    video: Path = CLIP
    """What the session sees."""
    gaze: Path = GAZE
    """Where the person in the session looks."""
    parts: tuple[str, ...] = PARTS
    """Which of `PARTS` are measured."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: names the value.
        """
        if not self.engines:
            raise InputError("engines: none is given; `sam-edge doctor` says what is installed")
        for size in self.sizes:
            check_size(size)
        for name, values in (
            ("prompts", self.prompts),
            ("rounds", (self.rounds,)),
            ("many", (1, *self.many)),
        ):
            if not values or min(values) < 1:
                raise InputError(f"{name}: {values} is not accepted; give 1 or more")
        if not self.sustained_s >= 0:
            raise InputError(f"sustained: {self.sustained_s} is not accepted; give seconds, 0 leaves it out")
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown:
            raise InputError(f"parts: {', '.join(unknown)}; accepted: {', '.join(PARTS)}")

    def cases(self) -> list[Case]:
        """List all that is timed; what shares a model stands together."""
        return [
            Case(engine, size, prompts)
            for size in self.sizes
            for engine in self.engines
            for prompts in (0, *self.prompts, *(self.many if size == self.sizes[0] else ()))
        ]


def choose_engines(
    bundles: Sequence[Path] = (),
    *,
    runtimes: Sequence[str] = (),
    precisions: Sequence[str] = (),
    threads: Sequence[int] = (),
) -> tuple[Engine, ...]:
    """List models on engines. What is left open is filled with what this machine has.

    Args:
        bundles: folders, or checkpoints for torch; none is the model in the package.
        runtimes: engines by name; none is every installed one that opens the bundle.
        precisions: as `sam_edge.load` takes them; none is fp32, and bf16 where the engine itself would prefer it.
        threads: threads of one inference; none is every core.

    Returns:
        What is to be measured. A bundle that cannot be opened stays in, so that the profile can say why.

    Raises:
        InputError: an engine is not known, or a number of threads is not positive.
    """
    known = engines()
    for runtime in runtimes:
        if runtime not in known:
            raise InputError(f"runtime: {runtime!r} is not known; accepted: {', '.join(sorted(known))}")
    counts = tuple(threads) or (available_cores(),)
    if min(counts) < 1:
        raise InputError(f"threads: {min(counts)} is not accepted; give 1 or more")
    precisions = [replace_former_name(name) for name in precisions]
    names = names_of(bundles or (DEFAULT_BUNDLE,))
    found = [
        Engine(bundle, runtime, precision, count, names[bundle])
        for bundle in names
        for runtime in runtimes or opened_by(bundle)
        for precision in precisions or preferred(bundle, runtime)
        for count in (counts if runtime not in CHOOSES_THREADS else (None,))
    ]
    return tuple(dict.fromkeys(found))


def names_of(bundles: Sequence[Path]) -> dict[Path, str]:
    """Name bundles by as much of the ends of their paths as tells them apart; one alone needs no name."""
    different = list(dict.fromkeys(bundles))
    if len(different) == 1:
        return {different[0]: ""}
    parts = {bundle: bundle.absolute().parts for bundle in different}
    deepest = max(len(one) for one in parts.values())
    count = next(
        (n for n in range(1, deepest) if len({one[-n:] for one in parts.values()}) == len(different)), deepest
    )
    return {bundle: "/".join(one[-count:]) for bundle, one in parts.items()}


def opened_by(bundle: Path) -> list[str]:
    """List the installed engines that open a bundle; the first where that cannot be told, so that it says why."""
    if bundle.suffix in (".pt", ".pth", ".safetensors"):
        return ["torch"]
    try:
        target = open_bundle(bundle).manifest.target
    except SamEdgeError:
        return ["onnxruntime"]
    return [
        info.name
        for info in engines().values()
        if info.installed and target in info.targets and info.name not in LEFT_OUT
    ] or ["onnxruntime"]


def preferred(bundle: Path, runtime: str) -> list[str | None]:
    """List the precisions worth measuring of a bundle on an engine."""
    try:
        better = preferred_precision(open_bundle(bundle), runtime)
    except SamEdgeError:
        return [None]
    return ["fp32", better] if better else [None] if runtime != "openvino" else ["fp32"]
