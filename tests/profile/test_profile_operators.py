"""Operators: their arithmetic, their place in the model, and what bounds them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sam_edge.profile.operators.coreml import parse_plan
from sam_edge.profile.operators.measurement import measure_tables
from sam_edge.profile.operators.model_stages import TINY_VIT, assign_stages
from sam_edge.profile.operators.onnxruntime import parse_events
from sam_edge.profile.operators.op_types import (
    classify_op,
    count_flops,
    output_size_of,
    unlisted_weight_bytes,
)
from sam_edge.profile.operators.operator_table import FAMILIES, Operator, group_operators
from sam_edge.profile.operators.peak import PeakPerformance
from sam_edge.profile.operators.roofline import apply_roofline
from sam_edge.profile.plan import EngineConfig
from sam_edge.segmenter import DEFAULT_BUNDLE

pytestmark = pytest.mark.slow

SIZE = (224, 224)


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "expected"),
    [
        ("MatMul", [(5, 3), (3, 7)], [(5, 7)], 2 * 5 * 3 * 7),
        ("FusedMatMul", [(2, 4, 9, 8), (2, 4, 8, 9)], [(2, 4, 9, 9)], 2 * 2 * 4 * 9 * 9 * 8),
        # The first factor lies the other way.
        ("MatMul", [(2, 56, 196), (2, 56, 256)], [(2, 196, 256)], 2 * 2 * 56 * 196 * 256),
        ("FullyConnected", [(196, 4, 64), (64, 128)], [(196, 4, 128)], 2 * 196 * 4 * 64 * 128),
        ("FullyConnected", [(1, 196, 320), (256, 320)], [(1, 196, 256)], 2 * 196 * 320 * 256),
        ("Conv", [(1, 8, 6, 6), (16, 8, 3, 3), (16,)], [(1, 16, 6, 6)], 2 * 16 * 36 * 8 * 9),
        # Depthwise: one channel goes into each.
        ("Conv", [(1, 8, 6, 6), (8, 1, 3, 3)], [(1, 8, 6, 6)], 2 * 8 * 36 * 9),
        # OpenVINO writes groups as a side of their own.
        ("GroupConvolution", [(1, 8, 6, 6), (8, 1, 1, 3, 3)], [(1, 8, 6, 6)], 2 * 8 * 36 * 9),
        # Every input is spread over 2 x 2 places of each of 4 channels.
        ("ConvTranspose", [(1, 8, 6, 6), (8, 4, 2, 2)], [(1, 4, 12, 12)], 2 * 8 * 36 * 4 * 4),
        ("Gelu", [(2, 3)], [(2, 3)], 6),
        ("Reshape", [(2, 3)], [(3, 2)], 0),
        ("NeverHeardOf", [(2, 3)], [(3, 2)], 0),
    ],
)
def test_arithmetic_counted_by_hand(
    kind: str, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]], expected: int
) -> None:
    assert count_flops(kind, inputs, outputs) == expected


def test_weights_that_an_engine_does_not_list() -> None:
    scale: tuple[int, ...] = ()
    assert (
        unlisted_weight_bytes("MatMulIntegerToFloat", [(1, 784, 128), scale, (512,)], [(1, 784, 512)], 1)
        == 128 * 512
    )
    assert unlisted_weight_bytes("MatMul", [(5, 3), (3, 7)], [(5, 7)], 4) == 0
    assert unlisted_weight_bytes("Softmax", [(5, 3)], [(5, 3)], 4) == 0


def test_every_type_has_a_kind_of_work() -> None:
    assert classify_op("ios17.linear") == classify_op("FullyConnected") == "matrix products"
    assert classify_op("DequantizeLinear") == "quantization"
    assert classify_op("NeverHeardOf") == "other"
    assert "other" in FAMILIES


def operator(**values: object) -> Operator:
    fields: dict[str, object] = {
        "name": "o",
        "op_type": "MatMul",
        "family": "matrix products",
        "stage": "s",
        "dtype": "fp32",
        "time_us": 1000.0,
        "flops": 0.0,
        "bytes": 0.0,
        **values,
    }
    return Operator(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "bound", "fraction"),
    [
        # 10^8 at 100 GFLOP/s take 1 ms, which is all that it took.
        ({"flops": 1e8}, "compute", 1.0),
        # In 8 bits the machine does four times as much: the same work is a quarter of the roof.
        ({"flops": 1e8, "dtype": "int8"}, "compute", 0.25),
        # 10^7 bytes at 20 GB/s take 0.5 ms.
        ({"flops": 1e6, "bytes": 1e7}, "memory", 0.5),
        ({"flops": 1e6, "bytes": 1e5}, "overhead", 0.01),
    ],
)
def test_what_bounds_an_operator(values: dict[str, object], bound: str, fraction: float) -> None:
    peak = PeakPerformance(1, {"engine": {"fp32": 100.0, "int8": 400.0}}, 20.0)
    result = apply_roofline(operator(**values), "engine", peak)
    assert result.bound == bound
    assert result.roofline_fraction == pytest.approx(fraction)


def test_nothing_bounds_what_has_no_peak() -> None:
    assert apply_roofline(operator(flops=1e8), "engine", PeakPerformance(1)).bound is None


def test_groups_add_up() -> None:
    peak = PeakPerformance(1, {"engine": {"fp32": 100.0}}, 20.0)
    members = [
        apply_roofline(operator(flops=1e8), "engine", peak),
        apply_roofline(operator(family="activations", bytes=1e7, time_us=3000.0), "engine", peak),
        apply_roofline(operator(flops=5e7), "engine", peak),
    ]
    first, second = group_operators(members, FAMILIES, "family")
    assert (first.name, first.count, first.time_ms, first.time_share) == ("matrix products", 2, 2.0, 0.4)
    assert first.gflop == pytest.approx(0.15)
    assert first.gflops == pytest.approx(75.0)
    assert first.roofline_fraction == pytest.approx(0.75)
    assert (second.name, second.bound) == ("activations", "overhead")


def test_parts_of_the_encoder_begin_where_their_width_does() -> None:
    def places(stride: int) -> int:
        return 224 * 224 // stride**2

    sides = [
        *((places(2), 32), None, (places(4), 64), (places(4), 256), (places(4), 64)),
        *((places(8), 128), (places(8), 512), (places(16), 160), (places(16), 640), None),
        *((places(16), 320), (places(16), 1280), (places(16), 256), (places(16), 256)),
    ]
    names = assign_stages("mobile_sam", "encode", SIZE, sides, 196)
    first = [names.index(stage.name) for stage in TINY_VIT]
    assert first == [0, 3, 5, 7, 10, 12]
    assert names == sorted(names, key=[stage.name for stage in TINY_VIT].index)


def test_parts_of_an_unknown_encoder_and_of_a_decoder() -> None:
    sides = [None, (56 * 56, 96), (14 * 14, 768)]
    assert assign_stages("sam_hiera", "encode", SIZE, sides, 196) == ["beginning", "stride 4", "stride 16"]
    decoder = assign_stages(
        "mobile_sam", "decode", SIZE, [(7, 256), (196, 256), None, (4 * 196, 64), (4, 32)], 196
    )
    assert [name.split()[0] for name in decoder] == ["prompts", "image", "image", "masks:", "prompts"]
    along = assign_stages("mobile_sam", "decode", SIZE, [(7, 256), (56, 196), (7, 256), (4, 16 * 196)], 196)
    assert [name.split()[0] for name in along] == ["prompts", "image", "prompts", "masks:"]


def test_shapes_tell_places_and_width() -> None:
    assert output_size_of("Conv", [(1, 64, 56, 40)]) == (56 * 40, 64)
    assert output_size_of("MatMulIntegerToFloat", [(16, 49, 128)]) == (16 * 49, 128)
    assert output_size_of("Softmax", [(16, 4, 49, 49)]) is None


def test_onnx_runtimes_profile_is_read() -> None:
    """Events as ONNX Runtime 1.31 writes them; the first run is not counted."""

    def event(duration: int, index: str = "7") -> dict[str, object]:
        return {
            "cat": "Node",
            "name": "mm_kernel_time",
            "dur": duration,
            "args": {
                "op_name": "MatMulIntegerToFloat",
                "node_index": index,
                "input_type_shape": [{"uint8": [1, 4, 8]}, {"float": []}, {"float": [16]}],
                "output_type_shape": [{"float": [1, 4, 16]}],
            },
        }

    (result,) = parse_events([event(900), event(10), event(12), event(11)], 3)
    assert (result.name, result.dtype, result.time_us) == ("mm", "int8", 11.0)
    # 4 x 8 bytes, a scale, 16 scales, 4 x 16 numbers out, and 8 x 16 bytes of weights that it does not list.
    assert result.bytes == 32 + 4 + 64 + 256 + 128


def test_a_compute_plan_is_read() -> None:
    """Core ML's plan has weights that add up to 1; what costs nothing is left out."""

    class MLNeuralEngineComputeDevice:
        pass

    operations = [
        SimpleNamespace(operator_name="ios17.linear", outputs=[SimpleNamespace(name="y")]),
        SimpleNamespace(operator_name="const", outputs=[]),
    ]
    costs = {"ios17.linear": SimpleNamespace(weight=0.25), "const": None}
    plan = SimpleNamespace(
        model_structure=SimpleNamespace(
            program=SimpleNamespace(
                functions={"main": SimpleNamespace(block=SimpleNamespace(operations=operations))}
            )
        ),
        get_estimated_cost_for_mlprogram_operation=lambda operation: costs[operation.operator_name],
        get_compute_device_usage_for_mlprogram_operation=lambda operation: SimpleNamespace(
            preferred_compute_device=MLNeuralEngineComputeDevice()
        ),
    )
    (result,) = parse_plan(plan, 2000.0)
    assert (result.name, result.op_type, result.time_us, result.kernel) == ("y", "ios17.linear", 500.0, "npu")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_operators_of_the_real_model(runtime: str) -> None:
    pytest.importorskip(runtime)
    encode, decode = measure_tables(EngineConfig(DEFAULT_BUNDLE, runtime, None, 1), SIZE, None)
    assert (encode.role, decode.role) == ("encode", "decode")
    assert {operator.stage for operator in encode.operators} == {stage.name for stage in TINY_VIT}
    assert 0 < encode.sum_ms <= (encode.call_ms or 0.0) * 1.2
    # EdgeSAM's table gives MobileSAM 38.2 G multiply-adds at 1024x1024: 3.7 GFLOP at 224x224, windows padded less.
    gflop = sum(operator.flops for operator in encode.operators) / 1e9
    assert 2.5 < gflop < 4.5
    assert {operator.dtype for operator in encode.operators} >= {"int8", "fp32"}
