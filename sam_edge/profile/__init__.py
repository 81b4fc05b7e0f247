"""Where a millisecond goes: what a device can do, measured on it."""

from sam_edge.profile.plan import PARTS, Case, Engine, Plan, choose_engines
from sam_edge.profile.report.report import Report, read_report
from sam_edge.profile.run import profile

__all__ = ["PARTS", "Case", "Engine", "Plan", "Report", "choose_engines", "profile", "read_report"]
