"""Searches the best configuration within a latency budget."""
