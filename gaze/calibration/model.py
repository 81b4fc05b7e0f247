"""A calibration: the fitted map from tracker to target pixels, its remaining error, and its JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import GazeDataError
from sam_edge.gaze.calibration.mapping import PolynomialMap
from sam_edge.gaze.calibration.targets import TargetSamples, samples_centre
from sam_edge.gaze.recordings.files import json_object, numbers, replacing
from sam_edge.gaze.samples import GazeSample, HeadPoseValues

SCHEMA = "sam-edge-gaze-calibration"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted map from tracker to target pixels, with the error that remains."""

    map: PolynomialMap
    """From the tracker's pixels to the targets'."""
    size: tuple[int, int]
    """(height, width) of the screen or scene the targets were on, pixels."""
    error_px2: tuple[float, float, float]
    """Covariance (xx, xy, yy) of the systematic error that remains at the targets, square pixels."""
    noise_px2: tuple[float, float, float]
    """Covariance (xx, xy, yy) of single samples about their target's centre, square pixels."""
    drift_px: tuple[float, float] = (0.0, 0.0)
    """Added to every mapped position."""
    rejected: tuple[int, ...] = ()
    """Indices of targets that did not agree with the others and were left out."""
    head: HeadPoseValues | None = None
    """Median head pose while calibrating, as `GazeSample.head`; None when the tracker does not measure it."""

    def apply(self, sample: GazeSample) -> GazeSample:
        """Return the sample with calibrated position and covariance; an invalid sample is returned unchanged.

        The covariance is `error_px2` plus the sample's own covariance propagated through the map. A sample without
        a covariance gets `noise_px2` instead.
        """
        if not sample.valid:
            return sample
        x, y = self.map.at(sample.x_px, sample.y_px)
        xx, xy, yy = self.noise_px2
        if sample.covariance_px2 is not None:
            a, b, c = sample.covariance_px2
            slope = self.map.slope(sample.x_px, sample.y_px)
            propagated = slope @ np.array([[a, b], [b, c]]) @ slope.T
            xx, xy, yy = float(propagated[0, 0]), float(propagated[0, 1]), float(propagated[1, 1])
        error = self.error_px2
        return replace(
            sample,
            x_px=x + self.drift_px[0],
            y_px=y + self.drift_px[1],
            covariance_px2=(xx + error[0], xy + error[1], yy + error[2]),
        )

    def correct_drift(self, target: TargetSamples) -> Calibration:
        """Return this calibration shifted so that the samples of one target fall on it.

        Raises:
            InputError: the target has too few valid samples.
        """
        mapped = tuple(map(self.apply, target.samples))
        centre = samples_centre(mapped, "the drift target")
        return replace(
            self,
            drift_px=(
                self.drift_px[0] + target.target_px[0] - float(centre[0]),
                self.drift_px[1] + target.target_px[1] - float(centre[1]),
            ),
        )

    def save(self, path: str | Path) -> None:
        """Write the calibration as JSON; a failed write leaves an older file unchanged. Raises `GazeDataError`."""
        with replacing(Path(path)) as part:
            part.write_text(self.to_json(indent=2) + "\n", encoding="utf-8")

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the calibration as JSON text."""
        return json.dumps({"schema": SCHEMA, "version": SCHEMA_VERSION, **asdict(self)}, indent=indent)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a calibration file. Raises `GazeDataError` that names the field that is wrong."""
        return cls._from_fields(json_object(Path(path)), str(path))

    @classmethod
    def from_json(cls, text: str, *, what: str = "calibration") -> Calibration:
        """Read the text that `to_json` returned; `what` names it in errors. Raises `GazeDataError`, as `load`."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise GazeDataError(
                f"{what}: not JSON; accepted: the text that Calibration.to_json returned"
            ) from error
        if not isinstance(fields, dict):
            raise GazeDataError(
                f"{what}: not a JSON object; accepted: the text that Calibration.to_json returned"
            )
        return cls._from_fields(fields, what)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any], path: str) -> Calibration:
        if fields.get("schema") != SCHEMA or fields.get("version") != SCHEMA_VERSION:
            raise GazeDataError(
                f"{path}: schema {fields.get('schema')!r} version {fields.get('version')!r}; accepted: {SCHEMA!r} "
                f"version {SCHEMA_VERSION}. Calibrate again"
            )
        map_fields = fields.get("map")
        if not isinstance(map_fields, dict) or map_fields.get("order") not in (1, 2):
            raise GazeDataError(f"{path}: map.order is missing or unknown; accepted: 1 or 2. Calibrate again")
        terms = {1: 3, 2: 6}[map_fields["order"]]
        centre, size = _field(path, map_fields, "centre", 2), _field(path, fields, "size", 2)
        (scale,) = _field(path, {"scale": [map_fields.get("scale")]}, "scale", 1)
        if scale <= 0 or min(size) < 1:
            raise GazeDataError(f"{path}: scale {scale} and size {size}; accepted: above 0")
        rejected = fields.get("rejected", [])
        if not isinstance(rejected, list) or not all(type(index) is int for index in rejected):
            raise GazeDataError(f"{path}: rejected is {rejected!r}; accepted: a list of whole numbers")
        x_terms, y_terms = (_field(path, map_fields, name, terms) for name in ("x_terms", "y_terms"))
        error, noise = (_field(path, fields, name, 3) for name in ("error_px2", "noise_px2"))
        drift = _field(path, fields, "drift_px", 2)
        return cls(
            PolynomialMap(map_fields["order"], (centre[0], centre[1]), scale, x_terms, y_terms),
            (int(size[0]), int(size[1])),
            (error[0], error[1], error[2]),
            (noise[0], noise[1], noise[2]),
            (drift[0], drift[1]),
            tuple(rejected),
            None if fields.get("head") is None else _head(_field(path, fields, "head", 6)),
        )


def _head(values: tuple[float, ...]) -> HeadPoseValues:
    x, y, z, yaw, pitch, roll = values
    return x, y, z, yaw, pitch, roll


def _field(path: str, fields: dict[str, Any], name: str, count: int) -> tuple[float, ...]:
    values = numbers(fields.get(name), count)
    if values is None:
        raise GazeDataError(f"{path}: {name} is {fields.get(name)!r}; accepted: {count} numbers")
    return values
