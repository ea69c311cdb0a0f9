"""Pixels of 16 or 32 bits whose colours are bit fields, as BI_BITFIELDS of a bitmap states them.

A mask of each colour says which bits of the pixel are its (Microsoft, BITMAPINFOHEADER): 5, 6 and 5
bits of 16, 10 of 32, or all 16 of a grey value. FFmpeg takes 16 bits for 5 of each colour whatever
the masks are. Levels are brought to the depth of the deepest colour, at least 8 bits, so that white
is white.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.lookup_table import look_up

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Frames

MAX_FIELD_BITS = 16


@dataclass(frozen=True, slots=True)
class BitFields:
    """Places of red, green and blue in a pixel.

    Parameters
    ----------
    shifts, widths
        First bit, counted from the lowest one, and number of bits of each colour.
    """

    shifts: tuple[int, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, masks: tuple[int, ...], pixel_bits: int) -> BitFields | None:
        """Return the fields of masks; None if they are none of at most 16 adjacent bits.

        Parameters
        ----------
        masks
            Of red, green and blue.
        pixel_bits
            Bits of a pixel.
        """
        shifts = tuple((mask & -mask).bit_length() - 1 for mask in masks)
        widths = tuple(mask.bit_count() for mask in masks)
        adjacent = all(
            0 < width <= MAX_FIELD_BITS and mask == ((1 << width) - 1) << shift
            for mask, shift, width in zip(masks, shifts, widths, strict=True)
        )
        fits = len(masks) == 3 and max(masks, default=0) < 1 << pixel_bits
        return cls(shifts, widths) if adjacent and fits else None

    @property
    def channels(self) -> int:
        """1 if all colours are the same bits, which is grey; else 3."""
        return 1 if len(set(self.shifts)) == len(set(self.widths)) == 1 else 3

    @property
    def bits(self) -> int:
        """Depth of the levels, 8 to 16."""
        return max(8, *self.widths)

    def convert(self, pixels: AnyArray, target: Frames) -> None:
        """Take pixels apart.

        Parameters
        ----------
        pixels
            uint16 or uint32 (y, x).
        target
            Written: (y, x) or (y, x, channel), uint8 for 8 bits, else uint16.
        """
        white = (1 << self.bits) - 1
        for channel in range(self.channels):
            shift, most = self.shifts[channel], (1 << self.widths[channel]) - 1
            levels = (pixels >> shift & most).astype(np.uint16)
            plane = target if self.channels == 1 else target[..., channel]
            if most == white:
                plane[...] = levels
            else:
                table = (np.arange(most + 1) * (2 * white) + most) // (2 * most)  # rounded
                plane[...] = look_up(table.astype(target.dtype), levels)
