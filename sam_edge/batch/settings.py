"""What is made of each recording, and how. All that changes results has one fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sam_edge._aoi import EXPORTS
from sam_edge._aoi.looks import LookOptions
from sam_edge._aoi.sections import SectionText
from sam_edge._track.inputs import check_margin_deg
from sam_edge.bundle import MANIFEST, hash_file, open_bundle
from sam_edge.errors import InputError
from sam_edge.runtimes import choose_engine
from sam_edge.runtimes.registry import preferred_precision
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter, load
from sam_edge.timeline import FixationOrigin
from sam_edge.version import __version__

TASKS = ("track", "aoi", "events")
"""What can be made of a recording."""
HOW = ("model", "threads", "memory_bytes", "scratch", "min_timeout_s", "timeout_factor")
"""Fields that say how the work is done, or are replaced by a hash; they are not part of the fingerprint."""
USUAL_MEMORY_BYTES = 1_500_000_000
"""Memory of a worker where `Settings.memory_bytes` does not state it."""
RESULTS = 1
"""Version of the results: raised when the same settings give other files."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is made of each recording, and how. JSON-able and picklable."""

    do: tuple[str, ...] = TASKS
    """What is made: `track` (timeline, samples, fixations, masks), `aoi` (metrics, pictures, report), `events`."""
    model: str | None = None
    """Bundle or checkpoint; None is the model in the package."""
    model_sha256: str = ""
    """Hash of the model; empty until `resolve`."""
    runtime: str = "auto"
    """Engine; a name after `resolve`."""
    precision: str | None = None
    """Number format of what the model leaves in floating point; a name after `resolve`."""
    size: tuple[int, int] | None = None
    """(height, width) of the encoder's input; None: chosen by the frame."""
    format: str | None = None
    """Format of the gaze; None recognises it by content."""
    recording_name: str | None = None
    """Which recording of each file that holds several; None: the manifest's, else the file's only one."""
    min_confidence: float | None = None
    """Gaze of lower confidence, 0..1, counts as lost; None: the format's own threshold."""
    fps: float | None = None
    """Frames a second; None: the times that the recording or the video states."""
    px_per_deg: float | None = None
    """Frame pixels in a degree; None: the manifest's, the recording's, else the default."""
    fixations_from: FixationOrigin | None = None
    """Whose fixations; None: the tracker's where there are any."""
    margin_deg: float = 0.0
    """Gaze this near to a mask counts as on it, degrees."""
    min_on_object: float = 0.5
    """Least probability, 0..1, for a fixation or sample to count for an object."""
    max_off_ms: float = 500.0
    """A visit goes on over a pause of at most this."""
    sections: tuple[str, ...] = ()
    """Parts with metrics of their own, as `sam_edge.aoi` takes them."""
    exports: tuple[str, ...] = ()
    """Further files, as `sam_edge.aoi` takes them."""
    video: bool = False
    """Whether the annotated video is written."""
    version: str = __version__
    """Version of sam-edge that makes the results."""
    results: int = RESULTS
    """Version of the results."""
    threads: int = 1
    """Threads of one worker's inference."""
    memory_bytes: int | None = None
    """Memory that one worker is expected to need; None: not stated."""
    scratch: str | None = None
    """Folder for temporary files; None: the system's."""
    timeout_factor: float = 20.0
    """A recording may take this many times its own duration ..."""
    min_timeout_s: float = 600.0
    """... and at least this."""

    def __post_init__(self) -> None:
        """Check the values that a person gives. Raises `InputError`."""
        _check_names("do", self.do, TASKS)
        _check_names("exports", self.exports, EXPORTS)
        if not self.do:
            raise InputError(f"do: nothing is asked for; accepted: {', '.join(TASKS)}")
        if self.exports and "aoi" not in self.do:
            raise InputError(f"exports: {', '.join(self.exports)} are made by `aoi`; add it to do")
        if self.threads < 1:
            raise InputError(f"threads: {self.threads} is not accepted; give 1 or more")
        LookOptions(self.min_on_object, self.max_off_ms)
        check_margin_deg(self.margin_deg)
        for text in self.sections:
            SectionText.parse(text)

    @property
    def worker_memory_bytes(self) -> int:
        """Memory that one worker is taken to need."""
        return self.memory_bytes or USUAL_MEMORY_BYTES

    @property
    def needs_video(self) -> bool:
        """Whether the scene video is read: `events` needs the gaze alone."""
        return "track" in self.do or "aoi" in self.do

    def resolve(self) -> Settings:
        """Return the settings with engine, number format and the model's hash settled: all workers have the same.

        Raises:
            BundleError, EngineError, MissingExtraError, InputError: the model cannot be used here.
        """
        if not self.needs_video or self.model_sha256:
            return self
        path = DEFAULT_BUNDLE if self.model is None else Path(self.model)
        if path.suffix in (".pt", ".pth", ".safetensors"):
            return replace(self, runtime="torch", model_sha256=hash_file(path))
        bundle = open_bundle(path)
        runtime = choose_engine(bundle) if self.runtime == "auto" else self.runtime
        precision = self.precision
        if precision is None:
            precision = preferred_precision(bundle, runtime) or "fp32"
        # The manifest holds the hashes of all files, and `open_bundle` has compared them.
        return replace(
            self, runtime=runtime, precision=precision, model_sha256=hash_file(bundle.folder / MANIFEST)
        )

    def open_model(self) -> Segmenter:
        """Open the model with this worker's threads."""
        return load(self.model, runtime=self.runtime, threads=self.threads, precision=self.precision)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that changes results, as plain values."""
        return {name: value for name, value in self.to_json().items() if name not in HOW}

    def fingerprint(self) -> str:
        """Return the hash of everything that changes results, the model and the engine with it once resolved."""
        text = json.dumps(self.facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def timeout_s(self, duration_s: float | None) -> float:
        """Return how long a recording may take, seconds."""
        return max(self.min_timeout_s, self.timeout_factor * (duration_s or 0.0))

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Settings:
        """Return the settings that `to_json` described. Raises `InputError` for unknown names."""
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(
                f"settings: {', '.join(sorted(unknown))} are not known to sam-edge {__version__}"
            )
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**given)


def _check_names(argument: str, names: tuple[str, ...], accepted: tuple[str, ...]) -> None:
    for name in names:
        if name not in accepted:
            raise InputError(f"{argument}: {name!r}; accepted: {', '.join(accepted)}")
    if len(set(names)) < len(names):
        raise InputError(f"{argument}: {', '.join(names)}: a name stands twice")
