"""GELU as a polynomial, for engines on which their own GELU takes a quarter of the encoder's time.

GELU (Hendrycks and Gimpel, 2016) is x times the normal distribution's share below x. Between two bounds the share is
1/2 plus an odd polynomial, beyond them 0 or 1: two comparisons and a dozen products and sums, which OpenVINO fuses with
the rounding that follows, against some forty instructions for the error function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

TERMS = 5
"""Coefficients of the polynomial; the result is off by 0.003 at most, and by 0.0003 as a rule."""
REACH, STEPS = 8.0, 2001
"""The fit samples `STEPS` values from -`REACH` to `REACH`."""
COMMON = 1.2
"""Standard deviation of the values with the largest weight in the fit."""
EVEN = 0.03
"""Weight of all other values."""


@dataclass(frozen=True, slots=True)
class Polynomial:
    """The normal distribution's share below x, less 1/2: a sum of x^(2k + 1), constant beyond the bound."""

    bound: float
    """Beyond it the share is 0 or 1."""
    coefficients: tuple[float, ...]
    """Of x, x^3, x^5, ..."""

    def gelu(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute GELU as the graph does."""
        near = np.clip(x, -self.bound, self.bound)
        squared = near * near
        total = np.full_like(squared, self.coefficients[-1])
        for coefficient in self.coefficients[-2::-1]:
            total = total * squared + coefficient
        return np.asarray(x * (near * total + 0.5))


def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute GELU exactly."""
    return np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])


def fit_polynomial(terms: int = TERMS) -> Polynomial:
    """Find the polynomial with the least squared error of GELU, common values counting most; no jump at the bound."""
    x = np.linspace(-REACH, REACH, STEPS)
    exact, weight = gelu(x), np.sqrt(np.exp(-(x**2) / (2 * COMMON**2)) + EVEN)
    best, least = Polynomial(1.0, (0.5,)), np.inf
    for bound in np.linspace(2.2, 4.2, 81):
        near = np.clip(x, -bound, bound)
        # The first coefficient follows from the others: at the bound the polynomial is 1/2.
        columns = [near ** (2 * k + 1) - near * bound ** (2 * k) for k in range(1, terms)]
        matrix = np.stack(columns, axis=1) * (x * weight)[:, None]
        wanted = (exact - x * (0.5 + near * (0.5 / bound))) * weight
        others = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        first = 0.5 / bound - sum(c * bound ** (2 * k) for k, c in enumerate(others, start=1))
        candidate = Polynomial(float(bound), (float(first), *(float(c) for c in others)))
        error = float(np.square((candidate.gelu(x) - exact) * weight).sum())
        if error < least:
            best, least = candidate, error
    return best


def use_polynomial(model: onnx.ModelProto, polynomial: Polynomial | None = None) -> None:
    """Replace every Gelu of a graph, in place."""
    polynomial = polynomial or fit_polynomial()
    graph = model.graph
    constants = {"low": -polynomial.bound, "high": polynomial.bound, "half": 0.5}
    constants |= {f"c{k}": value for k, value in enumerate(polynomial.coefficients)}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        copied = onnx.NodeProto.FromString(node.SerializeToString())
        nodes += (
            [copied] if node.op_type != "Gelu" else write_gelu(copied.input[0], copied.output[0], polynomial)
        )
    if len(nodes) == len(graph.node):
        return
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.float32(value), f"gelu_{name}") for name, value in constants.items()
    )


def write_gelu(source: str, output: str, polynomial: Polynomial) -> list[onnx.NodeProto]:
    """Return the nodes that compute `output` as the GELU of `source`."""
    nodes: list[onnx.NodeProto] = []

    def node(operator: str, inputs: list[str], name: str) -> str:
        nodes.append(helper.make_node(operator, inputs, [name], name=name))
        return name

    near = node("Clip", [source, "gelu_low", "gelu_high"], f"{output}_near")
    squared = node("Mul", [near, near], f"{output}_squared")
    total = f"gelu_c{len(polynomial.coefficients) - 1}"
    for k in range(len(polynomial.coefficients) - 2, -1, -1):
        product = node("Mul", [total, squared], f"{output}_times{k}")
        total = node("Add", [product, f"gelu_c{k}"], f"{output}_plus{k}")
    share = node("Add", [node("Mul", [total, near], f"{output}_odd"), "gelu_half"], f"{output}_share")
    node("Mul", [source, share], output)
    return nodes
