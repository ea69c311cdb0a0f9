"""Developing: from a raw frame to the planes that a phase works on.

Frames stay as the camera gave them until a task needs them. Only then are bad pixels replaced, the
dark subtracted, the flat divided out, overlays filled in, and colour converted: align, quality and
track work on a cheap grey; the stack takes colour planes, demosaiced at high quality. Everything is
integer arithmetic, so a frame has the same bits on every machine.

Memory: each plane of one frame.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.calibration.filling import Filling
from skry_dask.errors import ReaderError
from skry_dask.kernels.frame.calibration import FLAT_GAIN_BITS, calibrate_frame, replace_bad_pixels
from skry_dask.kernels.frame.demosaic import (
    DEMOSAIC_FRACTION_BITS,
    demosaic,
    mosaic_to_grey,
    rgb_to_grey,
)
from skry_dask.options import Cfa, Demosaic

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from skry_dask.types import AnyArray, Frames, IntArray

GREY = "grey"
"""Name of the plane that measures brightness."""

COLOURS = ("red", "green", "blue")
"""Names of the planes of a colour image."""

DEMOSAICED = 1 << DEMOSAIC_FRACTION_BITS
"""Number of units per grey level in demosaiced planes."""

CALIBRATED_BITS = 15
"""Depth to which calibrated samples are scaled, so that dark and flat are not rounded to the grey
levels of 8 bits. Deeper samples keep their own grey levels."""


@dataclass(frozen=True, slots=True, eq=False)
class Developer:
    """Converts raw frames to the planes that phases work on.

    Parameters
    ----------
    dtype
        dtype of grey frames: ``"uint8"`` or ``"uint16"``.
    black
        Grey level without light in calibrated frames.
    white
        Number of grey levels from ``black`` to full scale in calibrated frames.
    cfa
        Colour filter array at the frames' first pixel, or None.
    channels
        1, or 3 where frames have channels.
    dark, gain
        int32 of a frame's shape, or None: see `calibrate_frame`.
    shift
        Number of bits by which calibrated grey levels are finer than raw ones.
    bad
        int64 (pixel, 2 or 3), indices of the pixels to replace, or None: see `replace_bad_pixels`.
    filling
        How pixels are filled that text and marks hide, or None.
    grey_only
        Whether the user wants colour to be stacked as grey.
    demosaicing
        How colour is made of raw colour.
    """

    dtype: str
    black: int
    white: int
    cfa: str | None = None
    channels: int = 1
    dark: NDArray[np.int32] | None = None
    gain: NDArray[np.int32] | None = None
    shift: int = 0
    bad: IntArray | None = None
    filling: Filling | None = None
    grey_only: bool = False
    demosaicing: Demosaic = Demosaic.MALVAR

    @classmethod
    def of(cls, capture: xr.Dataset, demosaicing: Demosaic = Demosaic.MALVAR) -> Developer:
        """Build the developer of a capture's frames.

        Parameters
        ----------
        capture
            With ``frames``; ``dark``, ``gain``, ``bad`` and ``overlay`` from `calibrate` where
            there are any; attribute ``cfa`` where frames are raw colour, see `cfa_at_first_pixel`.
        demosaicing
            How colour is made of raw colour.

        Raises
        ------
        ReaderError
            If the capture has only every nth row or column of raw colour.
        """
        frames = capture["frames"]
        shape = frames.shape[1:]
        white, cfa, filling = full_scale(capture), cfa_at_first_pixel(capture), None
        if "overlay" in capture:
            filling = Filling.of(capture["overlay"].to_numpy(), 2 if cfa else 1)
        plain = cls(
            frames.dtype.name,
            black=0,
            white=white,
            cfa=cfa,
            channels=shape[2] if len(shape) > 2 else 1,
            bad=np.argwhere(capture["bad"].to_numpy()) if "bad" in capture else None,
            filling=filling,
            grey_only=bool(capture.attrs.get("grey")),
            demosaicing=demosaicing,
        )
        if not {"dark", "gain"} & set(capture.data_vars):
            return plain
        shift = max(0, CALIBRATED_BITS - white.bit_length())
        dark, black = np.zeros(shape, np.int32), 0
        if "dark" in capture:
            levels = capture["dark"].to_numpy().astype(np.float64) * 2**shift
            dark = np.rint(levels).astype(np.int32)
            # The mean of the dark is added to all pixels, so that noise below the dark is kept.
            black = round(float(levels.mean()))
        gain = np.full(shape, 1 << FLAT_GAIN_BITS, np.int32)
        if "gain" in capture:
            scaled = capture["gain"].to_numpy().astype(np.float64) * 2**FLAT_GAIN_BITS
            gain = np.rint(scaled).astype(np.int32)
        return dataclasses.replace(
            plain,
            dtype="uint16",
            black=black,
            white=white << shift,
            dark=dark,
            gain=gain,
            shift=shift,
        )

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes of the capture's image: grey, or red, green and blue."""
        coloured = (self.cfa or self.channels > 1) and not self.grey_only
        return COLOURS if coloured else (GREY,)

    @property
    def reach(self) -> int:
        """Distance of the farthest pixel that a developed pixel depends on, px along each axis."""
        of_bad = 0 if self.bad is None else 2 if self.cfa else 1
        of_filled = 0 if self.filling is None else self.filling.reach
        return of_bad + of_filled + (2 if self.cfa else 0)

    def cropped(self, rows: slice, columns: slice) -> Developer:
        """Build the developer of a part of each frame.

        Parameters
        ----------
        rows, columns
            The part, with start and stop; the starts are even where frames are raw colour. Pixels
            nearer than `reach` to a side that is not the frame's own are not developed exactly.
        """
        bad = self.bad
        if bad is not None:
            start, stop = (rows.start, columns.start), (rows.stop, columns.stop)
            inside = ((bad[:, :2] >= start) & (bad[:, :2] < stop)).all(axis=1)
            bad = bad[inside]
            bad[:, :2] -= start
        dark, gain = (
            m if m is None else np.ascontiguousarray(m[rows, columns])
            for m in (self.dark, self.gain)
        )
        filling = None if self.filling is None else self.filling.cropped(rows, columns)
        return dataclasses.replace(self, dark=dark, gain=gain, bad=bad, filling=filling)

    def units(self, plane: str) -> int:
        """Return the number of units per grey level in the values of a plane."""
        return DEMOSAICED if self.cfa and plane != GREY else 1

    def peak(self, planes: Sequence[str]) -> int:
        """Return the largest value that planes can have.

        Demosaicing overshoots: its values can be half as large again as those of the samples.
        """
        largest = int(np.iinfo(self.dtype).max)
        return max(2 * largest * u if (u := self.units(plane)) > 1 else largest for plane in planes)

    def calibrated(self, frame: Frames) -> Frames:
        """Calibrate one frame (y, x[, channel]); the frame itself, if there is nothing to do.

        Bad pixels are replaced, the dark is subtracted, the flat applied, overlays are filled.
        """
        calibrated = frame
        if self.bad is not None:
            calibrated = frame.copy()
            replace_bad_pixels(calibrated, self.bad, 2 if self.cfa else 1)
        if self.dark is not None and self.gain is not None:
            calibrated = calibrate_frame(calibrated, self.dark, self.gain, self.shift, self.black)
        if self.filling is not None:
            calibrated = frame.copy() if calibrated is frame else calibrated
            self.filling.fill(calibrated)
        return calibrated

    def grey(self, frames: Frames) -> Frames:
        """Develop a chunk of frames to grey.

        Parameters
        ----------
        frames
            uint8 or uint16 (frame, y, x[, channel]), raw.

        Returns
        -------
        (frame, y, x) of the developer's dtype
            The frames themselves, without a copy, if they are grey and need no calibration.
        """
        untouched = self.bad is None and self.dark is None and self.filling is None
        if self.channels == 1 and self.cfa is None and untouched:
            return frames
        out = np.empty(frames.shape[:3], self.dtype)
        for grey, frame in zip(out, frames, strict=True):
            grey[...] = self._grey(self.calibrated(frame))
        return out

    def develop(self, frame: Frames, planes: Sequence[str]) -> list[AnyArray]:
        """Develop one frame to planes.

        Parameters
        ----------
        frame
            uint8 or uint16 (y, x[, channel]), raw.
        planes
            Names of the planes: "grey", "red", "green", "blue".

        Returns
        -------
        list of integer arrays (y, x)
            One for each plane, in `units` per grey level.
        """
        frame = np.ascontiguousarray(self.calibrated(frame))
        developed: dict[str, AnyArray] = {}
        if GREY in planes:
            developed[GREY] = self._grey(frame)
        if set(planes) & set(COLOURS):
            if self.cfa:
                colours = demosaic(frame, self.cfa, bilinear=self.demosaicing is Demosaic.BILINEAR)
            else:
                colours = np.ascontiguousarray(np.moveaxis(frame, 2, 0))
            developed |= dict(zip(COLOURS, colours, strict=True))
        return [developed[plane] for plane in planes]

    def _grey(self, frame: Frames) -> Frames:
        if self.cfa:
            return mosaic_to_grey(frame)
        return frame if self.channels == 1 else rgb_to_grey(frame)


