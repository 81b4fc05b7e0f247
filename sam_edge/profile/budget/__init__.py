"""Searches for the best engine, precision, size and schedule within a latency budget."""
