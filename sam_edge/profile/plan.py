"""What a profile measures: engines, input sizes, numbers of prompts, and how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_edge.bundle import open_bundle
from sam_edge.cores import available_cores
from sam_edge.errors import InputError, SamEdgeError
from sam_edge.gaze_video import GazeVideo, open_gaze_video
from sam_edge.precision import replace_former_name
from sam_edge.runtimes import engines
from sam_edge.runtimes.registry import preferred_precision
from sam_edge.segmenter import DEFAULT_BUNDLE, check_size

ASSETS = DEFAULT_BUNDLE.parent
DEMO_VIDEO, DEMO_GAZE = ASSETS / "demo" / "clip.mp4", ASSETS / "demo" / "gaze.csv"
"""Default video and gaze recording of a session."""
PARTS = ("cold", "timing", "session", "sustained", "peak", "operators")
"""Parts of a profile, in the order in which they are measured."""
DEFAULT_SIZES = ((448, 672), (448, 448), (224, 224))
"""Default encoder inputs (height, width): a whole frame, a square, and a close-up."""
MIN_ROUNDS = 4
"""Rounds that are measured regardless of their duration: a confidence interval resamples rounds."""
EXPLICIT_ONLY = ("fake", "torch")
"""Engines that are measured only when they are named."""
CHOOSES_OWN_THREADS = ("coreml",)
"""Engines that take no number of threads."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """A model on an engine."""

    bundle: Path
    """Folder of the bundle, or a checkpoint for torch."""
    runtime: str
    """Name of the engine, as `sam_edge.load` takes it."""
    precision: str | None
    """As `sam_edge.load` takes it."""
    threads: int | None
    """Threads of one inference; None lets the engine choose."""
    model: str = ""
    """Short name that distinguishes the bundle from others in the profile; empty if there is only one."""

    @property
    def label(self) -> str:
        """Display name."""
        model = f"{self.model}, " if self.model else ""
        precision = f" {self.precision}" if self.precision else ""
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}" if self.threads else ""
        return f"{model}{self.runtime}{precision}{threads}"


@dataclass(frozen=True, slots=True)
class TimingCase:
    """One call that is timed: encoding a frame, or decoding prompts."""

    engine: EngineConfig
    """Bundle, runtime, precision and threads."""
    size: tuple[int, int]
    """Encoder input (height, width)."""
    prompts: int
    """Prompts decoded in one call; 0 for encoding."""

    @property
    def operation(self) -> str:
        """`encode` or `decode`."""
        return "decode" if self.prompts else "encode"

    @property
    def size_text(self) -> str:
        """Width x height."""
        return f"{self.size[1]}x{self.size[0]}"

    @property
    def label(self) -> str:
        """Display name."""
        prompts = f" {self.prompts}" if self.prompts else ""
        return f"{self.operation}{prompts} {self.size_text}, {self.engine.label}"


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """Everything that a profile measures, and how long."""

    engines: tuple[EngineConfig, ...]
    """The engines that are measured, each in a process of its own."""
    sizes: tuple[tuple[int, int], ...] = DEFAULT_SIZES
    """Encoder inputs (height, width)."""
    prompts: tuple[int, ...] = (1,)
    """Numbers of prompts decoded in one call, at every size."""
    first_size_prompts: tuple[int, ...] = (16,)
    """Further numbers of prompts, at the first size only: the cost per prompt hardly depends on the size."""
    rounds: int = 6
    """Every case is timed once in each round, so that drift of the machine affects all cases alike."""
    max_rounds_s: float = 80.0
    """No round starts after this time, seconds, except the first `MIN_ROUNDS`."""
    block_ms: float = 120.0
    """Approximate duration of timed calls of one case in a round, milliseconds."""
    cold_starts: int = 2
    """New processes per engine."""
    sustained_s: float = 60.0
    """Duration of the sustained load on the fastest engine, seconds; 0 skips it."""
    video: Path = DEMO_VIDEO
    """Video of the session, or the folder of a recording that holds gaze as well."""
    gaze: Path | None = DEMO_GAZE
    """Gaze recording of the session; None: `video` is a recording's folder."""
    fps: float | None = None
    """Frames a second of the video; None: the times that the recording or the video states."""
    parts: tuple[str, ...] = PARTS
    """The `PARTS` to measure."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: names the value that is not accepted.
        """
        if not self.engines:
            raise InputError("engines: empty; give at least one, `sam-edge doctor` lists what is installed")
        for size in self.sizes:
            check_size(size)
        for name, values in (
            ("prompts", self.prompts),
            ("rounds", (self.rounds,)),
            ("first_size_prompts", (1, *self.first_size_prompts)),
        ):
            if not values or min(values) < 1:
                raise InputError(f"{name}: {values} is not accepted; give 1 or more")
        if not self.sustained_s >= 0:
            raise InputError(f"sustained: {self.sustained_s} is not accepted; give seconds, 0 skips it")
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown:
            raise InputError(f"parts: {', '.join(unknown)}; accepted: {', '.join(PARTS)}")

    def open_clip(self) -> GazeVideo:
        """Find the session's video and gaze. Raises as `open_gaze_video`."""
        return open_gaze_video(self.video, self.gaze, fps=self.fps)

    def cases(self) -> list[TimingCase]:
        """List all timing cases; cases that share a model are adjacent."""
        return [
            TimingCase(engine, size, prompts)
            for size in self.sizes
            for engine in self.engines
            for prompts in (
                0,
                *self.prompts,
                *(self.first_size_prompts if size == self.sizes[0] else ()),
            )
        ]


