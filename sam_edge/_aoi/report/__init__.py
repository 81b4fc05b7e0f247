"""`report.html`: one self-contained page with the objects that were looked at."""

from sam_edge._aoi.report.html_page import write_report

__all__ = ["write_report"]
