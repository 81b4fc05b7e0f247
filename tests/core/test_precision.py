"""Names of number formats: one set, former names with a warning, files of earlier versions without one."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sam_edge
from sam_edge.bundle import Manifest, open_bundle
from sam_edge.cli import main
from sam_edge.cli.command_line import make_parser
from sam_edge.config import Config, read_config
from sam_edge.errors import InputError
from sam_edge.precision import (
    EXPORT_PRECISIONS,
    FORMER_NAMES,
    PRECISIONS,
    check_precision,
    current_name,
    replace_former_name,
)
from sam_edge.profile.plan import choose_engines
from sam_edge.runtimes import RuntimeOptions
from sam_edge.segmenter import DEFAULT_BUNDLE

BUNDLE_OF_0_1 = Path(__file__).parent / "bundle_of_0_1"
"""A bundle whose manifest version 0.1 wrote, with a file of five bytes for a graph."""


@pytest.mark.parametrize(("former", "name"), FORMER_NAMES.items())
def test_a_former_name_is_replaced_with_a_warning_that_names_both(former: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"precision: '{former}' is now called '{name}'") as caught:
        assert replace_former_name(former, stacklevel=2) == name
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("name", [*EXPORT_PRECISIONS, "none", ""])
def test_todays_names_stay_and_warn_of_nothing(name: str) -> None:
    assert replace_former_name(name) == name == current_name(name)


def test_no_name_is_both_a_former_and_a_present_one() -> None:
    assert not FORMER_NAMES.keys() & set(EXPORT_PRECISIONS)
    assert set(FORMER_NAMES.values()) <= set(EXPORT_PRECISIONS)
    assert set(PRECISIONS) <= set(EXPORT_PRECISIONS)


@given(st.lists(st.sampled_from([*FORMER_NAMES, *EXPORT_PRECISIONS]), min_size=1))
def test_names_in_files_are_brought_up_to_date_once(names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        now = current_name("+".join(names))
    assert now == current_name(now)
    assert now.split("+") == [FORMER_NAMES.get(name, name) for name in names]


def test_an_unknown_name_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(
        InputError, match=r"precision: 'fp8' is not accepted; accepted: fp32, fp16, bf16, int8$"
    ):
        check_precision("fp8")


class TestApi:
    """Where a program names a precision."""

    def test_load_warns_at_the_line_of_its_caller(self) -> None:
        with pytest.warns(DeprecationWarning, match="'f32' is now called 'fp32'") as caught:
            model = sam_edge.load(runtime="onnxruntime", precision="f32")
        model.close()
        assert [warning.filename for warning in caught] == [__file__]

    def test_options_hold_todays_name(self) -> None:
        with pytest.warns(DeprecationWarning, match="'f16' is now called 'fp16'") as caught:
            assert RuntimeOptions(precision="f16").precision == "fp16"
        assert [warning.filename for warning in caught] == [__file__]

    def test_former_and_present_names_are_one_engine_to_the_profile(self) -> None:
        with pytest.warns(DeprecationWarning, match="'f32' is now called 'fp32'"):
            found = choose_engines(runtimes=["onnxruntime"], precisions=["f32", "fp32"])
        assert [engine.precision for engine in found] == ["fp32"]


class TestFiles:
    """What earlier versions wrote."""

    def test_a_bundle_opens_without_a_warning(self) -> None:
        assert json.loads((BUNDLE_OF_0_1 / "manifest.json").read_text())["precision"] == "p6"
        manifest = open_bundle(BUNDLE_OF_0_1).manifest
        assert (manifest.precision, manifest.name) == ("palette6", "mobile_sam-coreml-p6")

    def test_the_gate_knows_its_thresholds(self) -> None:
        pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
        from sam_edge.exporters.gate import OF_TARGET, thresholds_for

        manifest: Manifest = open_bundle(BUNDLE_OF_0_1).manifest
        assert thresholds_for(manifest) is OF_TARGET["coreml", "palette6"]

    def test_the_bundle_in_the_package_has_todays_name(self) -> None:
        written = json.loads((DEFAULT_BUNDLE / "manifest.json").read_text())
        assert written["precision"] == open_bundle(DEFAULT_BUNDLE).manifest.precision == "int8"

    def test_a_configuration_is_read_with_a_warning(self, tmp_path: Path) -> None:
        path = tmp_path / "config.json"
        Config(runtime="onnxruntime", precision="f32").write(path)
        with pytest.warns(DeprecationWarning, match="config.json: precision: 'f32' is now called 'fp32'"):
            assert read_config(path).precision == "fp32"


class TestCommandLine:
    """`--precision`."""

    def test_a_former_name_is_replaced_with_a_warning(self) -> None:
        with pytest.warns(DeprecationWarning, match="--precision: 'w8a8' is now called 'int8'"):
            args = make_parser().parse_args(
                ["export", "--checkpoint", "a.pt", "--precision", "w8a8", "--out", "b"]
            )
        assert args.precision == "int8"

    @pytest.mark.parametrize(
        "arguments",
        [
            ["segment", "picture.jpg", "--precision", "fp8"],
            ["export", "--checkpoint", "a.pt", "--out", "b", "--precision", "fp8"],
            ["profile", "--precision", "fp32,fp8", "--out", "profile"],
        ],
    )
    def test_an_unknown_name_is_an_error_with_the_accepted_ones(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        try:
            status = main(arguments)
        except SystemExit as error:
            status = int(error.code or 0)
        message = capsys.readouterr().err
        assert status == 2
        assert "--precision: 'fp8' is not accepted; accepted: fp32, fp16, bf16, int8" in message.replace(
            "--precision: --", "--"
        )
