"""A calibration: how to put a tracker's gaze where it belongs, and how far off it may still be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import GazeDataError, InputError
from sam_edge.gaze.calibration.mapping import PolynomialMap, consistent_targets, fit_map, spans_plane
from sam_edge.gaze.calibration.targets import TargetSamples, robust_centre, valid_positions
from sam_edge.gaze.recordings.files import json_object, numbers, replacing
from sam_edge.gaze.samples import GazeSample

SCHEMA = "sam-edge-gaze-calibration"
SCHEMA_VERSION = 1
MIN_SAMPLES = 10
"""Fewer valid samples than this say nothing about where the gaze was."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted map, with what is left of the error."""

    map: PolynomialMap
    """From the tracker's pixels to the targets'."""
    size: tuple[int, int]
    """(height, width) of the screen or scene the targets were on, pixels."""
    error_px2: tuple[float, float, float]
    """Covariance (xx, xy, yy) of the systematic error that is left at the targets, square pixels."""
    noise_px2: tuple[float, float, float]
    """Covariance (xx, xy, yy) of single samples about their target's centre, square pixels."""
    drift_px: tuple[float, float] = (0.0, 0.0)
    """Added to every mapped position."""
    rejected: tuple[int, ...] = ()
    """Indices of targets that did not agree with the others and were left out."""
    head: tuple[float, float, float, float, float, float] | None = None
    """Where the head was, `GazeSample.head`; None where the tracker does not say."""

    def apply(self, sample: GazeSample) -> GazeSample:
        """Return the sample at its calibrated position, with its uncertainty; an invalid one stays as it is.

        The covariance is what is left at the targets, plus the sample's own covariance taken through the map, or
        the calibration's sample noise where it has none.
        """
        if not sample.valid:
            return sample
        x, y = self.map.at(sample.x_px, sample.y_px)
        xx, xy, yy = self.noise_px2
        if sample.covariance_px2 is not None:
            a, b, c = sample.covariance_px2
            slope = self.map.slope(sample.x_px, sample.y_px)
            moved = slope @ np.array([[a, b], [b, c]]) @ slope.T
            xx, xy, yy = float(moved[0, 0]), float(moved[0, 1]), float(moved[1, 1])
        left = self.error_px2
        return replace(
            sample,
            x_px=x + self.drift_px[0],
            y_px=y + self.drift_px[1],
            covariance_px2=(xx + left[0], xy + left[1], yy + left[2]),
        )

    def drift_corrected(self, seen: TargetSamples) -> Calibration:
        """Return this calibration shifted so that the samples of one target fall on it. Raises `InputError`."""
        mapped = tuple(map(self.apply, seen.samples))
        centre = _centre(mapped, "the drift target")
        return replace(
            self,
            drift_px=(
                self.drift_px[0] + seen.target_px[0] - float(centre[0]),
                self.drift_px[1] + seen.target_px[1] - float(centre[1]),
            ),
        )

    def save(self, path: str | Path) -> None:
        """Write the calibration as JSON, all of it or nothing. Raises `GazeDataError`."""
        with replacing(Path(path)) as part:
            part.write_text(self.to_json(indent=2) + "\n", encoding="utf-8")

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the calibration as JSON, for who keeps it elsewhere than in a file."""
        return json.dumps({"schema": SCHEMA, "version": SCHEMA_VERSION, **asdict(self)}, indent=indent)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a calibration. Raises `GazeDataError`, naming the field, when it is not one."""
        return cls._of(json_object(Path(path)), str(path))

    @classmethod
    def from_json(cls, text: str, *, what: str = "calibration") -> Calibration:
        """Read what `to_json` gave; `what` names it in errors. Raises `GazeDataError`, as `load`."""
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise GazeDataError(f"{what}: no JSON; accepted: what a calibration was kept as") from error
        if not isinstance(facts, dict):
            raise GazeDataError(f"{what}: JSON that is no object; accepted: what a calibration was kept as")
        return cls._of(facts, what)

    @classmethod
    def _of(cls, facts: dict[str, Any], path: str) -> Calibration:
        if facts.get("schema") != SCHEMA or facts.get("version") != SCHEMA_VERSION:
            raise GazeDataError(
                f"{path}: schema {facts.get('schema')!r} version {facts.get('version')!r}; accepted: {SCHEMA!r} "
                f"version {SCHEMA_VERSION}. Calibrate again"
            )
        fitted = facts.get("map")
        if not isinstance(fitted, dict) or fitted.get("order") not in (1, 2):
            raise GazeDataError(f"{path}: map.order; accepted: 1 or 2")
        terms = {1: 3, 2: 6}[fitted["order"]]
        centre, size = _field(path, fitted, "centre", 2), _field(path, facts, "size", 2)
        (scale,) = _field(path, {"scale": [fitted.get("scale")]}, "scale", 1)
        if scale <= 0 or min(size) < 1:
            raise GazeDataError(f"{path}: scale {scale} and size {size}; accepted: above 0")
        rejected = facts.get("rejected", [])
        if not isinstance(rejected, list) or not all(type(index) is int for index in rejected):
            raise GazeDataError(f"{path}: rejected is {rejected!r}; accepted: a list of whole numbers")
        x_terms, y_terms = (_field(path, fitted, name, terms) for name in ("x_terms", "y_terms"))
        error, noise = (_field(path, facts, name, 3) for name in ("error_px2", "noise_px2"))
        drift = _field(path, facts, "drift_px", 2)
        return cls(
            PolynomialMap(fitted["order"], (centre[0], centre[1]), scale, x_terms, y_terms),
            (int(size[0]), int(size[1])),
            (error[0], error[1], error[2]),
            (noise[0], noise[1], noise[2]),
            (drift[0], drift[1]),
            tuple(rejected),
            None if facts.get("head") is None else _head(_field(path, facts, "head", 6)),
        )


