"""What text and marks hide is filled in from what surrounds them."""

import numpy as np
import pytest

from skry_dask.capture.calibration.filling import Filling
from skry_dask.kernels.frame import calibration
from tests import reference

compiled_and_interpreted = reference.both_ways(calibration)

MASKS = {
    "text": (slice(5, 12), slice(8, 30)),
    "at the corner": (slice(0, 6), slice(0, 20)),
    "column": (slice(None), slice(10, 12)),
}


def mask_of(*names, shape=(24, 40)):
    mask = np.zeros(shape, bool)
    for name in names:
        mask[MASKS[name]] = True
    return mask


def filled(frame, mask, step=1):
    out = frame.copy()
    Filling.of(mask, step).fill(out)
    return out


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("name", MASKS)
def test_a_ramp_goes_on_where_it_is_masked_and_all_else_stays(name, step):
    mask = mask_of(name)
    y, x = np.indices(mask.shape)
    filters = np.where((y % 2 == 0) & (x % 2 == 0), 900, 0) * (step - 1)
    frame = (1000 + filters + 10 * (x if name == "column" else y)).astype(np.uint16)
    out = filled(np.where(mask, 65535, frame).astype(np.uint16), mask, step)
    np.testing.assert_array_equal(out[~mask], frame[~mask])
    # Beside a corner there is nothing to interpolate to.
    limit = 70 if name == "at the corner" else 25 * step
    assert np.abs(out.astype(int) - frame)[mask].max() <= limit


def test_channels_do_not_mix():
    mask = mask_of("text")
    frame = np.zeros((*mask.shape, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    np.testing.assert_array_equal(filled(np.where(mask[..., None], 255, frame), mask), frame)


def test_where_a_masked_row_crosses_a_masked_column_the_nearest_pixel_counts():
    mask = np.zeros((20, 30), bool)
    mask[9:11], mask[:, 14:16] = True, True
    for step in (1, 2):
        out = filled(np.where(mask, 255, 80).astype(np.uint8), mask, step)
        assert (out == 80).all()


def test_the_kernel_has_the_bits_of_its_twin():
    rng = np.random.default_rng(5)
    mask = mask_of("text", "column")
    for shape in (mask.shape, (*mask.shape, 3)):
        for dtype in (np.uint8, np.uint16):
            frame = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
            filling = Filling.of(mask, 2)
            expected = reference.fill_pixels(frame, *filling)
            view = np.stack([frame, frame], axis=1)[:, 0]  # strided
            filling.fill(view)
            np.testing.assert_array_equal(view, expected)


def test_a_part_of_the_frame_is_filled_alike_within_reach():
    rng = np.random.default_rng(5)
    mask = mask_of("text", "column")
    frame = rng.integers(0, 255, mask.shape, np.uint8)
    whole, filling = filled(frame, mask, 2), Filling.of(mask, 2)
    assert 0 < filling.reach < 20
    rows, columns = slice(2, 22), slice(0, 36)
    part = frame[rows, columns].copy()
    filling.cropped(rows, columns).fill(part)
    exact = columns.stop - filling.reach
    np.testing.assert_array_equal(part[3:10, :exact], whole[5:12, :exact])


def test_a_mask_of_nothing_or_of_everything_changes_nothing():
    frame = np.random.default_rng(5).integers(0, 255, (6, 8), np.uint8)
    for mask in (np.zeros(frame.shape, bool), np.ones(frame.shape, bool)):
        for step in (1, 2):
            np.testing.assert_array_equal(filled(frame, mask, step), frame)
    assert Filling.of(np.zeros((6, 8), bool), 1).reach == 0
