"""Profiles as JSON, text, HTML and CSV, the comparison of two profiles, and recommendations as text, HTML and JSON."""
