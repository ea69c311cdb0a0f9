"""Rendering of frames as turbulence shows them."""

import numpy as np
from scipy import ndimage

from skry_dask.kernels.frame import warp_and_blur as module
from skry_dask.kernels.frame.warp_and_blur import warp_and_blur
from tests import reference

SIGMAS = np.array([0.9, 1.1, 1.3])
MARGIN, STEP = 12.0, 6.0
SHAPE = (20, 26)


def turbulence(rng, *, shape=SHAPE, steepness=0.04):
    """Arguments for a frame of random content; the default warp is as steep as the simulator's.

    The scene has a margin of 12 px; four nodes of the grid are the scale of the warp.
    """
    scene = (shape[0] + 24, shape[1] + 24)
    grid = [int(np.ceil((n - 1) / STEP)) + 1 for n in scene]
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


def render(arguments, shape=SHAPE):
    out = np.full(shape, np.nan, np.float32)
    warp_and_blur(*arguments.values(), out)
    return out


def test_frames_are_those_of_the_twin_compiled_and_interpreted(monkeypatch):
    arguments = turbulence(np.random.default_rng(1))
    expected = reference.warp_and_blur(*arguments.values(), SHAPE)
    # Single precision, and one round of iteration after the first two rows.
    np.testing.assert_allclose(render(arguments), expected, atol=3e-3)
    reference.interpret(module, monkeypatch)
    np.testing.assert_allclose(render(arguments), expected, atol=3e-3)


def test_displacements_are_solved_for_even_the_steepest_warp():
    # On a ramp, the value that is rendered is the place that was sampled. The second warp is the
    # steepest that the simulator allows.
    for steepness, error in ((0.04, 5e-3), (0.0625, 2e-2)):
        arguments = turbulence(np.random.default_rng(2), shape=(80, 60), steepness=steepness)
        ramp = np.arange(arguments["levels"].shape[1], dtype=np.float32)[:, None]
        arguments["levels"] = np.broadcast_to(ramp, arguments["levels"].shape).copy()
        expected = reference.warp_and_blur(*arguments.values(), (80, 60))
        difference = np.abs(render(arguments, (80, 60)) - expected)
        assert difference.max() < error
        assert difference.mean() < error / 20


def test_strided_and_read_only_input_gives_the_same_bits():
    arguments = turbulence(np.random.default_rng(3))
    expected = render(arguments)
    both = np.stack([arguments["shift_y"], arguments["shift_x"]], axis=-1)
    strided = arguments | {"shift_y": both[..., 0], "shift_x": both[..., 1]}
    strided["levels"] = np.repeat(arguments["levels"], 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(render(strided), expected)
    for name in ("levels", "shift_y", "shift_x", "blur", "offset"):
        arguments[name].flags.writeable = False
    np.testing.assert_array_equal(render(arguments), expected)


def test_small_frames_are_a_corner_of_the_large_one():
    arguments = turbulence(np.random.default_rng(5))
    whole = render(arguments)
    for shape in ((0, 0), (0, 5), (1, 1), (1, 26), (20, 1)):
        np.testing.assert_array_equal(render(arguments, shape), whole[: shape[0], : shape[1]])


def test_a_shift_by_whole_pixels_moves_the_samples():
    rng = np.random.default_rng(6)
    scene = rng.random((44, 50)).astype(np.float32)
    coefficients = ndimage.spline_filter(scene, order=2, mode="mirror").astype(np.float32)
    arguments = turbulence(rng, steepness=0.0)
    arguments |= {"levels": np.stack([coefficients] * 3), "offset": np.array([2.0, -3.0])}
    np.testing.assert_allclose(render(arguments), scene[10:30, 15:41], atol=1e-5)


def test_blur_between_two_levels_is_as_wide_as_asked():
    rng = np.random.default_rng(7)
    scene = rng.random((44, 50))
    blurred = [ndimage.gaussian_filter(scene, s) for s in SIGMAS]
    levels = np.stack([ndimage.spline_filter(b, order=2) for b in blurred]).astype("f4")
    still = turbulence(rng, steepness=0.0) | {"levels": levels, "offset": np.zeros(2)}
    for sigma in (0.9, 1.0, 1.17, 1.3):
        frame = render(still | {"blur": np.full_like(still["blur"], sigma)})
        expected = ndimage.gaussian_filter(scene, sigma)[12:32, 12:38]
        # A mixture of two Gaussians is not quite the one between them, but as wide: off by 3 % of
        # the contrast of white noise, the hardest scene.
        assert np.sqrt(((frame - expected) ** 2).mean()) < 0.03 * expected.std()


def test_blur_outside_the_levels_is_that_of_the_nearest_level():
    arguments = turbulence(np.random.default_rng(8))
    blur = arguments["blur"]
    for outside, nearest in ((0.0, 0.9), (50.0, 1.3), (-1.0, 0.9)):
        expected = render(arguments | {"blur": np.full_like(blur, nearest)})
        frame = render(arguments | {"blur": np.full_like(blur, outside)})
        np.testing.assert_allclose(frame, expected, atol=1e-5)


def test_far_outside_the_scene_its_border_is_repeated():
    for offset in (1e6, -1e6):
        arguments = turbulence(np.random.default_rng(9)) | {"offset": np.array([offset, offset])}
        arguments["levels"][:] = 0.25
        np.testing.assert_allclose(render(arguments), 0.25, rtol=1e-6)
