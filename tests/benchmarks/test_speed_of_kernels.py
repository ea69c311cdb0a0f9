"""How fast the kernels are, each on one core; without timing, that each does what is timed.

`pytest tests/benchmarks --benchmark-enable -p no:xdist` measures at the size of a small camera's
frame.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import KDTree

from skry_dask.kernels.field.kriging import kriging_weights, weighted_means
from skry_dask.kernels.field.neighbours import fill_gaps, reject_outliers
from skry_dask.kernels.frame.binning import bin_by_2, bin_pixels
from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.frame.brightness import scale_brightness
from skry_dask.kernels.frame.calibration import calibrate_frame, replace_bad_pixels
from skry_dask.kernels.frame.centroid import brightness_moments
from skry_dask.kernels.frame.demosaic import demosaic, mosaic_to_grey, rgb_to_grey
from skry_dask.kernels.frame.detail import area_detail, sample_bits
from skry_dask.kernels.frame.local_mean import subtract_interpolated_mean
from skry_dask.kernels.frame.noise import noise_response
from skry_dask.kernels.matching.block_match import match_blocks, preceding_neighbours
from skry_dask.kernels.matching.filter_design import TEMPLATE
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from skry_dask.kernels.matching.structure import measure_structure
from skry_dask.kernels.stacking.drizzle import add_drops, drop_overlap_table
from skry_dask.kernels.stacking.rasterise import label_spans, label_triangles, triangle_affine
from skry_dask.kernels.stacking.resample import SUM_FRACTION_BITS, add_fragments
from skry_dask.kernels.stacking.subpixel_phase import add_subpixel_variance
from tests import reference

if TYPE_CHECKING:
    from skry_dask.types import FloatArray, Frames, IntArray
    from tests.benchmarks.conftest import Mesh

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
BLOCK = 24
"""Side of blocks, px."""

WAVE = 200
"""Length of the waves that light is made of where it is resampled, px."""


def light(y: FloatArray, x: FloatArray) -> FloatArray:
    """Smooth light, 28 to 228 grey levels: what it is between pixels is known."""
    return 128 + 50 * (np.sin(2 * np.pi * y / WAVE) + np.sin(2 * np.pi * x / WAVE))


def seen_light(shape: tuple[int, int], dtype: type) -> Frames:
    return np.rint(light(*np.indices(shape))).astype(dtype)


def moved(mesh: Mesh, scale: float = 1.0) -> FloatArray:
    """Move and turn all triangles a little, by fractions of a pixel."""
    affine = np.array([[mesh.margin + 0.37, 1.0, 0.002], [mesh.margin - 0.61, -0.002, 1.0]])
    affine[:, 1:] /= scale
    return np.tile(affine, (len(mesh.triangles), 1, 1))


def light_at(shape: tuple[int, int], affine: FloatArray) -> FloatArray:
    row, column = np.indices(shape)
    return light(*(a + b * row + c * column for a, b, c in affine))


# --- align and quality -------------------------------------------------------------------------


@DTYPES
def test_area_detail(benchmark, noise, dtype):
    frame = noise(dtype)
    edges = [np.append(np.arange(0, n, 40), n) for n in frame.shape]
    bits = sample_bits(np.dtype(dtype), np.iinfo(dtype).max)
    found = benchmark(area_detail, frame, 3, *edges, bits)
    np.testing.assert_array_equal(found, reference.area_detail(frame, 3, *edges, bits))


@DTYPES
def test_halve(benchmark, noise, dtype):
    frame = noise(dtype)
    np.testing.assert_array_equal(benchmark(bin_by_2, frame), reference.bin_pixels(frame, 2))


@DTYPES
def test_shrink(benchmark, noise, dtype):
    frame = noise(dtype)
    np.testing.assert_array_equal(benchmark(bin_pixels, frame, 4), reference.bin_pixels(frame, 4))


def test_moments(benchmark, noise):
    frame = noise(np.uint8)
    np.testing.assert_array_equal(
        benchmark(brightness_moments, frame, 99), reference.brightness_moments(frame, 99)
    )


@DTYPES
def test_without_local_mean(benchmark, noise, dtype):
    frame = noise(dtype)
    local = bin_pixels(frame, 4).astype(np.float32)
    found = benchmark(subtract_interpolated_mean, frame, local, 4)
    at = np.meshgrid(*((np.arange(n) + 0.5) / 4 - 0.5 for n in frame.shape), indexing="ij")
    mean = ndimage.map_coordinates(local.astype(np.float64), at, order=1, mode="nearest")
    white = np.iinfo(dtype).max
    expected = np.clip(frame - mean + (white + 1) // 2, 0, white)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1)


@DTYPES
def test_noise_response(benchmark, noise, dtype):
    frame = noise(dtype)
    found = benchmark(noise_response, frame, 1)
    line = [1, -2, 1]
    down = ndimage.correlate1d(frame.astype(np.float64), line, 0, mode="nearest")
    expected = ndimage.correlate1d(down, line, 1, mode="nearest") / 6
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=np.iinfo(dtype).max * 1e-6)


def test_box_means(benchmark, noise):
    image = noise(np.uint8).astype(np.float32)
    found = benchmark(box_means, image, BLOCK)
    expected = ndimage.uniform_filter(image.astype(np.float64), BLOCK, mode="nearest")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# --- matching ----------------------------------------------------------------------------------


def test_structure(benchmark, noise):
    image = noise(np.uint8).astype(np.float32)
    found = benchmark(measure_structure, image, 3, BLOCK)
    # Noise is white: any two pixels differ as much, and gradients go either way.
    inner = (slice(BLOCK, -BLOCK),) * 2
    assert found.near_change[inner].mean() == pytest.approx(8 * image.var(), rel=0.05)
    assert found.far_change[inner].mean() == pytest.approx(
        found.near_change[inner].mean(), rel=0.05
    )
    sums = found.min_eigenvalue[inner] + found.max_eigenvalue[inner]
    assert sums.mean() == pytest.approx(image.var(), rel=0.05)


def corners_of_blocks(shape: tuple[int, int]) -> IntArray:
    """Corners of blocks one beside the other, 16 px from the border."""
    return np.stack(
        np.mgrid[16 : shape[0] - BLOCK - 15 : BLOCK, 16 : shape[1] - BLOCK - 15 : BLOCK], axis=-1
    ).reshape(-1, 2)


@DTYPES
def test_cut_blocks(benchmark, texture, dtype):
    image = texture(dtype)
    corners = corners_of_blocks(image.shape)
    blocks = benchmark(make_reference_blocks, image, corners, BLOCK)
    assert len(blocks) == len(corners)
    # The pattern of a block is the block without level and slopes, up to rounding.
    for corner, weights in zip(corners[::17], blocks.full.weights[::17], strict=True):
        y, x = corner
        own = reference.without_plane(image[y : y + BLOCK, x : x + BLOCK].astype(np.float64))
        pattern = weights[TEMPLATE, : (BLOCK + 2) ** 2]
        inner = pattern.reshape(BLOCK + 2, -1)[1:-1, 1:-1]
        assert np.corrcoef(own.ravel(), inner.ravel())[0, 1] > 0.9999


@DTYPES
def test_match_blocks(benchmark, texture, dtype):
    image = texture(dtype)
    shift = np.array([3, -2])
    corners = corners_of_blocks(image.shape)
    blocks = make_reference_blocks(image, corners, BLOCK)
    earlier = preceding_neighbours(corners, 3 * BLOCK)
    frames = np.roll(image, shift, axis=(0, 1))[None]
    found = benchmark(match_blocks, frames, corners[None], blocks, 8, earlier)
    np.testing.assert_allclose(found[0, :, :2], np.tile(shift, (len(corners), 1)), atol=0.05)
    assert found[..., 2].min() > 0.99


# --- stack -------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("kind", ["bilinear", "cubic", "sharp-cubic", "lanczos3"])
def test_add_fragments(benchmark, shape, mesh, dtype, kind):
    frame, affine = seen_light(shape, dtype), moved(mesh)
    total = np.zeros((2, *mesh.shape), np.int64)
    fragments = (mesh.spans, mesh.first, affine, mesh.everything)
    benchmark(add_fragments, frame, *fragments, total, interpolation=kind)
    assert total[1].min() == total[1].max() > 0
    mean = total[0] / total[1] / 2**SUM_FRACTION_BITS
    # Grey levels are whole, of which taps of both signs add up.
    np.testing.assert_allclose(mean, light_at(mesh.shape, affine[0]), atol=1.2)


@DTYPES
def test_add_drops(benchmark, shape, mesh, dtype):
    frame, affine, scale = seen_light(shape, dtype), moved(mesh, 2.0), 2.0
    big = tuple(2 * n for n in mesh.shape)
    spans, first = label_spans(np.kron(mesh.labels, np.ones((2, 2), np.int64)), len(affine))
    total = np.zeros((2, *big), np.int64)
    table, sites = drop_overlap_table(scale, 0.8), np.ones((2, 2), np.int64)
    benchmark(add_drops, frame, spans, first, affine, mesh.everything, table, sites, total)
    hit = total[1] > 0
    assert hit.mean() > 0.9
    mean = total[0][hit] / total[1][hit]
    # A drop's light is that of a place up to 0.65 px away along either axis.
    np.testing.assert_allclose(mean, light_at(big, affine[0])[hit], atol=3)


def test_scale_light(benchmark, noise):
    frame = noise(np.uint16)
    found = benchmark(scale_brightness, frame, 4500, 99)
    np.testing.assert_array_equal(found, reference.scale_brightness(frame, 4500, 99))


# --- colour and calibration --------------------------------------------------------------------


@DTYPES
def test_demosaic(benchmark, noise, dtype):
    frame = noise(dtype)
    np.testing.assert_array_equal(
        benchmark(demosaic, frame, "GRBG"), reference.demosaic(frame, "GRBG")
    )


@DTYPES
def test_grey_of_mosaic(benchmark, noise, dtype):
    frame = noise(dtype)
    np.testing.assert_array_equal(benchmark(mosaic_to_grey, frame), reference.mosaic_to_grey(frame))


@DTYPES
def test_grey_of_rgb(benchmark, noise, dtype):
    frame = noise(dtype, 3)
    np.testing.assert_array_equal(benchmark(rgb_to_grey, frame), reference.rgb_to_grey(frame))


@DTYPES
def test_calibrate_frame(benchmark, noise, dtype):
    frame = noise(dtype, bits=8)
    rng = np.random.default_rng(4)
    dark = rng.integers(0, 2000, frame.shape, np.int32)
    gain = rng.integers(3000, 6000, frame.shape, np.int32)
    found = benchmark(calibrate_frame, frame, dark, gain, 7, 900)
    expected = reference.calibrate_frame(frame, dark, gain, 7, 900)
    np.testing.assert_array_equal(found, expected)


def test_replace_pixels(benchmark, noise):
    frame = noise(np.uint8)
    rng = np.random.default_rng(5)
    bad = np.unravel_index(rng.choice(frame.size, frame.size // 1000, replace=False), frame.shape)
    bad = np.sort(np.stack(bad, axis=1), axis=0)
    expected = reference.replace_bad_pixels(frame, bad, 2)
    # Bad pixels are not taken from each other, so that doing it again changes nothing.
    benchmark(replace_bad_pixels, frame, bad, 2)
    np.testing.assert_array_equal(frame, expected)


# --- fields of vectors -------------------------------------------------------------------------


def test_reject_outliers(benchmark, mesh, neighbours):
    field = 0.02 * mesh.corners
    wrong = np.arange(len(field)) % 9 == 4
    field[wrong] += 12
    (kept,) = benchmark(reject_outliers, field[None], *neighbours, 1.5)
    assert not kept[wrong].any()
    assert kept[~wrong].mean() > 0.9  # between two wrong ones even a right one stands out


def test_fill_gaps(benchmark, mesh, neighbours):
    field = 0.02 * mesh.corners
    valid = np.arange(len(field)) % 9 != 4
    seen = np.where(valid[:, None], field, np.nan)
    (filled,) = benchmark(fill_gaps, seen[None], valid[None], *neighbours)
    groups = [neighbours[1][i:j].tolist() for i, j in pairwise(neighbours[0])]
    np.testing.assert_allclose(filled, reference.fill_gaps(field, valid, groups), atol=1e-12)


def near_ones(mesh: Mesh) -> IntArray:
    """Find the points near the middle of each triangle."""
    n_near = min(32, len(mesh.corners))
    middles = mesh.corners[mesh.triangles].mean(axis=1)
    return KDTree(mesh.corners).query(middles, n_near)[1].astype(np.int64)


def test_kriging_weights(benchmark, mesh):
    middles = mesh.corners[mesh.triangles].mean(axis=1)
    noise = np.full(len(mesh.corners), 0.2)
    weights = benchmark(kriging_weights, middles, mesh.corners, near_ones(mesh), 40.0, noise)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)
    # The nearest counts most, nearly everywhere.
    assert (weights.argmax(axis=1) < 3).mean() > 0.9


def test_weighted_neighbours(benchmark, mesh):
    rng = np.random.default_rng(6)
    nearest = near_ones(mesh)
    weights = rng.uniform(size=nearest.shape)
    values = rng.normal(size=(16, len(mesh.corners)))
    found = benchmark(weighted_means, values, nearest, weights)
    np.testing.assert_allclose(found, (values[:, nearest] * weights).sum(axis=2), rtol=1e-9)


# --- triangles to pixels -----------------------------------------------------------------------


def test_label_triangles(benchmark, mesh):
    labels = benchmark(label_triangles, mesh.corners, mesh.triangles, *mesh.shape)
    a, b, c = (mesh.corners[mesh.triangles[labels, k]] for k in range(3))
    sides = np.stack([b - a, c - a], axis=-1)
    pixels = np.stack(np.indices(mesh.shape), axis=-1) - a
    shares = np.linalg.solve(sides, pixels[..., None])[..., 0]
    assert shares.min() > -1e-3
    assert shares.sum(axis=-1).max() < 1 + 1e-3


def test_label_spans(benchmark, mesh):
    spans, first = benchmark(label_spans, mesh.labels, len(mesh.triangles))
    again = np.full(mesh.shape, -1)
    for label, (row, begin, end) in zip(
        np.repeat(np.arange(len(first) - 1), np.diff(first)), spans, strict=True
    ):
        assert (again[row, begin:end] == -1).all()
        again[row, begin:end] = label
    np.testing.assert_array_equal(again, mesh.labels)


def test_triangle_affine(benchmark, mesh):
    motion = np.random.default_rng(7).normal(size=mesh.corners.shape)
    affine = benchmark(triangle_affine, mesh.corners, mesh.triangles, motion, (5.0, 9.0))
    corners = mesh.corners[mesh.triangles]
    ones = np.concatenate([np.ones((*corners.shape[:2], 1)), corners], axis=2)
    found = np.einsum("tak,tck->tca", affine, ones)
    np.testing.assert_allclose(found, corners + motion[mesh.triangles] + [5, 9], atol=1e-6)


def test_add_between(benchmark):
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(16, 800, 2))
    triangles, pixels = rng.integers(0, 800, (1600, 3)), rng.integers(0, 600, 1600)
    chosen = rng.uniform(size=(16, 1600)) < 0.3
    out = np.zeros((2, 2), np.int64)
    benchmark(add_subpixel_variance, motion, triangles, pixels, chosen, 2.0**20, out)
    expected = np.zeros((2, 2), np.int64)
    reference.add_subpixel_variance(motion, triangles, pixels, chosen, 2.0**20, expected)
    # It has been added as often as it was timed.
    np.testing.assert_array_equal(out * expected[0, 1], expected * out[0, 1])
