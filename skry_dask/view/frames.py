"""Single frames as pictures: raw, or stabilised, read one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.calibration.on_canvas import developed_image, frame_on_canvas
from skry_dask.capture.select import select
from skry_dask.options import Mask
from skry_dask.reporting.pictures import to_uri, white_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry.canvas import Region
    from skry_dask.options import Options
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

COMPRESSION = 1
"""Compression of pictures, which are sent to a browser of this machine: fast."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameSource:
    """The frames of a capture as a user looks at them: whole, calibrated, in their numbers.

    Parameters
    ----------
    capture
        As from `calibrate`, lazy: of a frame that is shown, that frame is read.
    developer
        Of its frames.
    white
        Value that is shown white, the same for all frames.
    """

    capture: xr.Dataset
    developer: Developer
    white: float

    @classmethod
    def of(cls, capture: xr.Dataset, options: Options) -> FrameSource:
        """Prepare the frames that options use; the frame in the middle fixes the brightness.

        Parameters
        ----------
        capture
            Opened, lazy.
        options
            Of the job.

        Raises
        ------
        SkryError
            If the capture lacks frames, or cannot be calibrated.
        """
        whole = select(capture, replace(options.select, roi=None))
        # Text and marks are looked for in many frames, and they are what a user wants to see.
        shown = calibrate(whole, replace(options.calibrate, mask=Mask.OFF))
        developer = Developer.of(shown)
        middle = shown["frames"][shown.sizes["frame"] // 2].to_numpy()
        return cls(shown, developer, white_of(developed_image(middle, developer)))

    @property
    def numbers(self) -> IntArray:
        """Number of each frame in the file: int64 (frame)."""
        return self.capture["frame"].to_numpy()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of frames, px."""
        height, width = self.capture["frames"].shape[1:3]
        return height, width

    def _read(self, number: int) -> Frames:
        index = int(np.searchsorted(self.numbers, number))
        return self.capture["frames"][index].to_numpy()

    def raw(self, number: int) -> Float32Array:
        """Read a frame as it is, calibrated: float32 (y, x[, channel]), 1 = full scale.

        Parameters
        ----------
        number
            Of the frame in the file.
        """
        return developed_image(self._read(number), self.developer)

    def stabilised(self, number: int, offset: FloatArray, region: Region) -> Float32Array:
        """Read a frame, moved to where the reference frame shows the scene.

        Parameters
        ----------
        number
            Of the frame in the file.
        offset
            float64 (axis), px: see `align`.
        region
            What to show, on the pixels of the whole reference frame.

        Returns
        -------
        float32 (y, x[, channel]), 1 = full scale, NaN where the frame shows nothing.
        """
        return frame_on_canvas(
            self._read(number), self.developer, offset, region.y_coords, region.x_coords
        )

    def picture(self, image: AnyArray, white: float | None = None) -> str:
        """Make a picture for a browser, a data URI.

        Parameters
        ----------
        image
            (y, x[, channel]), 1 = full scale.
        white
            Value that is shown white [default: that of all frames].
        """
        return to_uri(image, white or self.white, compression=COMPRESSION)
