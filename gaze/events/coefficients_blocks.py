"""Weights of the blocks' features: written by benchmarks/fit_kinds.py, not by hand.

Fitted on recordings of Lund2013 (Andersson et al. 2017, Behavior Research Methods 49, 616-637), both coders.
"""

from __future__ import annotations

BLOCK_WEIGHTS = (-2.897, 0.5858, 0.3182, 0.4282, 0.1376, 0.1975)
"""Log-odds of pursuit against fixation, over `blocks.FEATURES`."""
