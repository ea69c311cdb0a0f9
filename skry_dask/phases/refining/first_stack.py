"""The first stack, against which frames are measured a second time: made grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.errors import OptionsError
from skry_dask.phases.refining.tiles import ReferenceTiles

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import AnyArray

SHARES_OF_MOSAIC = (0.25, 0.5, 0.25)
"""Shares of red, green and blue in the grey of raw colour frames."""

SHARES_OF_COLOUR = (0.299, 0.587, 0.114)
"""The same for frames with channels (ITU-R BT.601)."""


def tiles_of_stack(stacked: xr.Dataset, capture: xr.Dataset) -> ReferenceTiles | None:
    """Cut the tiles of the first stack; None if it is smaller than one.

    Parameters
    ----------
    stacked
        From `stack`, not drizzled; loaded if it is lazy.
    capture
        The capture that was stacked.

    Raises
    ------
    OptionsError
        If the stack is drizzled.
    """
    stacked[["stack", "count"]].load()  # both from one pass over the frames
    y, x = (stacked[name].to_numpy() for name in "yx")
    step = float(y[1] - y[0]) if len(y) > 1 else 1.0
    if step != 1:
        raise OptionsError(
            f"the first stack has {1 / step:g} px for each pixel of the camera: give one without "
            "drizzle"
        )
    count = stacked["count"].to_numpy()
    return ReferenceTiles.of_stack(grey_stack(stacked, capture), count, (int(y[0]), int(x[0])))


def grey_stack(stacked: xr.Dataset, capture: xr.Dataset) -> AnyArray:
    """Make a stack grey: float (y, x), 1 = full scale.

    Parameters
    ----------
    stacked, capture
        As for `tiles_of_stack`.
    """
    image = stacked["stack"].load().to_numpy()
    if image.ndim == 3:
        mosaic = Developer.of(capture).cfa is not None
        image = image @ np.array(SHARES_OF_MOSAIC if mosaic else SHARES_OF_COLOUR, image.dtype)
    return image
