"""The kernel that takes slow variation out of a frame."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.frame import local_mean
from skry_dask.kernels.frame.local_mean import subtract_interpolated_mean
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(local_mean, monkeypatch)


def twin(frame, local, factor):
    """Interpolate with scipy; exact but for the rounding."""
    at = [(np.arange(n) + 0.5) / factor - 0.5 for n in frame.shape]
    places = np.stack(np.meshgrid(*at, indexing="ij"))
    mean = ndimage.map_coordinates(np.rint(local).astype(float), places, order=1, mode="nearest")
    white = np.iinfo(frame.dtype).max
    return np.clip(frame.astype(float) - mean + (white + 1) // 2, 0, white)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("factor", [1, 2, 4, 8, 128])
@pytest.mark.parametrize("shape", [(32, 48), (37, 53)])
def test_frames_are_those_of_the_twin(dtype, factor, shape):
    shape = (260, 300) if factor == 128 else shape
    rng = np.random.default_rng(1)
    white = np.iinfo(dtype).max
    frame = rng.integers(0, white, shape, dtype, endpoint=True)
    local = rng.uniform(0, white, [n // factor for n in shape]).astype(np.float32)
    found = subtract_interpolated_mean(frame, local, factor)
    assert found.dtype == dtype
    # The mean is rounded down.
    np.testing.assert_allclose(found, twin(frame, local, factor), rtol=0, atol=1)


def test_strided_frames_and_extremes():
    frame = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    wide = np.repeat(frame, 2, axis=1)[:, ::2]
    local = np.full((4, 4), 255, np.float32)
    np.testing.assert_array_equal(
        subtract_interpolated_mean(wide, local, 2), subtract_interpolated_mean(frame, local, 2)
    )
    np.testing.assert_array_equal(subtract_interpolated_mean(frame * 0, local, 2), np.zeros((8, 8)))
    white = np.full((8, 8), 255, np.uint8)
    np.testing.assert_array_equal(subtract_interpolated_mean(white, 0 * local, 2), white)
    np.testing.assert_array_equal(subtract_interpolated_mean(white, local, 2), 128)


def test_one_pixel():
    found = subtract_interpolated_mean(np.array([[9]], np.uint16), np.array([[5]], np.float32), 1)
    np.testing.assert_array_equal(found, [[32772]])
