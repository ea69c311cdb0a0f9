"""Bad columns and rows are found, and no line of a scene is taken for one."""

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.capture.calibration.bad_lines import bad_lines_in_capture

SCENES = ("moon", "planet", "sun")
SHARP = {"bits": 12, "photons": 1e5, "read_noise": 0.3, "blur": (0.5, 0.8), "warp": 0.5}
STILL = {"jitter": 0, "drift": (0, 0)}
FILTERS = np.array([[0.7, 1.0], [1.0, 0.4]])


def mean_of(scene, *, mosaic=False, **options):
    size = {"frames": 16, "height": 200, "width": 260}
    capture = skry.simulate(scene, skry.SimulateOptions(**size, **options))
    filters = np.tile(FILTERS, (100, 130)) if mosaic else 1.0
    return capture["frames"].to_numpy().mean(axis=0) * filters / (2 ** capture.attrs["bits"] - 1)


def found(image, step=1):
    lines = bad_lines_in_capture(image, step)
    return [np.argwhere(bad.any(axis=axis)).ravel().tolist() for axis, bad in enumerate(lines[:2])]


@pytest.mark.parametrize("mosaic", [False, True])
@pytest.mark.parametrize("scene", SCENES)
def test_dead_and_bright_lines_are_found_and_nothing_else(scene, mosaic):
    mean = mean_of(scene, mosaic=mosaic)
    step = 1 + mosaic
    assert found(mean, step) == [[], []]
    bad = mean.copy()
    bad[:, 40] += 0.05
    bad[:, 133] = 0
    bad[77] += 0.04
    bad[50:120, 160] += 0.1
    assert found(bad, step) == [[40, 133, 160], [77]]
    lines = bad_lines_in_capture(bad, step)
    assert lines.columns[:, 40].all()
    assert 70 <= lines.columns[:, 160].sum() <= 96
    assert np.abs(lines.without - mean)[lines.columns | lines.rows].mean() < 0.02
    assert (lines.n_columns, lines.n_rows) == (3, 1)


@pytest.mark.parametrize("scene", SCENES)
def test_sharp_scenes_that_do_not_move_have_no_bad_lines(scene):
    assert found(mean_of(scene, **SHARP, **STILL)) == [[], []]
    assert found(mean_of(scene, **STILL)) == [[], []]


def test_each_channel_has_its_own_bad_lines():
    image = np.random.default_rng(3).normal(0.3, 0.002, (40, 50, 3))
    image[:, 7, 1], image[0, :, 2], image[:, -1, 0] = 0.4, 0.2, 0.4
    image[12, 30] = 0.9  # a hot pixel is no line
    lines = bad_lines_in_capture(image, 1)
    assert np.argwhere(lines.columns.all(axis=0)).tolist() == [[7, 1], [49, 0]]
    assert np.argwhere(lines.rows.all(axis=1)).tolist() == [[0, 2]]
    assert lines.columns.sum() + lines.rows.sum() == 2 * 40 + 50


def test_two_bad_columns_beside_each_other_are_both_found():
    image = np.random.default_rng(3).normal(0.3, 0.002, (64, 50))
    image[:, 20:22] += 0.1
    assert found(image) == [[20, 21], []]


def test_tiny_frames_have_no_bad_lines():
    for shape in ((2, 2), (3, 90), (90, 1), (31, 31)):
        for step in (1, 2):
            assert found(np.full(shape, 0.5), step) == [[], []]
