"""The kernel that scales a frame's light."""

import numpy as np
import pytest

from skry_dask.kernels.frame import scale_light as module
from skry_dask.kernels.frame.scale_light import SCALED_BITS, UNITY_BITS, scale_light
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(module, monkeypatch)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("gain", [512, 4000, 4096, 4097, 32768])
@pytest.mark.parametrize("black", [0, 33])
def test_light_is_scaled_as_by_the_twin(dtype, gain, black):
    plane = np.random.default_rng(1).integers(0, 200, (5, 6)).astype(dtype)
    plane[0, 0] = {np.uint8: 255, np.uint16: 65535, np.int32: 65535 * 16}[dtype]
    before = plane.copy()
    found = scale_light(plane, gain, black)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, reference.scale_light(plane, gain, black))
    np.testing.assert_array_equal(plane, before)


def test_negative_light_is_rounded_like_positive():
    plane = np.array([[-5, 5]], np.int32)
    assert scale_light(plane, 1 << UNITY_BITS, 0).tolist() == [[-5 << SCALED_BITS, 80]]


def test_strided_and_empty_planes_will_do():
    plane = np.arange(40, dtype=np.uint8).reshape(5, 8)[::2, ::-3]
    found = scale_light(plane, 1 << UNITY_BITS, 7)
    np.testing.assert_array_equal(found, plane.astype(int) << SCALED_BITS)
    assert scale_light(np.empty((0, 4), np.uint8), 4096, 0).shape == (0, 4)
