"""Gaze on the screen becomes gaze on the picture that is shown there."""

from __future__ import annotations

import math

import pytest

from sam_edge._live.screen_eye import PicturePlace, ScreenGaze
from sam_edge._live.sources import check_eye
from sam_edge.cli import main
from sam_edge.errors import InputError, TrackerError
from sam_edge.gaze.adapters.replay import ReplaySource
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample

SCREEN, FRAME = (1000, 2000), (480, 640)


def gaze_at(x_px: float, y_px: float, *, timeout_s: float = 5.0) -> ScreenGaze:
    """Gaze that was at one place of the screen just now."""
    sample = GazeSample(host_now_ns(), x_px, y_px, covariance_px2=(400.0, 50.0, 100.0))
    source = ReplaySource([sample], name="webcam:1")
    source.open()
    return ScreenGaze(source, screen_size=SCREEN, frame_size=FRAME, timeout_s=timeout_s)


def test_positions_and_their_uncertainty_are_those_of_the_frame() -> None:
    gaze = gaze_at(900.0, 440.0)
    # The picture is 800 x 300 pixels of the screen: 0.8 frame pixels for one across, 1.6 down.
    gaze.show_at(PicturePlace(0.25, 0.2, 0.4, 0.3))
    [sample] = gaze.read(1.0)
    assert (sample.x_px, sample.y_px) == pytest.approx((320.0, 384.0))
    assert sample.covariance_px2 == pytest.approx((400 * 0.64, 50 * 1.28, 100 * 2.56))


def test_without_a_place_gaze_is_invalid_and_the_problem_is_said() -> None:
    [sample] = gaze_at(900.0, 440.0).read(1.0)
    assert not sample.valid
    assert math.isnan(sample.x_px)
    with pytest.raises(TrackerError, match="open the page in a browser on that screen"):
        gaze_at(900.0, 440.0, timeout_s=0.0).read(0.0)


@pytest.mark.parametrize("values", [(0, 0, 0, 1), (0, 0, 1, -1), (math.nan, 0, 1, 1), (0, math.inf, 1, 1)])
def test_places_that_are_refused(values: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="place: "):
        PicturePlace(*values)


@pytest.mark.parametrize(
    ("url", "eye", "message"),
    [
        ("webcam:0", "webcam", "is the camera that shows the scene, too"),
        ("webcam:1", "webcam:1?calibration=me.json", "a second camera has to see the face"),
        ("webcam:0", "gazepoint://127.0.0.1", "gives gaze on a screen"),
        ("rtsp://me:secret@host/", "tobii-pro:?size=1920x1080", r"frames are those of rtsp://\*\*\*@host/"),
    ],
)
def test_eyes_that_do_not_go_with_the_camera(url: str, eye: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_eye(url, eye)


@pytest.mark.parametrize(
    ("options", "advice"), [(["--headless"], "replace --headless by --web"), ([], "add --web")]
)
def test_a_webcam_as_the_eye_needs_the_page(
    options: list[str], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "webcam:0", "--eye=webcam:1", "--runtime=fake", *options]) == 2
    assert advice in capsys.readouterr().err
