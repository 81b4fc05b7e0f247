"""Measures models and engines on this device: latency, memory, energy, sustained load, operators."""

from sam_edge.profile.plan import PARTS, EngineConfig, ProfilePlan, TimingCase, choose_engines
from sam_edge.profile.report.report import ProfileReport
from sam_edge.profile.report.schema import read_report
from sam_edge.profile.run import run_plan

__all__ = [
    "PARTS",
    "EngineConfig",
    "ProfilePlan",
    "ProfileReport",
    "TimingCase",
    "choose_engines",
    "read_report",
    "run_plan",
]
