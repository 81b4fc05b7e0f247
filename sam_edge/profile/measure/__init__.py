"""Measures times, memory, energy and the machine itself."""
