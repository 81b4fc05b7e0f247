"""Profiles and budgets as JSON, tables, HTML and CSV, and the comparison of two profiles."""
