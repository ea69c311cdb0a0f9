"""Data to time kernels on: frames of a small camera, or tiny ones where nothing is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import Delaunay

from skry_dask.kernels.stacking.rasterise import label_spans, label_triangles

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from skry_dask.types import BoolArray, FloatArray, Frames, IntArray

MARGIN = 8
"""Distance of the mesh from the frame's edge, px."""


class Mesh(NamedTuple):
    """Triangles that cover the frame except its margin."""

    shape: tuple[int, int]
    corners: FloatArray
    triangles: IntArray
    labels: IntArray
    spans: IntArray
    first: IntArray
    everything: BoolArray
    margin: int = MARGIN


@pytest.fixture
def shape(benchmark: BenchmarkFixture) -> tuple[int, int]:
    """Height and width of a frame, px."""
    return (612, 840) if benchmark.enabled else (96, 128)


@pytest.fixture
def noise(shape: tuple[int, int]) -> Callable[..., Frames]:
    """Function that draws frames with all values of a dtype."""
    rng = np.random.default_rng(1)

    def draw(dtype: type, *more: int, bits: int | None = None) -> Frames:
        top = np.iinfo(dtype).max if bits is None else 2**bits - 1
        return rng.integers(0, top, (*shape, *more), dtype, endpoint=True)

    return draw


@pytest.fixture
def texture(shape: tuple[int, int]) -> Callable[[type], Frames]:
    """Function that draws detail to match, which is periodic beyond the frame's borders."""
    rng = np.random.default_rng(2)
    image = ndimage.gaussian_filter(rng.normal(size=shape), 2.5, mode="wrap")
    image = 0.1 + 0.8 * (image - image.min()) / np.ptp(image)
    return lambda dtype: np.rint(image * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture
def mesh(shape: tuple[int, int]) -> Mesh:
    """Triangles between points 24 px apart, as between reference points."""
    height, width = (n - 2 * MARGIN for n in shape)
    rng = np.random.default_rng(3)
    grid = np.stack(np.mgrid[12:height:24, 12:width:24], axis=-1).reshape(-1, 2)
    rim = [(-1, -1), (-1, width), (height, -1), (height, width)]
    corners = np.concatenate([grid + rng.uniform(-8, 8, grid.shape), rim])
    triangles = Delaunay(corners).simplices.astype(np.int64)
    labels = label_triangles(corners, triangles, height, width)
    spans, first = label_spans(labels, len(triangles))
    everything = np.ones(len(triangles), bool)
    return Mesh((height, width), corners, triangles, labels, spans, first, everything)


@pytest.fixture
def neighbours(mesh: Mesh) -> tuple[IntArray, IntArray]:
    """Neighbours of each corner of the mesh, as kernels take them: first index, and entries."""
    first, entries = Delaunay(mesh.corners).vertex_neighbor_vertices
    return first.astype(np.int64), entries.astype(np.int64)