def full_scale(capture: xr.Dataset) -> int:
    """Return the grey level of white in raw frames, from the depth that the capture states."""
    return 2 ** int(capture.attrs.get("bits", 8 * capture["frames"].dtype.itemsize)) - 1


def cfa_at_first_pixel(capture: xr.Dataset) -> str | None:
    """Find the colour filter array at the first pixel of a capture's frames.

    Parameters
    ----------
    capture
        Attribute ``cfa`` is the pattern at pixel (0, 0) of the file; coordinates ``y`` and ``x``,
        pixel numbers in the file, say where the capture's frames begin.

    Returns
    -------
    str or None
        "RGGB", "GRBG", "GBRG" or "BGGR"; None for other frames than raw colour.

    Raises
    ------
    ReaderError
        If the capture has only every nth row or column, which mixes the colours up.
    """
    pattern = capture.attrs.get("cfa")
    if pattern in (None, Cfa.NONE):
        return None
    rows = [str(pattern)[:2], str(pattern)[2:]]
    for dim in ("y", "x"):
        if dim in capture.coords and capture.sizes[dim] > 1:
            step = np.unique(np.diff(capture[dim].to_numpy()))
            if not np.array_equal(step, [1]):
                raise ReaderError(
                    f"the capture takes every {step[0]}th pixel along {dim} of raw colour frames: "
                    "that mixes the colours up, crop without a step"
                )
    odd_row, odd_column = (
        int(capture[dim][0]) % 2 if dim in capture.coords and capture.sizes[dim] else 0
        for dim in ("y", "x")
    )
    return "".join(rows[(y + odd_row) % 2][(x + odd_column) % 2] for y in (0, 1) for x in (0, 1))
