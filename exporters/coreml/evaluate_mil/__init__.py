"""Runs a Core ML program without Core ML: reads an `.mlpackage` from disk and evaluates it op by op in torch.

Every operation's result is rounded to the number format that the program declares for it. Inside an operation sums are
taken in fp32, as Apple's engines are understood to do for products and convolutions; `Composite.STEPWISE` also rounds
every elementary step of layer_norm, batch_norm and softmax, which is the least that any engine would do.

Formats read: the MIL protobuf of coremltools (`MIL.proto`, `Model.proto`) and version 2 of its weight file
(`MILBlob/Blob/StorageFormat.hpp`). Operations as coremltools' MIL reference describes them.
"""

from sam_edge.exporters.coreml.evaluate_mil.evaluator import Evaluator
from sam_edge.exporters.coreml.evaluate_mil.program import Program, read_package
from sam_edge.exporters.coreml.evaluate_mil.values import Composite

__all__ = ["Composite", "Evaluator", "Program", "read_package"]
