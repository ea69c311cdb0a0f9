"""The kernel that looks through the air."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.frame.warp_and_blur import warp_and_blur
from tests import reference

SIGMAS = np.array([0.9, 1.1, 1.3])
MARGIN, STEP = 12.0, 6.0


def air(rng, *, height=20, width=26, steepness=0.04):
    """Arguments for a frame of random content. The default warp is as steep as the simulator's.

    The scene has a margin of 12 px; four nodes of the grid are the warp's scale.
    """
    scene = (height + 24, width + 24)
    grid = (int(np.ceil((scene[0] - 1) / STEP)) + 1, int(np.ceil((scene[1] - 1) / STEP)) + 1)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, 40, 40)), (0, 4, 4), mode="wrap")
    shift = (steepness * 4 * STEP * smooth / smooth.std()).astype(np.float32)
    shift = np.ascontiguousarray(shift[:, : grid[0], : grid[1]])
    return {
        "levels": rng.random((3, *scene), np.float32),
        "sigmas": SIGMAS,
        "offset": rng.uniform(-3, 3, 2),
        "shift_y": shift[0],
        "shift_x": shift[1],
        "blur": rng.uniform(0.8, 1.4, grid).astype(np.float32),
        "margin": MARGIN,
        "step": STEP,
    }


def render(arguments, shape, function=warp_and_blur):
    out = np.full(shape, np.nan, np.float32)
    function(*arguments.values(), out)
    return out


@pytest.mark.parametrize("function", [warp_and_blur, warp_and_blur.py_func])
def test_agrees_with_its_twin(function):
    arguments = air(np.random.default_rng(1))
    expected = reference.warp_and_blur(*arguments.values(), (20, 26))
    # Single precision, and the kernel's one round of iteration after the first two rows.
    np.testing.assert_allclose(render(arguments, (20, 26), function), expected, atol=3e-3)


@pytest.mark.parametrize(("steepness", "error"), [(0.04, 5e-3), (0.0625, 2e-2)])
def test_displacement_is_solved(steepness, error):
    # On a ramp, what is rendered is the place that was looked at. The second warp is the steepest
    # that the simulator allows.
    arguments = air(np.random.default_rng(2), height=80, width=60, steepness=steepness)
    ramp = np.arange(arguments["levels"].shape[1], dtype=np.float32)[:, None]
    arguments["levels"] = np.broadcast_to(ramp, arguments["levels"].shape).copy()
    expected = reference.warp_and_blur(*arguments.values(), (80, 60))
    difference = np.abs(render(arguments, (80, 60)) - expected)
    assert difference.max() < error
    assert difference.mean() < error / 20


def test_strided_input_gives_the_same_bits():
    arguments = air(np.random.default_rng(3))
    expected = render(arguments, (20, 26))
    both = np.stack([arguments["shift_y"], arguments["shift_x"]], axis=-1)
    arguments |= {"shift_y": both[..., 0], "shift_x": both[..., 1]}
    arguments["levels"] = np.repeat(arguments["levels"], 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(render(arguments, (20, 26)), expected)


def test_read_only_input():
    arguments = air(np.random.default_rng(4))
    expected = render(arguments, (20, 26))
    for name in ("levels", "shift_y", "shift_x", "blur", "offset"):
        arguments[name].flags.writeable = False
    np.testing.assert_array_equal(render(arguments, (20, 26)), expected)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (1, 26), (20, 1)])
def test_small_frames_are_part_of_the_large_one(shape):
    arguments = air(np.random.default_rng(5))
    whole = render(arguments, (20, 26))
    np.testing.assert_array_equal(render(arguments, shape), whole[: shape[0], : shape[1]])


def test_a_whole_pixel_shift_moves_the_samples():
    rng = np.random.default_rng(6)
    scene = rng.random((44, 50)).astype(np.float32)
    coefficients = ndimage.spline_filter(scene, order=2, mode="mirror").astype(np.float32)
    arguments = air(rng, steepness=0.0)
    arguments |= {"levels": np.stack([coefficients] * 3), "offset": np.array([2.0, -3.0])}
    frame = render(arguments, (20, 26))
    np.testing.assert_allclose(frame, scene[10:30, 15:41], atol=1e-5)


@pytest.mark.parametrize("sigma", [0.9, 1.0, 1.17, 1.3])
def test_blur_between_two_levels(sigma):
    rng = np.random.default_rng(7)
    scene = rng.random((44, 50))
    blurred = [ndimage.gaussian_filter(scene, s) for s in SIGMAS]
    arguments = air(rng, steepness=0.0)
    arguments |= {
        "levels": np.stack([ndimage.spline_filter(b, order=2) for b in blurred]).astype("f4"),
        "blur": np.full_like(arguments["blur"], sigma),
        "offset": np.zeros(2),
    }
    expected = ndimage.gaussian_filter(scene, sigma)[12:32, 12:38]
    # Two Gaussians are not quite the one between them, but their mixture is as wide: off by 3 % of
    # the contrast of white noise, the hardest scene.
    error = render(arguments, (20, 26)) - expected
    assert np.sqrt((error**2).mean()) < 0.03 * expected.std()


def test_blur_outside_the_levels_takes_the_nearest():
    arguments = air(np.random.default_rng(8))
    blur = arguments["blur"]
    for outside, nearest in ((0.0, 0.9), (50.0, 1.3), (-1.0, 0.9)):
        expected = render(arguments | {"blur": np.full_like(blur, nearest)}, (20, 26))
        frame = render(arguments | {"blur": np.full_like(blur, outside)}, (20, 26))
        np.testing.assert_allclose(frame, expected, atol=1e-5)


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_far_outside_the_scene_its_border_is_repeated(offset):
    arguments = air(np.random.default_rng(9)) | {"offset": np.array([offset, offset])}
    arguments["levels"][:] = 0.25
    np.testing.assert_allclose(render(arguments, (20, 26)), 0.25, rtol=1e-6)
