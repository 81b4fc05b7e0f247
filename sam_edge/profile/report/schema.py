"""Reads the JSON of a profile, also of the former schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam_edge.errors import InputError
from sam_edge.precision import current_name

SCHEMA = 2
"""Version of the JSON schema. Keys are only ever added to it; removing or renaming one raises the version."""
KIND = "sam-edge profile"

TOP_KEYS = {"made_at": "started_at", "took_s": "duration_s", "cold": "cold_starts", "timed": "timings"}
MACHINE_KEYS = {"cores_all": "cores_total", "features": "cpu_features", "git": "git_commit"}
NOISE_KEYS = {
    "rounds": "checks",
    "others_share": "other_cpu_share",
    "work_spread": "reference_spread",
    "work_drift": "reference_drift",
    "load_before": "load_average_before",
}
ROW_KEYS = {
    "failed": "error",
    "ran_as": "actual_precision",
    "megabytes": "size_mb",
    "starts": "processes",
    "sources": "origins",
    "age_ms": "mask_age_ms",
    "others_share": "other_cpu_share",
    "runs": "iterations",
}
TIMING_KEYS = {**ROW_KEYS, "engine": "inference"}
USAGE_KEYS = {"waited": "voluntary_switches", "displaced": "involuntary_switches"}
OPERATOR_KEYS = {"kind": "op_type", "share": "roofline_fraction"}
"""Keys of schema 1, and today's."""
MODES = {"every step waits": "sequential", "on a clock": "live"}
FAMILIES = {
    "arithmetic": "elementwise arithmetic",
    "rounding to 8 bits and back": "quantization",
    "moving data": "data movement",
}
"""Values of schema 1, and today's."""

Json = dict[str, Any]


def read_report(path: Path) -> Json:
    """Read the JSON of a profile; the former schema is converted to the current one.

    Raises:
        InputError: the file cannot be read, or is not a profile of a known schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"profile: {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(f"profile: {path} is not a profile; give a file that `sam-edge profile --out` wrote")
    schema = content.get("schema")
    if schema not in (1, SCHEMA):
        raise InputError(f"profile: {path} has schema {schema!r}; accepted: 1, {SCHEMA}; update sam-edge")
    if schema == SCHEMA:
        return content
    try:
        return upgrade(content)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"profile: {path} is damaged: {error!r}; measure again") from error


def upgrade(content: Mapping[str, Any]) -> Json:
    """Convert a profile of schema 1."""
    report = {**rename(content, TOP_KEYS), "schema": SCHEMA}
    if report.get("machine"):
        report["machine"] = rename(report["machine"], MACHINE_KEYS)
    if report.get("noise"):
        report["noise"] = rename(report["noise"], NOISE_KEYS)
    report["timings"] = [upgrade_timing(row) for row in report.get("timings", ())]
    for key in ("models", "cold_starts", "sessions", "sustained", "operators"):
        report[key] = [upgrade_row(row) for row in report.get(key, ())]
    report["peaks"] = [upgrade_peak(peak) for peak in report.get("peaks", ())]
    return report


def upgrade_timing(row: Mapping[str, Any]) -> Json:
    """Convert the latency of one case."""
    timing = upgrade_precisions(rename(row, TIMING_KEYS))
    if timing.get("case"):
        timing["case"] = {**timing["case"], "engine": upgrade_precisions(timing["case"]["engine"])}
    if timing.get("usage"):
        timing["usage"] = rename(timing["usage"], USAGE_KEYS)
    return timing


def upgrade_row(row: Mapping[str, Any]) -> Json:
    """Convert a model, a cold start, a session, a sustained load or the operators of a graph."""
    result = upgrade_precisions(rename(row, ROW_KEYS))
    if result.get("engine"):
        result["engine"] = upgrade_precisions(result["engine"])
    if result.get("usage"):
        result["usage"] = rename(result["usage"], USAGE_KEYS)
    if "mode" in result:
        result["mode"] = MODES.get(result["mode"], result["mode"])
    if "operators" in result:
        result["operators"] = [upgrade_operator(operator) for operator in result["operators"]]
    return result


def upgrade_operator(operator: Mapping[str, Any]) -> Json:
    """Convert one operator."""
    result = upgrade_precisions(rename(operator, OPERATOR_KEYS))
    return {**result, "family": FAMILIES.get(result["family"], result["family"])}


def upgrade_peak(peak: Mapping[str, Any]) -> Json:
    """Convert the peak performance with a number of threads."""
    gflops = {
        runtime: {current_name(dtype): value for dtype, value in formats.items()}
        for runtime, formats in peak["gflops"].items()
    }
    return {**peak, "gflops": gflops}


def upgrade_precisions(row: Mapping[str, Any]) -> Json:
    """Replace former names of precisions."""
    names = ("precision", "actual_precision", "dtype")
    return {key: current_name(value) if key in names and value else value for key, value in row.items()}


def rename(row: Mapping[str, Any], keys: Mapping[str, str]) -> Json:
    """Rename the keys of a JSON object."""
    return {keys.get(key, key): value for key, value in row.items()}
