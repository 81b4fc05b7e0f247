"""Looks into inferences: operators, their arithmetic and what bounds them."""
