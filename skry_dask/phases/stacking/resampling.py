"""How frames are resampled onto the canvas: interpolation or drizzle.

Interpolation reads a frame at each canvas pixel. Drizzle drops each pixel of a frame onto a finer
canvas (Fruchter & Hook, "Drizzle: a method for the linear reconstruction of undersampled images",
PASP 114, 2002, 144-152).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from skry_dask.capture.calibration.develop import COLOURS
from skry_dask.kernels.stacking.drizzle import OVERLAP_BITS, add_drops, drop_overlap_table
from skry_dask.kernels.stacking.resample import MAX_INCREMENT_BITS, SUM_FRACTION_BITS, add_fragments
from skry_dask.kernels.stacking.row_spans import FULL_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.geometry.mesh import Spans
    from skry_dask.types import AnyArray, BoolArray, FloatArray, Frames, IntArray

UNBOUNDED_INCREMENT = 2**40
"""Bound on what one frame adds to a sum, where no closer bound is known: sums become int64."""

BILINEAR, SHARP_BILINEAR = "bilinear", "sharp-bilinear"


class ImageRequest(NamedTuple):
    """An image to make from a pass over the frames.

    Parameters
    ----------
    plane
        "grey", "red", "green" or "blue".
    selection
        Index of the selection of fragments to average.
    """

    plane: str
    selection: int = 0


@dataclass(frozen=True, slots=True)
class Interpolated:
    """Frames are interpolated at the pixels of the canvas.

    Parameters
    ----------
    interpolation
        "bilinear", "sharp-bilinear", "cubic", "sharp-cubic" or "lanczos3". Sharp-bilinear is
        bilinear whose loss of contrast is restored in the mean; see `interpolation_loss`.
    inside_only
        Whether canvas pixels outside a frame get nothing from it; otherwise they get the frame's
        nearest border pixel.
    weighted
        Whether the motion of corners has their weights.
    """

    interpolation: str = "cubic"
    inside_only: bool = False
    weighted: bool = False

    @property
    def counts_pixels(self) -> bool:
        """Whether counts differ within a fragment and are added up pixel by pixel."""
        return self.inside_only or self.weighted

    @property
    def restores_contrast(self) -> bool:
        """Whether the loss of contrast is restored in the mean."""
        return self.interpolation == SHARP_BILINEAR

    @property
    def units_per_value(self) -> float:
        """Units of a mean of sums per unit of the plane's values."""
        return 2.0**SUM_FRACTION_BITS

    def max_increment(self, peak: int) -> int:
        """Bound what a frame adds to a sum, given the greatest value of its planes."""
        return (peak << MAX_INCREMENT_BITS) * (FULL_WEIGHT if self.weighted else 1)

    def plane_units(self, developer: Developer, plane: str) -> int:
        """Units of a plane's values per grey level."""
        return developer.units(plane)

    def develop(self, developer: Developer, frame: Frames, planes: Sequence[str]) -> list[AnyArray]:
        """Develop one raw frame (y, x[, channel]) to planes: integer (y, x) each."""
        return developer.develop(frame, planes)

    def add(
        self,
        plane: AnyArray,
        _sites: IntArray,
        spans: Spans,
        affine: FloatArray,
        selected: BoolArray,
        sums: IntArray,
    ) -> None:
        """Add a plane's selected fragments to running sums.

        Parameters
        ----------
        plane
            uint8, uint16 or int32 (y, x).
        spans
            Pixels of the fragments.
        affine
            float64 (fragment, 2, 3), see `Mesh.affine`.
        selected
            bool (fragment).
        sums
            int32 or int64 (1 or 2, y, x), changed in place: values, and counts where there is a
            second plane.
        """
        add_fragments(
            plane,
            spans.spans,
            spans.first,
            affine,
            selected,
            sums,
            interpolation=BILINEAR if self.restores_contrast else self.interpolation,
            inside_only=self.inside_only,
        )


@dataclass(frozen=True, slots=True)
class Drizzled:
    """Pixels of frames are dropped onto a finer canvas.

    Parameters
    ----------
    scale
        Pixels of the image along one pixel of the frame, at least 1.
    drop
        Side of a drop, above 0 to 1, px of the frame.
    weighted
        Whether the motion of corners has their weights.
    """

    scale: float
    drop: float
    weighted: bool = False

    @property
    def counts_pixels(self) -> bool:
        """Whether weights differ within a fragment and are added up pixel by pixel: always."""
        return True

    @property
    def units_per_value(self) -> float:
        """Units of a weighted mean of sums per unit of the plane's values."""
        return 1.0

    def max_increment(self, _peak: int) -> int:
        """Bound what a frame adds to a sum: many of its pixels may drop onto one of the image."""
        return UNBOUNDED_INCREMENT

    def plane_units(self, _developer: Developer, _plane: str) -> int:
        """Units of a plane's values per grey level: 1, as nothing is demosaiced."""
        return 1

    def frames_per_weight(self, developer: Developer, plane: str) -> float:
        """Frames that a unit of summed weight stands for, on average over the canvas."""
        share = colour_sites(developer, plane).mean()
        full = FULL_WEIGHT / 256 if self.weighted else 1.0
        return float((self.scale / self.drop / 2**OVERLAP_BITS) ** 2 / share / full)

    def develop(self, developer: Developer, frame: Frames, planes: Sequence[str]) -> list[AnyArray]:
        """Develop one raw frame to planes (y, x); colours of a mosaic are the mosaic itself."""
        if not developer.cfa or not set(planes) <= set(COLOURS):
            return developer.develop(frame, planes)
        return [developer.calibrated(frame)] * len(planes)

    def add(
        self,
        plane: AnyArray,
        sites: IntArray,
        spans: Spans,
        affine: FloatArray,
        selected: BoolArray,
        sums: IntArray,
    ) -> None:
        """Add a plane's selected fragments to running sums.

        Parameters
        ----------
        plane
            uint8, uint16 or int32 (y, x).
        sites
            int64 (2, 2), from `colour_sites`.
        spans
            Pixels of the fragments.
        affine
            float64 (fragment, 2, 3), see `Mesh.affine`.
        selected
            bool (fragment).
        sums
            int64 (2, y, x), changed in place: weighted values, and weights.
        """
        table = drop_overlap_table(self.scale, self.drop)
        add_drops(plane, spans.spans, spans.first, affine, selected, table, sites, sums)


Resampling: TypeAlias = Interpolated | Drizzled

CUBIC = Interpolated("cubic")
"""Interpolation of the images of the quality phase."""


def colour_sites(developer: Developer, plane: str) -> IntArray:
    """Find the pixels of a mosaic that belong to a plane.

    Returns
    -------
    int64 (2, 2), 1 where the pixel at (y mod 2, x mod 2) belongs to the plane, else 0; all 1 for
    a grey plane or frames that are not raw colour.
    """
    if not developer.cfa or plane not in COLOURS:
        return np.ones((2, 2), np.int64)
    own = [colour == plane[0].upper() for colour in developer.cfa]
    return np.array(own, np.int64).reshape(2, 2)
