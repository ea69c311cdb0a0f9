"""The displacement field of all frames: encoded vectors, their mean and their gaps."""

import dask.array as da
import numpy as np

from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import neighbours_in_mesh
from skry_dask.phases.tracking.displacement_field import (
    INACTIVE,
    MISSING,
    MeasuredPoints,
    displacement_field,
)

REGION = Region(0, 0, 100, 120)


def points_on_a_grid(max_px=21):
    y, x = np.meshgrid(np.arange(10, 100, 16), np.arange(10, 120, 16), indexing="ij")
    position = np.stack([y.ravel(), x.ravel()], axis=1)
    textures = np.zeros((2, len(position), 2))
    return MeasuredPoints.of(position, neighbours_in_mesh(position, REGION), textures, max_px)


def measurements(points, n_frames=50, seed=2):
    """Draw vectors (frame, point, axis) with gaps, and encode them with an inactive frame."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 2, (n_frames, len(points.position), 2)) + np.array([3.0, -1.0])
    vectors[rng.random(vectors.shape[:2]) < 0.1] = np.nan
    vectors[:, 4] = np.nan
    active = np.ones(n_frames, bool)
    active[7] = False
    codes = points.encode(vectors)
    codes[7] = INACTIVE
    return vectors, codes, active


def test_vectors_are_encoded_to_a_2_15th_of_the_largest():
    for max_px in (3, 21, 32, 700, 30_000):
        vectors = np.random.default_rng(1).uniform(-max_px + 0.5, max_px - 0.5, (5, 7, 2))
        vectors[2, 3] = np.nan
        points = points_on_a_grid(max_px)
        codes = points.encode(vectors)
        assert codes.dtype == np.int16
        missing = codes == MISSING
        np.testing.assert_array_equal(missing, np.isnan(vectors))
        decoded = (codes * points.step)[~missing]
        np.testing.assert_allclose(decoded, vectors[~missing], atol=points.step / 2)
        assert points.step <= max_px / 2**14


def test_no_vector_has_the_code_of_a_missing_one():
    codes = points_on_a_grid().encode(np.array([[[-1e6, 1e6]]]))
    assert codes.min() > INACTIVE
    assert codes.min() < 0 < codes.max()


def test_means_are_subtracted_and_measurements_counted():
    points = points_on_a_grid()
    vectors, codes, active = measurements(points)
    field = displacement_field(da.from_array(codes, (8, -1, -1)), active, points)
    displacement, mean, n_valid, n_shown = da.compute(*field)
    known = vectors.copy()
    known[~active] = np.nan
    counts = (~np.isnan(known[:, :, 0])).sum(axis=0)
    np.testing.assert_array_equal(n_valid, counts)
    np.testing.assert_array_equal(n_shown, active.sum())
    expected = np.nan_to_num(known).sum(axis=0) / np.maximum(counts, 1)[:, None]
    np.testing.assert_allclose(mean, expected, atol=points.step)
    np.testing.assert_array_equal(mean[4], [0, 0])
    assert displacement.dtype == np.float32
    assert np.isnan(displacement[7]).all()
    assert not np.isnan(displacement[active]).any()
    np.testing.assert_allclose(displacement[active].mean(axis=0), 0, atol=1e-4)


def test_chunks_do_not_change_a_bit():
    points = points_on_a_grid()
    _, codes, active = measurements(points)
    whole, *others = (
        da.compute(*displacement_field(da.from_array(codes, (n, -1, -1)), active, points))
        for n in (50, 1, 3, 17)
    )
    for other in others:
        for expected, found in zip(whole, other, strict=True):
            np.testing.assert_array_equal(found, expected)
