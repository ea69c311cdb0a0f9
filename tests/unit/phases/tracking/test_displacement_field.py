"""The displacement field of all frames: what is kept of it, and what follows."""

import dask.array as da
import numpy as np
import pytest

from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import neighbours_in_mesh
from skry_dask.phases.tracking.displacement_field import (
    INACTIVE,
    MISSING,
    MeasuredPoints,
    displacement_field,
)

REGION = Region(0, 0, 100, 120)


def scattered(most=21):
    y, x = np.meshgrid(np.arange(10, 100, 16), np.arange(10, 120, 16), indexing="ij")
    position = np.stack([y.ravel(), x.ravel()], axis=1)
    places = np.zeros((2, len(position), 2))
    return MeasuredPoints.of(position, neighbours_in_mesh(position, REGION), places, most)


def measurements(points, n_frames=50, seed=2):
    """Vectors (frame, point, axis) with gaps, and a frame that is not used."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 2, (n_frames, len(points.position), 2)) + np.array([3.0, -1.0])
    vectors[rng.random(vectors.shape[:2]) < 0.1] = np.nan
    vectors[:, 4] = np.nan
    active = np.ones(n_frames, bool)
    active[7] = False
    kept = points.encode(vectors)
    kept[7] = INACTIVE
    return vectors, kept, active


@pytest.mark.parametrize("most", [3, 21, 32, 700, 30_000])
def test_vectors_are_kept_to_a_2_15th_of_the_greatest(most):
    vectors = np.random.default_rng(1).uniform(-most + 0.5, most - 0.5, (5, 7, 2))
    vectors[2, 3] = np.nan
    points = scattered(most)
    kept = points.encode(vectors)
    assert kept.dtype == np.int16
    np.testing.assert_array_equal(kept == MISSING, np.isnan(vectors))
    missing = kept == MISSING
    np.testing.assert_allclose(
        (kept * points.step)[~missing], vectors[~missing], atol=points.step / 2
    )
    assert points.step <= most / 2**14


def test_no_vector_passes_for_one_that_is_missing():
    points = scattered(21)
    kept = points.encode(np.array([[[-1e6, 1e6]]]))
    assert kept.min() > INACTIVE
    assert kept.min() < 0 < kept.max()


def test_means_are_taken_out_and_counts_told():
    points = scattered()
    vectors, kept, active = measurements(points)
    field = displacement_field(da.from_array(kept, (8, -1, -1)), active, points)
    displacement, mean, n_valid = da.compute(*field)
    known = vectors.copy()
    known[~active] = np.nan
    counts = (~np.isnan(known[:, :, 0])).sum(axis=0)
    np.testing.assert_array_equal(n_valid, counts)
    expected = np.nan_to_num(known).sum(axis=0) / np.maximum(counts, 1)[:, None]
    np.testing.assert_allclose(mean, expected, atol=points.step)
    np.testing.assert_array_equal(mean[4], [0, 0])
    assert displacement.dtype == np.float32
    assert np.isnan(displacement[7]).all()
    assert not np.isnan(displacement[active]).any()
    np.testing.assert_allclose(displacement[active].mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("n_chunk", [1, 3, 17, 50])
def test_chunks_do_not_change_a_bit(n_chunk):
    points = scattered()
    _, kept, active = measurements(points)
    whole, parts = (
        da.compute(*displacement_field(da.from_array(kept, (n, -1, -1)), active, points))
        for n in (50, n_chunk)
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
