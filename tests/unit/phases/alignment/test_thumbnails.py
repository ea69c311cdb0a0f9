"""Thumbnails, and the coarse shift between two of them."""

import numpy as np
import pytest

from skry_dask.phases.alignment.bright_objects import find_brightest_object
from skry_dask.phases.alignment.thumbnails import (
    BLANK_RANGE,
    are_blank,
    coarse_shifts,
    make_thumbnails,
    search_all_shifts,
    spectrum,
    subtract_local_mean,
)
from tests.small_captures import disc, expose, texture

SCENE = texture(270, 330, seed=5).astype(np.float32) * 200


def view(shift):
    """Cut out a thumbnail of 90 x 110 px in which the scene shows shifted."""
    return SCENE[90 - shift[0] :, 110 - shift[1] :][:90, :110]


@pytest.mark.parametrize(
    ("shape", "small"), [((100, 160), (100, 160)), ((100, 161), (50, 80)), ((612, 840), (76, 105))]
)
def test_thumbnails_are_at_most_160_px_wide(shape, small):
    thumbnail = make_thumbnails(np.full(shape, 255, np.uint8))
    assert thumbnail.shape == small
    assert thumbnail.dtype == np.float32
    assert (thumbnail == 255).all()


SHIFTS = [(0, 0), (4, -7), (-45, 0), (0, 66), (54, 0), (30, -50)]


def test_any_shift_that_leaves_a_fifth_in_common_is_found():
    reference = view((0, 0))
    for shift in SHIFTS:
        assert search_all_shifts(reference, view(shift)) == shift


def test_thumbnails_are_shifted_together_as_one_by_one():
    reference, others = view((0, 0)), np.stack([view(shift) for shift in SHIFTS])
    own = spectrum(reference)
    shifts, correlation = coarse_shifts(reference, own, others, spectrum(others))
    assert [tuple(shift) for shift in shifts.tolist()] == SHIFTS
    np.testing.assert_allclose(correlation, 1.0, atol=1e-6)
    for other, shift in zip(others, shifts, strict=True):
        (alone,), _ = coarse_shifts(reference, own, other[None], spectrum(other[None]))
        np.testing.assert_array_equal(alone, shift)


def test_unrelated_thumbnails_do_not_correlate():
    reference, other = view((0, 0)), texture(90, 110, seed=6).astype(np.float32) * 200
    _, (correlation,) = coarse_shifts(
        reference, spectrum(reference), other[None], spectrum(other[None])
    )
    assert correlation < 0.5


def test_a_small_bright_planet_is_not_blank():
    light = np.zeros((240, 320))
    light[100:112, 150:162] = 0.5
    for factor, blank in ((1, False), (BLANK_RANGE / 4, True)):
        thumbnail = make_thumbnails(expose(light * factor))
        assert are_blank(thumbnail[None], 255).tolist() == [blank]


@pytest.mark.parametrize("full", [30, 255, 4095])
def test_what_stands_out_of_the_noise_of_a_dark_capture_is_not_blank(full):
    # Of 65535 grey levels it uses a sixteenth or less.
    for light in (texture(240, 320), disc((60, 70), shape=(240, 320))):
        for noise in (0.5, 5):
            frame = expose(0.5 * light, white=full, noise=noise).astype(np.uint16)
            assert not are_blank(make_thumbnails(frame)[None], 65535)[0]
            assert find_brightest_object(make_thumbnails(frame), 65535)
            dark = expose(np.zeros((240, 320)), white=full, noise=noise).astype(np.uint16)
            assert are_blank(make_thumbnails(dark)[None], 65535)[0]
            assert find_brightest_object(make_thumbnails(dark), 65535) is None


def test_slow_variations_are_subtracted_from_a_frame():
    fall = np.linspace(0.2, 1.0, 320)
    detail = texture(240, 320) - 0.5
    frame = expose((0.5 + 0.3 * detail) * fall, noise=0)
    flat = subtract_local_mean(frame, make_thumbnails(frame)).astype(float)
    before, after = (np.ptp(image[:, 32:-32].mean(axis=0)) for image in (frame, flat))
    assert after < 0.3 * before
    assert flat.std() > 0.5 * (0.3 * 220 * detail * fall).std()
