"""Weights of the blocks' features: written by benchmarks/fit_kinds.py, not by hand.

Fitted on recordings of Lund2013 (Andersson et al. 2017, Behavior Research Methods 49, 616-637), both coders.
"""

from __future__ import annotations

BLOCK_WEIGHTS = (-3, 0.6279, 0.3375, 0.4553, 0.1358, 0.221)
"""Log-odds of pursuit against fixation, over `blocks.FEATURES`."""
