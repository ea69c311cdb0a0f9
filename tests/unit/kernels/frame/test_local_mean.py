"""A frame without what varies slowly."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.frame import local_mean
from skry_dask.kernels.frame.local_mean import subtract_interpolated_mean
from tests import reference

_kernels = reference.both_ways(local_mean)


def twin(frame, means, factor):
    """Interpolate with SciPy, exact except for rounding."""
    at = [(np.arange(n) + 0.5) / factor - 0.5 for n in frame.shape]
    places = np.stack(np.meshgrid(*at, indexing="ij"))
    mean = ndimage.map_coordinates(np.rint(means).astype(float), places, order=1, mode="nearest")
    white = np.iinfo(frame.dtype).max
    return np.clip(frame.astype(float) - mean + (white + 1) // 2, 0, white)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_interpolated_mean_is_subtracted(dtype):
    rng = np.random.default_rng(1)
    white = np.iinfo(dtype).max
    for factor, shape in (
        (1, (7, 9)),
        (2, (32, 48)),
        (4, (37, 53)),
        (8, (37, 53)),
        (128, (140, 260)),
    ):
        frame = rng.integers(0, white, shape, dtype, endpoint=True)
        means = rng.uniform(0, white, [n // factor for n in shape]).astype(np.float32)
        found = subtract_interpolated_mean(frame, means, factor)
        assert found.dtype == dtype
        # The mean is rounded down.
        np.testing.assert_allclose(found, twin(frame, means, factor), rtol=0, atol=1)


def test_strided_frames_give_the_result_of_their_copies():
    frame = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    means = np.arange(16, dtype=np.float32).reshape(4, 4) * 9
    strided = np.repeat(frame, 2, axis=1)[:, ::2]
    expected = subtract_interpolated_mean(frame, means, 2)
    np.testing.assert_array_equal(subtract_interpolated_mean(strided, means, 2), expected)


def test_results_are_clipped_at_black_and_white():
    black, white = np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)
    dark, bright = np.zeros((4, 4), np.float32), np.full((4, 4), 255, np.float32)
    for frame, means, expected in ((black, bright, 0), (white, dark, 255), (white, bright, 128)):
        assert (subtract_interpolated_mean(frame, means, 2) == expected).all()


def test_a_frame_may_have_one_pixel():
    found = subtract_interpolated_mean(np.array([[9]], np.uint16), np.array([[5]], np.float32), 1)
    assert found.tolist() == [[32772]]
