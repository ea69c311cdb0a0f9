"""Fragments: the canvas cut into areas or triangles, each a list of row spans.

A mesh says which fragment every pixel of the region belongs to (exactly one). Areas move as a
whole, with their frame; triangles follow the displacements of their three corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import dask.array as da
import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import Delaunay

from skry_dask.geometry.canvas import Region, area_edges
from skry_dask.kernels.stacking.rasterise import (
    count_labels,
    label_spans,
    label_triangles,
    triangle_affine,
)

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

FIXED_EVERY = 8
"""The region's border carries one fixed point per this fraction of its longer side."""

OUTSIDE_EVERY = 32
"""Where the canvas reaches beyond the region, there is a fixed point every so many px."""


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Row spans of fragments that together cover the region once.

    Parameters
    ----------
    shape
        Height and width of the region, px.
    spans
        int64 (span, 3): row, first column, end column, in the region, px.
    first
        int64 (fragment + 1): where each fragment's spans begin.
    """

    shape: tuple[int, int]
    spans: IntArray
    first: IntArray

    @classmethod
    def of_labels(cls, labels: IntArray, n_fragments: int) -> Spans:
        """Collect spans from an image that names the fragment of each pixel."""
        spans, first = label_spans(labels, n_fragments)
        return cls(labels.shape, spans, first)


class Fragments(Protocol):
    """What shift and add has to know of a mesh."""

    @property
    def spans(self) -> Spans:
        """Pixels of each fragment."""
        ...

    def affine(self, motion: FloatArray) -> FloatArray:
        """Find where each fragment lies in a frame.

        Parameters
        ----------
        motion
            float64 (corner, axis): place in the frame less place on the canvas, px.

        Returns
        -------
        float64 (fragment, 2, 3): place in the frame = affine @ (1, row, column), px, with row and
        column counted in the region.
        """
        ...


def pack(selected: BoolArray | da.Array) -> AnyArray | da.Array:
    """Keep a selection as one bit a fragment: bool (..., fragment) to uint8 (..., byte)."""
    if not isinstance(selected, da.Array):
        return np.packbits(selected, axis=-1)
    whole = selected.rechunk({selected.ndim - 1: -1})
    n_bytes = -(-whole.shape[-1] // 8)
    chunks = (*whole.chunks[:-1], (n_bytes,))
    return whole.map_blocks(np.packbits, axis=-1, dtype=np.uint8, chunks=chunks)


def unpack(packed: AnyArray, n_fragments: int) -> BoolArray:
    """Take a selection back from `pack`: uint8 (..., byte) to bool (..., fragment)."""
    return np.unpackbits(packed, axis=-1, count=n_fragments).view(bool)


def area_labels(
    region: Region, area_size: int, at: tuple[IntArray, IntArray] | None = None
) -> IntArray:
    """Name the area of each pixel of the region, row by row.

    Parameters
    ----------
    region
        It is cut into areas.
    area_size
        Their side, px.
    at
        int64 rows and columns of the region to be told of; by default all.

    Returns
    -------
    int64 (y, x)
    """
    rows, columns = (
        np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        for edges in (area_edges(n, area_size) for n in region.shape)
    )
    n_columns = columns[-1] + 1
    if at is not None:
        rows, columns = rows[at[0]], columns[at[1]]
    return rows[:, None] * n_columns + columns


def everything_seen(offset: FloatArray, active: BoolArray, height: int, width: int) -> Region:
    """Find the smallest canvas rectangle that holds what is seen in any active frame.

    Parameters
    ----------
    offset
        float64 (frame, axis), px.
    active
        bool (frame), at least one.
    height, width
        Size of a frame, px.

    Returns
    -------
    Region
        Its ``y`` and ``x`` are negative where it reaches beyond the reference frame.
    """
    low = np.ceil(-offset[active].max(axis=0) - 1e-6).astype(np.int64)
    high = np.floor(np.array([height, width]) - 1 - offset[active].min(axis=0) + 1e-6)
    size = high.astype(np.int64) - low + 1
    return Region(int(low[0]), int(low[1]), int(size[0]), int(size[1]))


@dataclass(frozen=True, slots=True, eq=False)
class AreaMesh:
    """The areas as fragments: each moves with the frame's offset, the one corner of this mesh.

    Parameters
    ----------
    region
        The rectangle that is covered.
    spans
        Pixels of each area.
    """

    region: Region
    spans: Spans

    @classmethod
    def of_region(cls, region: Region, area_size: int) -> AreaMesh:
        """Cut the region into areas."""
        labels = area_labels(region, area_size)
        return cls(region, Spans.of_labels(labels, int(labels[-1, -1]) + 1))

    def affine(self, motion: FloatArray) -> FloatArray:
        """Shift all areas alike; see `Fragments.affine`."""
        y, x = motion[0] + [self.region.y, self.region.x]
        n_areas = len(self.spans.first) - 1
        return np.broadcast_to(np.array([[y, 1.0, 0.0], [x, 0.0, 1.0]]), (n_areas, 2, 3)).copy()


@dataclass(frozen=True, slots=True, eq=False)
class TriangleMesh:
    """A Delaunay triangulation of the reference points and of fixed points around the region.

    Parameters
    ----------
    region
        The rectangle that is covered.
    corners
        float64 (corner, axis), reference points first, then fixed points; in the region, px.
    n_points
        How many of the corners are reference points.
    triangles
        int64 (triangle, 3), indices of corners.
    spans
        Pixels of each triangle, of the image that is made.
    scale
        How many pixels of the image there are along one of the region.
    """

    region: Region
    corners: FloatArray
    n_points: int
    triangles: IntArray
    spans: Spans
    scale: float = 1.0

    @classmethod
    def of_points(
        cls,
        points: FloatArray,
        region: Region,
        *,
        inner: Region | None = None,
        scale: float = 1.0,
    ) -> TriangleMesh:
        """Triangulate.

        Parameters
        ----------
        points
            float64 (point, axis), on the canvas, px.
        region
            The rectangle to be covered.
        inner
            Where points are; around it there are fixed points in the region too, so that what lies
            there is cut into fragments as small as elsewhere.
        scale
            How many pixels of the image there are along one of the region. Together they cover it,
            but for what is left over at its far ends.
        """
        corners = _corners(points, region, inner or region)
        triangles = _triangles(corners)
        height, width = (int(n * scale + 1e-9) for n in region.shape)
        on_image = corners if scale == 1 else (corners + 0.5) * scale - 0.5
        labels = label_triangles(on_image, triangles, height, width)
        spans = Spans.of_labels(labels, len(triangles))
        return cls(region, corners, len(points), triangles, spans, scale)

    @property
    def pixels(self) -> IntArray:
        """Count the pixels of each triangle, of the image that is made: int64 (triangle)."""
        sizes = self.spans.spans[:, 2] - self.spans.spans[:, 1]
        owner = np.repeat(np.arange(len(self.triangles)), np.diff(self.spans.first))
        return np.bincount(owner, sizes, len(self.triangles)).astype(np.int64)

    @property
    def y_coords(self) -> AnyArray:
        """Canvas y of each row of the image, px."""
        return self._coords(self.region.y_coords, self.spans.shape[0])

    @property
    def x_coords(self) -> AnyArray:
        """Canvas x of each column of the image, px."""
        return self._coords(self.region.x_coords, self.spans.shape[1])

    def _coords(self, whole: IntArray, length: int) -> AnyArray:
        return whole if self.scale == 1 else whole[0] + (np.arange(length) + 0.5) / self.scale - 0.5

    def affine(self, motion: FloatArray) -> FloatArray:
        """Follow the corners of each triangle; see `Fragments.affine`."""
        origin = (float(self.region.y), float(self.region.x))
        return triangle_affine(self.corners, self.triangles, motion, origin, self.scale)

    def area_weights(self, labels: IntArray) -> csr_array:
        """Share of each triangle's pixels that lies in each area.

        Parameters
        ----------
        labels
            int64 (y, x), area of each pixel of the image, such as from `area_labels`.

        Returns
        -------
        Sparse float64 (triangle, area); rows of triangles with pixels add up to 1.
        """
        first, found, counts = count_labels(self.spans.spans, self.spans.first, labels)
        share = counts / np.repeat(np.maximum(self.pixels, 1), np.diff(first))
        shape = (len(self.triangles), int(labels.max()) + 1)
        weights = csr_array((share, found, first), shape)
        weights.sort_indices()
        return weights


def neighbours_in_mesh(points: AnyArray, region: Region) -> tuple[IntArray, IntArray]:
    """List the reference points that share an edge of the mesh with each reference point.

    Parameters
    ----------
    points
        (point, axis), on the canvas, px.
    region
        The rectangle that the mesh covers.

    Returns
    -------
    int64 (point + 1), int64 (entry)
        Point i's neighbours are ``entries[first[i]:first[i + 1]]``, ascending.
    """
    triangles = _triangles(_corners(points, region, region))
    edges = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    edges = edges[(edges < len(points)).all(axis=1)]
    # One number an edge: rows of a table take six times as long to sort.
    both = np.concatenate([edges, edges[:, ::-1]]) @ np.array([max(len(points), 1), 1])
    one, other = np.divmod(np.unique(both), max(len(points), 1))
    counts = np.bincount(one, minlength=len(points))
    return np.concatenate([[0], np.cumsum(counts)]), other


def _corners(points: AnyArray, region: Region, inner: Region) -> FloatArray:
    """Corners of a mesh, px in the region: the points, then fixed points around them."""
    inside = (points - np.array([region.y, region.x], np.float64)).reshape(-1, 2)
    fixed = [_fixed_points(region.shape), _points_around(region, inner)]
    return np.concatenate([inside, *fixed])


def _triangles(corners: FloatArray) -> IntArray:
    """Triangulate: int64 (triangle, 3)."""
    return Delaunay(corners).simplices.astype(np.int64)


def _fixed_points(shape: tuple[int, int]) -> FloatArray:
    """Points evenly on a rectangle that lies just outside the region, px."""
    height, width = shape
    side = max(height, width) / FIXED_EVERY
    rows, columns = (max(1, round(n / side)) for n in shape)
    y = np.linspace(-1.0, height, rows + 1)
    x = np.linspace(-1.0, width, columns + 1)
    top, bottom = (np.stack([np.full_like(x, edge), x], axis=1) for edge in (y[0], y[-1]))
    left, right = (np.stack([y, np.full_like(y, edge)], axis=1)[1:-1] for edge in (x[0], x[-1]))
    return np.concatenate([top, bottom, left, right])


def _points_around(region: Region, inner: Region) -> FloatArray:
    """Points on a grid over the part of the region that lies around another, px in the region."""
    y, x = (np.arange(OUTSIDE_EVERY / 2, n, OUTSIDE_EVERY, dtype=np.float64) for n in region.shape)
    grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    low = np.array([inner.y - region.y, inner.x - region.x], float)
    beside = ((grid < low) | (grid > low + inner.shape)).any(axis=1)
    return grid[beside]
