"""Pictures of what each phase found, for notebooks; needs matplotlib (the extra ``plot``).

Every function draws into the axes it is given, or into new ones, and returns them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import SkryError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def plot_drift(alignment: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how the scene moved: offset y and x of each active frame.

    Parameters
    ----------
    alignment
        From `align`.
    ax
        Axes to draw into.
    """
    ax = ax or _new_axes()
    used = alignment.isel(frame=np.flatnonzero(alignment["active"]))
    for axis in ("y", "x"):
        ax.plot(used["frame"], used["offset"].sel(axis=axis), linewidth=1, label=axis)
    ax.set(xlabel="frame", ylabel="offset, px", title="Drift")
    ax.legend()
    return ax


def plot_quality(quality: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the quality of frames over time, and sorted.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    ax
        Axes to draw into.
    """
    ax = ax or _new_axes()
    values = quality["frame_quality"]
    ax.plot(values["frame"], values, linewidth=1, label="in time")
    ax.plot(values["frame"], np.sort(values)[::-1], linewidth=1, label="sorted")
    ax.set(xlabel="frame", ylabel="mean |I - blurred I|", title="Quality")
    ax.legend()
    return ax


def plot_points(quality: xr.Dataset, points: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw reference points on the reference image, coloured by how often they were valid.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    points
        From `track`.
    ax
        Axes to draw into.
    """
    ax = ax or _new_axes()
    plot_image(quality["reference"], "Reference points", ax)
    y, x = points["position"].to_numpy().T
    shown = ax.scatter(x, y, c=points["valid"].mean("frame"), s=12, cmap="viridis", vmin=0, vmax=1)
    ax.figure.colorbar(shown, ax=ax, label="valid, fraction of frames")
    return ax


def plot_image(image: xr.DataArray, title: str, ax: Axes | None = None) -> Axes:
    """Draw an image (y, x), black at 0 and white at its 99.9th percentile.

    Parameters
    ----------
    image
        With or without canvas coordinates.
    title
        Over the picture.
    ax
        Axes to draw into.
    """
    ax = ax or _new_axes()
    height, width = image.shape
    y, x = (float(image[d][0]) if d in image.coords else 0.0 for d in ("y", "x"))
    extent = (x - 0.5, x + width - 0.5, y + height - 0.5, y - 0.5)
    white = float(np.nanpercentile(image, 99.9))
    ax.imshow(image, cmap="gray", vmin=0, vmax=white, extent=extent, interpolation="nearest")
    ax.set(title=title, xlabel="x, px", ylabel="y, px")
    return ax


def _new_axes() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise SkryError(
            "pictures need matplotlib, which is not installed: pip install 'skry_dask[plot]'"
        ) from error
    return plt.subplots()[1]
