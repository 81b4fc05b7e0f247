"""Where prompts are, computed in full precision although the rest of a decoder is not.

A prompt's position becomes sines and cosines of angles up to some fifteen. In bf16, with its 8 significant bits, such
an angle is off by hundredths and a pixel's place by whole pixels, which costs more of the masks than all the rest of
the decoder in bf16. OpenVINO computes a model in one precision; so the few operations between the points and their
features become a model of their own.
"""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset13

POINTS = "points"
"""The decoder's input that holds positions."""
PLACED = "placed"
"""The input that takes the features of positions instead."""


def split_positions(model: openvino.Model) -> openvino.Model | None:
    """Let a decoder take the features of its points as another input, `PLACED`, in place.

    Args:
        model: a decoder, its shapes fixed or open.

    Returns:
        The model that computes them from `POINTS`; None where there is nothing of that kind, and nothing was changed.
    """
    copied = model.clone()
    features, wanted = placed_in(model), placed_in(copied)
    if features is None or wanted is None:
        return None
    positions = openvino.Model([wanted], [points_of(copied)], "positions")
    readers = list(features.get_target_inputs())
    placed = opset13.parameter(features.get_partial_shape(), np.float32, name=PLACED)
    placed.output(0).set_names({PLACED})
    for reader in readers:
        reader.replace_source_output(placed.output(0))
    model.add_parameters([placed])
    model.validate_nodes_and_infer_types()
    return positions


def points_of(model: openvino.Model) -> openvino.Node:
    """Return the input that holds positions."""
    return model.input(POINTS).get_node()


def placed_in(model: openvino.Model) -> openvino.Output | None:
    """Find the sines and cosines, joined, of angles that come from the points; None where there are none."""
    names = {name for entry in model.inputs for name in entry.get_names()}
    if POINTS not in names:
        return None
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Concat":
            joined = [source.get_source_output().get_node() for source in node.inputs()]
            kinds = sorted(source.get_type_name() for source in joined)
            if kinds == ["Cos", "Sin"] and comes_from(joined[0], points_of(model)):
                return node.output(0)
    return None


def comes_from(node: openvino.Node, source: openvino.Node) -> bool:
    """Say whether the value of `node` depends on that of `source`."""
    wanted, seen, waiting = source.get_friendly_name(), set(), [node]
    while waiting:
        current = waiting.pop()
        name = current.get_friendly_name()
        if name == wanted:
            return True
        if name not in seen:
            seen.add(name)
            waiting += [entry.get_source_output().get_node() for entry in current.inputs()]
    return False