def choose_engines(
    bundles: Sequence[Path] = (),
    *,
    runtimes: Sequence[str] = (),
    precisions: Sequence[str] = (),
    threads: Sequence[int] = (),
) -> tuple[EngineConfig, ...]:
    """List models on engines. An empty argument is filled with what this machine has.

    Args:
        bundles: bundle folders, or checkpoints for torch; empty is the model in the package.
        runtimes: names of engines; empty is every installed engine that opens the bundle.
        precisions: as `sam_edge.load` takes them; empty is fp32, and bf16 where the engine itself would prefer it.
        threads: threads of one inference; empty is all cores.

    Returns:
        All combinations. A bundle that cannot be opened is included, so that the profile reports why.

    Raises:
        InputError: an engine is unknown, or a number of threads is not positive.
    """
    known = engines()
    for runtime in runtimes:
        if runtime not in known:
            raise InputError(f"runtime: {runtime!r} is not known; accepted: {', '.join(sorted(known))}")
    counts = tuple(threads) or (available_cores(),)
    if min(counts) < 1:
        raise InputError(f"threads: {min(counts)} is not accepted; give 1 or more")
    precisions = [replace_former_name(name) for name in precisions]
    names = name_bundles(bundles or (DEFAULT_BUNDLE,))
    combinations = [
        EngineConfig(bundle, runtime, precision, count, names[bundle])
        for bundle in names
        for runtime in runtimes or compatible_runtimes(bundle)
        for precision in precisions or default_precisions(bundle, runtime)
        for count in (counts if runtime not in CHOOSES_OWN_THREADS else (None,))
    ]
    return tuple(dict.fromkeys(combinations))


def name_bundles(bundles: Sequence[Path]) -> dict[Path, str]:
    """Name bundles by the shortest path endings that distinguish them; a single bundle has an empty name."""
    distinct = list(dict.fromkeys(bundles))
    if len(distinct) == 1:
        return {distinct[0]: ""}
    parts = {bundle: bundle.absolute().parts for bundle in distinct}
    deepest = max(len(path) for path in parts.values())
    count = next(
        (n for n in range(1, deepest) if len({path[-n:] for path in parts.values()}) == len(distinct)),
        deepest,
    )
    return {bundle: "/".join(path[-count:]) for bundle, path in parts.items()}


def compatible_runtimes(bundle: Path) -> list[str]:
    """List the installed engines that open a bundle. For an unreadable bundle one engine, which reports the error."""
    if bundle.suffix in (".pt", ".pth", ".safetensors"):
        return ["torch"]
    try:
        target = open_bundle(bundle).manifest.target
    except SamEdgeError:
        return ["onnxruntime"]
    return [
        info.name
        for info in engines().values()
        if info.installed and target in info.targets and info.name not in EXPLICIT_ONLY
    ] or ["onnxruntime"]


def default_precisions(bundle: Path, runtime: str) -> list[str | None]:
    """List the precisions worth measuring for a bundle on an engine."""
    try:
        preferred = preferred_precision(open_bundle(bundle), runtime)
    except SamEdgeError:
        return [None]
    return ["fp32", preferred] if preferred else [None] if runtime != "openvino" else ["fp32"]
