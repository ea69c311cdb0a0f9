"""Reference points and how they are found in frames.

The block around each point is cut from the reference image and searched in every frame around the
point's aligned position (`kernels.matching.block_match`). A vector that disagrees with those of its
neighbours is rejected.

Cost: 1.2 us a point and frame on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.geometry.mesh import neighbours_in_mesh
from skry_dask.graph.threads import on_threads
from skry_dask.kernels.field.neighbours import reject_outliers
from skry_dask.kernels.matching.block_match import match_blocks, preceding_neighbours
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from skry_dask.phases.tracking.displacement_field import INACTIVE, MeasuredPoints
from skry_dask.phases.tracking.kriging import texture_centres
from skry_dask.phases.tracking.point_placement import given_points, place_points, without_gaps

if TYPE_CHECKING:
    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.geometry.canvas import Region
    from skry_dask.kernels.matching.reference_blocks import ReferenceBlocks
    from skry_dask.options import TrackOptions
    from skry_dask.phases.rotation.turning_blocks import TurningBlocks
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

SIGNIFICANCE = 4.0
"""A block is found where its correlation exceeds this many times 1 / block side, the standard
deviation of its correlation with white noise."""

TOLERANCE_PX = 1.5
"""How far a vector may differ from those of its neighbours where these agree, px."""

PREDICTION_REACH = 2.0
"""The search for a block starts where blocks within this many block sides were found."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePoints:
    """Reference points, and the blocks by which they are found.

    Parameters
    ----------
    block_size
        Side of the blocks, px.
    blocks
        Cut from the reference image; see `make_reference_blocks`.
    preceding
        Points that predict where each point is found; see `preceding_neighbours`.
    search_radius
        Largest distance from the aligned position, px.
    measured
        Positions, and how the vectors measured there are encoded.
    """

    block_size: int
    blocks: ReferenceBlocks
    preceding: IntArray
    search_radius: int
    measured: MeasuredPoints

    @classmethod
    def of_image(
        cls, reference: Float32Array, region: Region, options: TrackOptions, developer: Developer
    ) -> ReferencePoints:
        """Place points on the reference image, or take the user's, and cut their blocks.

        Parameters
        ----------
        reference
            float32 (y, x), the reference image, 1 = full scale.
        region
            Position of the reference image on the canvas.
        options
            Of the track phase.
        developer
            Of the frames, to whose grey levels the blocks are scaled.

        Raises
        ------
        OptionsError
            If the block of a user's point would leave the region.
        """
        position = (
            given_points(region, options)
            if options.points
            else place_points(reference, region, options)
        )
        reference = without_gaps(reference)
        size = options.block_size
        levels = np.rint(reference * developer.white + developer.black)
        image = levels.clip(0, np.iinfo(developer.dtype).max).astype(developer.dtype)
        corners = position - np.array([region.y, region.x]) - size // 2
        textures = texture_centres(reference, corners, size, for_each=on_threads)
        # Vectors are relative to the offset, up to half a pixel from the centre of the search.
        max_px = options.search_radius + 1
        return cls(
            size,
            make_reference_blocks(image, corners, size, for_each=on_threads),
            preceding_neighbours(position, PREDICTION_REACH * size),
            options.search_radius,
            MeasuredPoints.of(position, neighbours_in_mesh(position, region), textures, max_px),
        )

    @property
    def choices(self) -> tuple[int, int, IntArray]:
        """All that determines them besides the reference image and its region."""
        return self.block_size, self.search_radius, self.position

    @property
    def position(self) -> IntArray:
        """Position on the canvas: int64 (point, axis), px."""
        return self.measured.position


def match_points(
    frames: Frames, offset: FloatArray, active: BoolArray, points: ReferencePoints
) -> AnyArray:
    """Find the reference points in each frame of a chunk.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    points
        The points to find.

    Returns
    -------
    int16 (frame, point, axis), see `MeasuredPoints.encode`: position in the frame minus canvas
    position minus offset; `MISSING` where nothing was found or the vector disagrees with its
    neighbours, `INACTIVE` in inactive frames, and for points whose block a frame does not show.
    """
    used = np.flatnonzero(active)
    return _match(frames, used, offset[used, None], points)


def match_turning_points(
    frames: Frames,
    offset: FloatArray,
    turned: FloatArray,
    active: BoolArray,
    points: ReferencePoints,
    turning: TurningBlocks,
) -> AnyArray:
    """Find reference points on a globe that turns: see `match_points`.

    Parameters
    ----------
    frames, offset, active, points
        As for `match_points`.
    turned
        float64 (frame, 2), see `Globe.displacement`.
    turning
        How blocks move with the globe.

    Returns
    -------
    int16 (frame, point, axis): position in the frame minus canvas position minus offset, minus the
    motion of the block with the globe.
    """
    used = np.flatnonzero(active)
    return _match(frames, used, offset[used, None] + turning.at(turned[used]), points)


def _match(
    frames: Frames,
    used: IntArray,
    places: FloatArray,
    points: ReferencePoints,
) -> AnyArray:
    """Find points in the frames that are used.

    Parameters
    ----------
    frames, points
        As for `match_points`.
    used
        int64 (used frame), indices of frames.
    places
        float64 (used frame, point or 1, axis), where points are expected, relative to their
        positions on the canvas, px.
    """
    measured = np.full((len(frames), len(points.position), 2), INACTIVE, np.int16)
    whole = np.rint(places).astype(np.int64)
    expected = points.position + whole - points.block_size // 2
    matches = match_blocks(
        frames if len(used) == len(frames) else frames[used],
        expected,
        points.blocks,
        points.search_radius,
        points.preceding,
    )
    end = np.array(frames.shape[1:3]) - points.block_size
    shown: BoolArray = np.asarray(((expected >= 0) & (expected <= end)).all(axis=2))
    found = shown[:, :, None] & (matches[:, :, 2:] > SIGNIFICANCE / points.block_size)
    vectors = np.where(found, matches[:, :, :2], np.nan)
    vectors += whole - places
    first, neighbours = points.measured.first, points.measured.neighbours
    valid = reject_outliers(vectors, first, neighbours, TOLERANCE_PX)
    codes = points.measured.encode(np.where(valid[:, :, None], vectors, np.nan))
    # A frame that shows no point is active all the same.
    codes[~shown & shown.any(axis=1, keepdims=True)] = INACTIVE
    measured[used] = codes
    return measured


def is_measured(measured: AnyArray) -> BoolArray:
    """Whether each vector was measured: int16 (frame, point, axis) to bool (frame, point)."""
    return measured[:, :, 0] > INACTIVE
