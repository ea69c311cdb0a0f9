"""Meshes: an image divided into fragments, areas or triangles, each a list of row spans.

Every pixel of the image belongs to exactly one fragment. Areas move as a whole, with their frame;
triangles follow the displacements of their three corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import Delaunay, cKDTree

from skry_dask.geometry.areas import AreaGrid
from skry_dask.kernels.stacking.rasterise import (
    count_labels,
    label_spans,
    label_triangles,
    triangle_affine,
)

if TYPE_CHECKING:
    from skry_dask.geometry.canvas import Region
    from skry_dask.types import AnyArray, FloatArray, IntArray

FIXED_PER_SIDE = 8
"""Number of sections into which fixed points divide the longer side of a region's border."""

GAP_SPACING_PX = 32
"""Spacing of fixed points where no reference point is nearer than half of this, px."""


MIN_ADDED_PX = 1.0
"""Further fixed points lie at least this far from other corners, px: triangles have some width."""


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Row spans of fragments that together cover an image exactly once.

    Parameters
    ----------
    shape
        Height and width of the image, px.
    spans
        int64 (span, 3): row, first column, end column (exclusive), px of the image.
    first
        int64 (fragment + 1): the spans of fragment i are ``spans[first[i]:first[i + 1]]``.
    """

    shape: tuple[int, int]
    spans: IntArray
    first: IntArray

    @classmethod
    def of_labels(cls, labels: IntArray, n_fragments: int) -> Spans:
        """Collect the spans of an image of labels.

        Parameters
        ----------
        labels
            int64 (y, x), the fragment of each pixel.
        n_fragments
            Number of fragments; those that no pixel names have no span.
        """
        spans, first = label_spans(labels, n_fragments)
        return cls(labels.shape, spans, first)

    @property
    def n_fragments(self) -> int:
        """Number of fragments."""
        return len(self.first) - 1


class Mesh(Protocol):
    """A mesh as shift-and-add sees it."""

    @property
    def spans(self) -> Spans:
        """Pixels of each fragment."""
        ...

    def affine(self, motion: FloatArray) -> FloatArray:
        """Find where each fragment lies in a frame.

        Parameters
        ----------
        motion
            float64 (corner, axis): position in the frame minus position on the canvas, px; in a
            weighted stack the third column is the weight of the frame at the corner.

        Returns
        -------
        float64 (fragment, 2 or 3, 3): position in the frame, px, and weight = affine @ (1, row,
        column), for a row and column of the image.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AreaMesh:
    """Areas as fragments, which all move with the frame's offset: the mesh has one corner.

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
        """Divide a region into areas whose side is ``area_size`` px."""
        grid = AreaGrid.of_region(region, area_size)
        return cls(region, Spans.of_labels(grid.labels(), grid.n_areas))

    def affine(self, motion: FloatArray) -> FloatArray:
        """Shift all areas by the same vector; see `Mesh.affine`."""
        y, x = motion[0] + [self.region.y, self.region.x]
        shape = (self.spans.n_fragments, 2, 3)
        return np.broadcast_to(np.array([[y, 1.0, 0.0], [x, 0.0, 1.0]]), shape).copy()


@dataclass(frozen=True, slots=True, eq=False)
class DeformedAreaMesh:
    """Areas as fragments that move on their own: each has four corners, within it.

    Parameters
    ----------
    region
        The rectangle that is covered.
    spans
        Pixels of each area.
    centres
        float64 (area, axis), px from the region's first pixel.
    reach
        Distance of the corners from the centre along each axis, px: above and left, above and
        right, below and left, below and right.
    """

    region: Region
    spans: Spans
    centres: FloatArray
    reach: float

    @classmethod
    def of_region(cls, region: Region, area_size: int) -> DeformedAreaMesh:
        """Divide a region into areas whose side is ``area_size`` px."""
        grid = AreaGrid.of_region(region, area_size)
        origin = np.array([region.y, region.x])
        return cls(
            region,
            Spans.of_labels(grid.labels(), grid.n_areas),
            grid.centres - origin,
            area_size / 3,
        )

    @property
    def corners(self) -> FloatArray:
        """Corners of all areas, on the canvas: float64 (4 area, axis), px."""
        around = self.reach * np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
        origin = np.array([self.region.y, self.region.x])
        return (self.centres[:, None] + around + origin).reshape(-1, 2)

    def affine(self, motion: FloatArray) -> FloatArray:
        """Move each area with its corners, by least squares; see `Mesh.affine`."""
        of_area = motion.reshape(-1, 4, 2)
        down = (of_area[:, 2:].sum(axis=1) - of_area[:, :2].sum(axis=1)) / (4 * self.reach)
        right = (of_area[:, 1::2].sum(axis=1) - of_area[:, ::2].sum(axis=1)) / (4 * self.reach)
        slopes = np.stack([down, right], axis=2) + np.eye(2)
        origin = np.array([self.region.y, self.region.x])
        centres = self.centres + origin + of_area.mean(axis=1)
        start = centres - (slopes @ self.centres[:, :, None])[:, :, 0]
        return np.concatenate([start[:, :, None], slopes], axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class TriangleMesh:
    """Delaunay triangulation of the reference points and of fixed points around the region.

    Parameters
    ----------
    region
        The rectangle that is covered.
    corners
        float64 (corner, axis), px from the region's first pixel; reference points first, then
        fixed points.
    n_points
        Number of corners that are reference points.
    triangles
        int64 (triangle, 3), indices of corners.
    spans
        Pixels of each triangle, in the image.
    scale
        Pixels of the image along one pixel of the region.
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
        gaps: bool = False,
        scale: float = 1.0,
        others: FloatArray | None = None,
    ) -> TriangleMesh:
        """Triangulate reference points.

        Parameters
        ----------
        points
            float64 (point, axis), on the canvas, px.
        region
            The rectangle to cover.
        gaps
            Whether parts without points get fixed points on a grid, so that fragments there are no
            larger than elsewhere, and frames that show a part of the region show whole fragments.
        scale
            Pixels of the image along one pixel of the region. A remainder at the bottom and right
            that does not fill a pixel of the image is left out.
        others
            float64 (point, axis), further fixed points, on the canvas, px; those in the region
            count.
        """
        corners = _corners(points, region, gaps=gaps)
        if others is not None:
            corners = np.concatenate([corners, _added_points(others, corners, region)])
        triangles = _triangles(corners)
        height, width = (int(n * scale + 1e-9) for n in region.shape)
        in_image = corners if scale == 1 else (corners + 0.5) * scale - 0.5
        labels = label_triangles(in_image, triangles, height, width)
        spans = Spans.of_labels(labels, len(triangles))
        return cls(region, corners, len(points), triangles, spans, scale)

    @property
    def n_pixels(self) -> IntArray:
        """Number of image pixels of each triangle: int64 (triangle)."""
        before = np.zeros(len(self.spans.spans) + 1, np.int64)
        np.cumsum(self.spans.spans[:, 2] - self.spans.spans[:, 1], out=before[1:])
        return np.diff(before[self.spans.first])

    @property
    def y_coords(self) -> AnyArray:
        """Canvas y of each row of the image: int64, or float64 where the scale is not 1; px."""
        return self._coords(self.region.y_coords, self.spans.shape[0])

    @property
    def x_coords(self) -> AnyArray:
        """Canvas x of each column of the image: int64, or float64 where the scale is not 1; px."""
        return self._coords(self.region.x_coords, self.spans.shape[1])

    def _coords(self, whole: IntArray, length: int) -> AnyArray:
        return whole if self.scale == 1 else whole[0] + (np.arange(length) + 0.5) / self.scale - 0.5

    def affine(self, motion: FloatArray) -> FloatArray:
        """Move each triangle with its corners; see `Mesh.affine`."""
        origin = (float(self.region.y), float(self.region.x))
        return triangle_affine(self.corners, self.triangles, motion, origin, self.scale)

    def area_shares(self, labels: IntArray) -> csr_array:
        """Find the share of each triangle's pixels that lies in each area.

        Parameters
        ----------
        labels
            int64 (y, x), area of each pixel of the image; see `AreaGrid.labels_at`.

        Returns
        -------
        Sparse float64 (triangle, area), 0 to 1. Rows add up to 1, or to 0 for a triangle too thin
        to contain a pixel.
        """
        first, areas, counts = count_labels(self.spans.spans, self.spans.first, labels)
        shares = counts / np.repeat(np.maximum(self.n_pixels, 1), np.diff(first))
        shape = (len(self.triangles), int(labels.max()) + 1)
        matrix = csr_array((shares, areas, first), shape)
        matrix.sort_indices()
        return matrix


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
    first
        int64 (point + 1): the neighbours of point i are ``neighbours[first[i]:first[i + 1]]``.
    neighbours
        int64 (entry), ascending for each point.
    """
    triangles = _triangles(_corners(points, region))
    edges = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    edges = edges[(edges < len(points)).all(axis=1)]
    # An edge as a single number: sorting pairs takes six times as long.
    n = max(len(points), 1)
    codes = np.concatenate([edges, edges[:, ::-1]]) @ np.array([n, 1])
    owner, neighbours = np.divmod(np.unique(codes), n)
    counts = np.bincount(owner, minlength=len(points))
    return np.concatenate([[0], np.cumsum(counts)]), neighbours


def _corners(points: AnyArray, region: Region, *, gaps: bool = False) -> FloatArray:
    """List the corners of a mesh, px in the region: reference points, then fixed points."""
    inside = (points - np.array([region.y, region.x], np.float64)).reshape(-1, 2)
    corners = np.concatenate([inside, _border_points(region.shape)])
    return np.concatenate([corners, _gap_points(region.shape, inside)]) if gaps else corners


def _added_points(others: FloatArray, corners: FloatArray, region: Region) -> FloatArray:
    """Choose further fixed points: inside the region and apart from other corners, px in it."""
    inside = others - np.array([region.y, region.x])
    inside = inside[((inside >= 0) & (inside <= np.array(region.shape) - 1)).all(axis=1)]
    distance = np.asarray(cKDTree(corners).query(inside, k=[1])[0]).reshape(-1)
    return inside[distance >= MIN_ADDED_PX]


def _triangles(corners: FloatArray) -> IntArray:
    """Triangulate corners (Delaunay): int64 (triangle, 3)."""
    return Delaunay(corners).simplices.astype(np.int64)


def _border_points(shape: tuple[int, int]) -> FloatArray:
    """Place fixed points evenly on the rectangle one pixel outside the region, px in the region."""
    height, width = shape
    spacing = max(height, width) / FIXED_PER_SIDE
    rows, columns = (max(1, round(n / spacing)) for n in shape)
    y = np.linspace(-1.0, height, rows + 1)
    x = np.linspace(-1.0, width, columns + 1)
    top, bottom = (np.stack([np.full_like(x, edge), x], axis=1) for edge in (y[0], y[-1]))
    left, right = (np.stack([y, np.full_like(y, edge)], axis=1)[1:-1] for edge in (x[0], x[-1]))
    return np.concatenate([top, bottom, left, right])


def _gap_points(shape: tuple[int, int], points: FloatArray) -> FloatArray:
    """Place fixed points on a grid over the gaps between points, px in the region."""
    spacing = GAP_SPACING_PX
    y, x = (np.arange(spacing / 2, n, spacing, dtype=np.float64) for n in shape)
    grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    if not len(points):
        return grid
    distance = np.asarray(cKDTree(points).query(grid, k=[1])[0])[:, 0]
    return grid[distance > spacing / 2]
