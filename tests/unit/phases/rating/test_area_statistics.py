"""Statistics of quality: the same for any chunks of frames."""

import numpy as np
import pytest

from skry_dask.phases.rating.area_statistics import (
    best_frame_numbers,
    combine_statistics,
    frame_quality,
    partial_statistics,
    select_shown_frames,
)

N_FRAMES, N_AREAS = 12, 7
NONE = np.zeros(N_FRAMES, bool)


@pytest.fixture
def quality():
    """Quality of twelve frames, two of which are inactive."""
    values = np.random.default_rng(5).random((N_FRAMES, N_AREAS)).astype(np.float32) / 50
    values[[0, 8]] = np.nan
    return values


def chunked(values, cuts):
    return np.split(values, cuts)


CUTS = ([], [1], [4, 8], list(range(1, N_FRAMES)))


def test_statistics_are_those_of_active_frames_for_any_chunks(quality):
    results = [
        combine_statistics([partial_statistics(chunk) for chunk in chunked(quality, cuts)])
        for cuts in CUTS
    ]
    low, high, mean = results[0]
    np.testing.assert_array_equal(low, np.nanmin(quality, axis=0))
    np.testing.assert_array_equal(high, np.nanmax(quality, axis=0))
    np.testing.assert_allclose(mean, np.nanmean(quality.astype(float), axis=0), rtol=1e-6)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_the_best_frame_is_given_by_its_number_for_any_chunks(quality):
    numbers = np.arange(100, 100 + N_FRAMES)
    for cuts in CUTS:
        best = best_frame_numbers(chunked(quality, cuts), numbers, NONE)
        np.testing.assert_array_equal(best, 100 + np.nanargmax(quality, axis=0))


def test_an_excluded_frame_is_nowhere_the_best(quality):
    excluded = np.isin(np.arange(N_FRAMES), [2, 5, 8])
    found = best_frame_numbers([quality], np.arange(N_FRAMES), excluded)
    left = np.where(excluded[:, None], np.nan, quality)
    np.testing.assert_array_equal(found, np.nanargmax(left, axis=0))
    composite = select_shown_frames([quality], excluded, 4)[:, 0]
    np.testing.assert_array_equal(composite.argmax(axis=0), found)


def test_the_reference_image_stays_where_a_quarter_of_its_frames_are_excluded_at_most(quality):
    of_all = select_shown_frames([quality], NONE, 4)[:, 1]
    for number in range(1, N_FRAMES):
        excluded = np.arange(N_FRAMES) < number
        n_excluded = of_all[excluded].sum(axis=0)
        found = select_shown_frames([quality], excluded, 4)[:, 1]
        np.testing.assert_array_equal(found[:, n_excluded <= 1], of_all[:, n_excluded <= 1])
        assert not found[excluded][:, n_excluded > 1].any()


def test_selections_take_the_best_frames_for_any_chunks(quality):
    for cuts in CUTS:
        selected = select_shown_frames(chunked(quality, cuts), NONE, 4)
        np.testing.assert_array_equal(selected.sum(axis=0), [[1] * N_AREAS, [4] * N_AREAS])
        assert not selected[[0, 8]].any()
        assert (selected[:, 0] <= selected[:, 1]).all()


def test_the_quality_of_a_frame_is_weighted_by_pixels():
    area_quality = np.array([[0.1, 0.4], [np.nan, np.nan]], np.float32)
    found = frame_quality(area_quality, np.array([300, 100]))
    assert found[0] == pytest.approx(0.175)
    assert np.isnan(found[1])
    assert found.dtype == np.float32
