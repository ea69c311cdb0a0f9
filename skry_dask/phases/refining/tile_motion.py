"""Where each frame shows the tiles of the first stack, and how well.

A tile is looked for where the track phase says it is: where the mean of that phase's displacements
under the tile's window says. What is found is trusted by its likeness to the stack, so the
displacement at the centre of the tile is

    track + (found - mean of track) * likeness / (likeness + PRIOR),

so blurred frames, in which a tile is hardly found, stay where the track phase saw them. Means over
neighbouring tiles made stacks worse (a Gaussian of 1 tile: a simulated Moon had 20.8 dB of detail
in place of 21.1), since 64 px are a mean already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import neighbours_in_mesh
from skry_dask.kernels.field.neighbours import reject_outliers
from skry_dask.kernels.matching.tile_filters import match_tiles
from skry_dask.phases.refining.interpolation import interpolation_matrix
from skry_dask.phases.refining.tiles import SPACING

if TYPE_CHECKING:
    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.phases.refining.tiles import ReferenceTiles
    from skry_dask.phases.rotation.turning_blocks import TurningBlocks
    from skry_dask.types import AnyArray, BoolArray, FloatArray, Frames, IntArray

MAX_PX = 3.0
"""How far from where the track phase sees it a tile is looked for along each axis, px."""

TOLERANCE_PX = 2.0
"""How far a vector may differ from those of its neighbours where these agree, px."""

PRIOR = 0.07
"""Likeness at which a vector counts as much as that of the track phase."""

VECTOR_STEP = 2.0**-13
"""Unit of encoded vectors, px."""

QUALITY_STEP = 2.0**-12
"""Unit of encoded quality; 1 = that of the stack."""

N_VALUES = 3
"""Values of a tile in a frame: displacement y and x, quality."""

UNUSED = -(2**15)
"""Code of a frame that is not measured, or that does not show a tile; for y also of a tile that was
not found."""


@dataclass(frozen=True, slots=True, eq=False)
class TileSearch:
    """What every task needs to find the tiles in its frames.

    Parameters
    ----------
    tiles
        Which.
    carry
        float64 (tile, point): mean displacements under windows of tiles follow from those at
        reference points.
    first, neighbours
        Neighbours of each tile; see `neighbours_in_mesh`.
    levels
        Of the frames: black, and number of grey levels from there to full scale.
    """

    tiles: ReferenceTiles
    carry: csr_array
    first: IntArray
    neighbours: IntArray
    levels: tuple[int, int]

    @classmethod
    def of(
        cls, tiles: ReferenceTiles, reference_points: FloatArray, developer: Developer
    ) -> TileSearch:
        """Prepare to find tiles in frames.

        Parameters
        ----------
        tiles
            To be found.
        reference_points
            float64 (point, axis), of the track phase, px.
        developer
            Of the frames.
        """
        top, bottom = tiles.corners.min(axis=0), tiles.corners.max(axis=0) + tiles.filters.side
        region = Region(*map(int, [*top, *(bottom - top)]))
        first, neighbours = neighbours_in_mesh(tiles.centres, region)
        levels = int(developer.black), int(developer.white)
        return cls(tiles, _window_means(tiles, reference_points), first, neighbours, levels)


def _window_means(tiles: ReferenceTiles, reference_points: FloatArray) -> csr_array:
    """Average interpolated displacements under the window of each tile."""
    n_along = tiles.filters.side // SPACING
    along = (np.arange(n_along) + 0.5) / n_along
    window = np.outer(*[np.sin(np.pi * along) ** 2] * 2).ravel()
    line = (along - 0.5) * tiles.filters.side
    samples = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    # Neighbouring tiles share their samples.
    everywhere = (tiles.centres[:, None] + samples).reshape(-1, 2)
    places, which = np.unique(everywhere, axis=0, return_inverse=True)
    rows = np.arange(len(tiles)).repeat(len(samples))
    shares = np.tile(window / window.sum(), len(tiles))
    mean = csr_array((shares, (rows, which.ravel())), shape=(len(tiles), len(places)))
    return mean @ interpolation_matrix(reference_points, places)


def measure_tiles(
    frames: Frames,
    offset: FloatArray,
    displacement: AnyArray,
    active: BoolArray,
    search: TileSearch,
) -> AnyArray:
    """Find the tiles in each frame of a chunk, and measure their quality.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.
    offset
        float64 (frame, axis), px.
    displacement
        float32 (frame, point, axis), px, of the track phase.
    active
        bool (frame).
    search
        The tiles.

    Returns
    -------
    int16 (frame, tile, `N_VALUES`): displacement y, x minus that of the track phase, in units of
    `VECTOR_STEP`, and quality, in units of `QUALITY_STEP`; `UNUSED` in frames that are not active.
    Where a frame does not show the tile, y and quality are `UNUSED`; where it was not found, y is.
    """
    used = np.flatnonzero(active)
    return _measure(frames, used, offset[used, None], displacement, search)


def measure_turning_tiles(
    frames: Frames,
    offset: FloatArray,
    turned: FloatArray,
    displacement: AnyArray,
    active: BoolArray,
    search: TileSearch,
    turning: TurningBlocks,
) -> AnyArray:
    """Find the tiles on a globe that turns: see `measure_tiles`.

    Parameters
    ----------
    frames, offset, displacement, active, search
        As for `measure_tiles`.
    turned
        float64 (frame, 2), see `Globe.displacement`.
    turning
        How tiles move with the globe.
    """
    used = np.flatnonzero(active)
    places = offset[used, None] + turning.at(turned[used])
    return _measure(frames, used, places, displacement, search)


def _measure(
    frames: Frames, used: IntArray, places: FloatArray, displacement: AnyArray, search: TileSearch
) -> AnyArray:
    """Measure the frames that are used, whose places are those of tiles without displacement."""
    tiles = search.tiles
    measured = np.full((len(frames), len(tiles), 3), UNUSED, np.int16)
    moved = np.asarray(displacement)[used].astype(np.float64)
    tracked = np.stack([(search.carry @ moved[:, :, axis].T).T for axis in (0, 1)], axis=2)
    expected = tiles.corners + places + tracked
    shown = frames if len(used) == len(frames) else frames[used]
    found = match_tiles(shown, expected, tiles.filters, search.levels, MAX_PX)
    room = np.array(frames.shape[1:3]) - tiles.filters.side
    inside = ((expected >= -MAX_PX) & (expected <= room + MAX_PX)).all(axis=2)
    vectors, likeness, quality = found[:, :, :2], np.maximum(found[:, :, 2], 0), found[:, :, 3]
    valid = reject_outliers(vectors, search.first, search.neighbours, TOLERANCE_PX)
    trust = likeness / (likeness + PRIOR)
    vectors = np.where(valid[:, :, None], vectors * trust[:, :, None], 0)
    codes = np.rint(vectors / VECTOR_STEP).clip(1 - 2**15, 2**15 - 1)
    codes[:, :, 0] = np.where(valid, codes[:, :, 0], UNUSED)
    measured[used, :, :2] = codes
    rated = np.rint(quality / QUALITY_STEP).clip(0, 2**15 - 1)
    measured[used, :, 2] = np.where(inside, rated, UNUSED)
    return measured