def calibrate(
    collected: Sequence[TargetSamples], *, size: tuple[int, int], order: int | None = None
) -> Calibration:
    """Fit a calibration to what was collected at each target.

    `size` is (height, width) in pixels. `order` 1 is affine, the default for fewer than nine targets; 2 is
    quadratic. Each target counts once, by the robust centre of its samples: outliers up to half of them do no harm.
    A target that does not agree with the others is left out and listed in `rejected`. Raises `InputError` when
    there are too few usable targets.
    """
    order = (2 if len(collected) >= 9 else 1) if order is None else order
    if order not in (1, 2):
        raise InputError(f"order is {order}; accepted: 1 (affine), 2 (quadratic)")
    usable = [i for i, seen in enumerate(collected) if len(valid_positions(seen.samples)) >= MIN_SAMPLES]
    needed = {1: 4, 2: 7}[order]
    if len(usable) < needed:
        raise InputError(
            f"{len(usable)} of {len(collected)} targets have {MIN_SAMPLES} valid samples; order {order} needs {needed}"
        )
    gaze = np.array([_centre(collected[i].samples, f"target {i}") for i in usable])
    targets = np.array([collected[i].target_px for i in usable], float)
    kept = consistent_targets(gaze, targets, order=order)
    fitted = fit_map(gaze[kept], targets[kept], order=order)
    good = [i for i, keep in zip(usable, kept, strict=True) if keep]
    return Calibration(
        fitted,
        size,
        _systematic(gaze[kept], targets[kept], order),
        _noise(fitted, [collected[i].samples for i in good]),
        rejected=tuple(i for i in range(len(collected)) if i not in good),
        head=_usual_head([sample for i in good for sample in collected[i].samples]),
    )


def _usual_head(samples: list[GazeSample]) -> tuple[float, float, float, float, float, float] | None:
    heads = [sample.head for sample in samples if sample.valid and sample.head is not None]
    return _head(np.median(heads, axis=0)) if heads else None


def _head(values: Sequence[float] | np.ndarray) -> tuple[float, float, float, float, float, float]:
    x, y, z, yaw, pitch, roll = (float(value) for value in values)
    return x, y, z, yaw, pitch, roll


def _centre(samples: tuple[GazeSample, ...], what: str) -> np.ndarray:
    positions = valid_positions(samples)
    if len(positions) < MIN_SAMPLES:
        raise InputError(
            f"{what} has {len(positions)} valid samples; {MIN_SAMPLES} are needed: look at it again"
        )
    return robust_centre(positions)[0]


def _systematic(gaze: np.ndarray, targets: np.ndarray, order: int) -> tuple[float, float, float]:
    """Covariance of the error at targets the map has not seen (each left out in turn, where enough are left)."""
    errors = []
    for place in range(len(gaze)):
        others = np.arange(len(gaze)) != place
        enough = others.sum() >= {1: 3, 2: 6}[order] and spans_plane(gaze[others])
        seen = others if enough else np.ones(len(gaze), bool)
        errors.append(
            fit_map(gaze[seen], targets[seen], order=order)(gaze[place : place + 1])[0] - targets[place]
        )
    return _covariance(np.array(errors))


def _noise(fitted: PolynomialMap, samples: list[tuple[GazeSample, ...]]) -> tuple[float, float, float]:
    """Covariance of mapped samples about their target's centre, outliers left out."""
    parts = []
    for part in samples:
        mapped = fitted(valid_positions(part))
        centre, kept = robust_centre(mapped)
        parts.append(mapped[kept] - centre)
    return _covariance(np.concatenate(parts))


def _covariance(errors: np.ndarray) -> tuple[float, float, float]:
    """Second moments about zero: a common offset counts as error."""
    matrix = errors.T @ errors / len(errors)
    return float(matrix[0, 0]), float(matrix[0, 1]), float(matrix[1, 1])


def _field(path: str, facts: dict[str, Any], name: str, count: int) -> tuple[float, ...]:
    values = numbers(facts.get(name), count)
    if values is None:
        raise GazeDataError(f"{path}: {name} is {facts.get(name)!r}; accepted: {count} numbers")
    return values
