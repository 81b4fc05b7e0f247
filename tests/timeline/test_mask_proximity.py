"""Distance and probability against closed forms: half planes, discs, and positions in and out of the frame."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.timeline import MaskProximity

SIZE = (400, 600)


def half_plane(edge_px: int = 300) -> NDArray[np.bool_]:
    """A mask, everything left of a column."""
    mask = np.zeros(SIZE, bool)
    mask[:, :edge_px] = True
    return mask


def disc(radius_px: float, x_px: float = 300.0, y_px: float = 200.0) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.asarray(np.hypot(columns - x_px, rows - y_px) <= radius_px)


def isotropic(sigma_px: float) -> tuple[float, float, float]:
    return sigma_px**2, 0.0, sigma_px**2


class TestDistance:
    def test_of_a_box(self) -> None:
        mask = np.zeros(SIZE, bool)
        mask[100:200, 250:350] = True
        points = np.array(
            [
                [300.0, 150.0],  # inside
                [250.0, 100.0],  # the corner of the first pixel
                [349.999, 199.999],  # just within the last pixel
                [350.0, 150.0],  # on the right border, which the next pixel begins with
                [360.0, 150.0],
                [300.0, 60.0],
                [353.0, 204.0],  # off a corner: 3 and 4 pixels
                [-50.0, 150.0],  # outside the frame
                [300.0, 700.0],
            ]
        )
        found = MaskProximity(mask).distances_px(points)
        np.testing.assert_allclose(found, [0, 0, 0, 0, 10, 40, 5, 300, 500], atol=1e-9)

    def test_in_a_hole_is_to_the_rim(self) -> None:
        mask = np.zeros(SIZE, bool)
        mask[100:200, 100:200] = True
        mask[140:160, 140:160] = False
        found = MaskProximity(mask).distances_px(np.array([[150.0, 150.0], [142.0, 150.0]]))
        np.testing.assert_allclose(found, [10, 2])

    def test_of_a_single_pixel_at_the_corner_of_the_frame(self) -> None:
        mask = np.zeros(SIZE, bool)
        mask[0, 0] = True
        found = MaskProximity(mask).distances_px(np.array([[0.2, 0.9], [4.0, 5.0], [-3.0, -4.0]]))
        np.testing.assert_allclose(found, [0, 5, 5])

    @given(x=st.floats(-50, 650), y=st.floats(-50, 450))
    def test_equals_the_nearest_of_all_pixels(self, x: float, y: float) -> None:
        mask = disc(37.0, 290.0, 180.0) & ~disc(12.0, 300.0, 190.0)
        rows, columns = np.nonzero(mask)
        gap_x = np.maximum(np.maximum(columns - x, x - columns - 1), 0)
        gap_y = np.maximum(np.maximum(rows - y, y - rows - 1), 0)
        (found,) = MaskProximity(mask).distances_px(np.array([[x, y]]))
        assert found == pytest.approx(np.hypot(gap_x, gap_y).min(), abs=1e-9)


class TestProbability:
    @pytest.mark.parametrize("sigma_px", [0.8, 2.0, 9.0, 15.0, 31.0])
    @pytest.mark.parametrize("offset_sigmas", [-3.0, -1.0, -0.2, 0.0, 0.5, 2.0])
    def test_at_a_straight_edge_is_the_normal_distribution(
        self, sigma_px: float, offset_sigmas: float
    ) -> None:
        found = MaskProximity(half_plane()).probability(
            300 + offset_sigmas * sigma_px, 200.0, isotropic(sigma_px)
        )
        assert found == pytest.approx(NormalDist().cdf(-offset_sigmas), abs=4e-3)

    @pytest.mark.parametrize("radius_px", [6.0, 20.0, 60.0])
    @pytest.mark.parametrize("sigma_px", [4.0, 9.0, 25.0])
    def test_in_the_middle_of_a_disc_is_the_rayleigh_distribution(
        self, radius_px: float, sigma_px: float
    ) -> None:
        mask = disc(radius_px)
        # The disc of pixels has the area of a disc of about this radius.
        radius_px = math.sqrt(mask.sum() / math.pi)
        found = MaskProximity(mask).probability(300.0, 200.0, isotropic(sigma_px))
        assert found == pytest.approx(1 - math.exp(-(radius_px**2) / (2 * sigma_px**2)), abs=6e-3)

    def test_uncertainty_may_differ_by_direction(self) -> None:
        proximity = MaskProximity(half_plane())
        across, along = (
            proximity.probability(310.0, 200.0, covariance)
            for covariance in ((400.0, 0.0, 4.0), (4.0, 0.0, 400.0))
        )
        assert across == pytest.approx(NormalDist().cdf(-0.5), abs=4e-3)
        assert along == pytest.approx(0.0, abs=1e-4)

    def test_correlated_uncertainty_is_that_of_the_rotated_axes(self) -> None:
        """Errors along the diagonal only: across the edge of a half plane the variance is xx alone."""
        found = MaskProximity(half_plane()).probability(312.0, 200.0, (144.0, 130.0, 144.0))
        assert found == pytest.approx(NormalDist().cdf(-1.0), abs=4e-3)

    def test_deep_inside_is_one_and_far_away_is_nothing(self) -> None:
        proximity = MaskProximity(half_plane())
        assert proximity.probability(150.0, 200.0, isotropic(9.0)) == pytest.approx(1.0, abs=1e-4)
        assert proximity.probability(580.0, 200.0, isotropic(9.0)) == 0.0
        assert proximity.probability(5000.0, -300.0, isotropic(9.0)) == 0.0

    def test_outside_the_frame_is_no_object(self) -> None:
        assert MaskProximity(np.ones(SIZE, bool)).probability(0.0, 200.0, isotropic(9.0)) == pytest.approx(
            0.5, abs=4e-3
        )

    def test_a_margin_widens_the_object(self) -> None:
        found = MaskProximity(half_plane(), margin_px=9.0).probability(309.0, 200.0, isotropic(6.0))
        # The margin reaches to the centres of pixels that are no farther: nine columns.
        assert found == pytest.approx(0.5, abs=4e-3)
        wide = MaskProximity(disc(10.0), margin_px=20.0).probability(300.0, 200.0, isotropic(15.0))
        assert wide == pytest.approx(1 - math.exp(-(30.0**2) / (2 * 15.0**2)), abs=1e-2)

    @given(
        x=st.floats(-100, 700),
        y=st.floats(-100, 500),
        xx=st.floats(0, 1e4),
        yy=st.floats(0, 1e4),
        correlation=st.floats(-1, 1),
    )
    def test_is_a_probability(self, x: float, y: float, xx: float, yy: float, correlation: float) -> None:
        covariance = xx, correlation * math.sqrt(xx * yy), yy
        assert 0.0 <= MaskProximity(disc(40.0)).probability(x, y, covariance) <= 1.0
