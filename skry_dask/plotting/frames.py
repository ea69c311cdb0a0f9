"""Pictures of frames: where they lie, and how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.graph.phase_inputs import Given, check_results
from skry_dask.plotting.axes import new_axes

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from skry_dask.types import BoolArray


def plot_drift(alignment: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how the scene moved: the offset y and x of each active frame, px.

    Parameters
    ----------
    alignment
        From `align`.
    ax
        Axes to draw into [default: new ones].

    Returns
    -------
    The axes.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be.
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> ax = skry.plotting.plot_drift(results["align"])
    """
    check_results("plotting.plot_drift", Given("alignment", alignment, ("offset", "active")))
    ax = ax or new_axes()
    used = alignment.isel(frame=np.flatnonzero(alignment["active"]))
    for axis in ("y", "x"):
        ax.plot(used["frame"], used["offset"].sel(axis=axis), linewidth=1, label=axis)
    ax.set(xlabel="frame", ylabel="offset, px", title="Drift")
    ax.legend()
    return ax


def plot_path(alignment: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the path of the scene on the sensor: offset y over offset x, coloured by frame.

    Parameters
    ----------
    alignment
        From `align`.
    ax
        Axes to draw into [default: new ones].

    Returns
    -------
    The axes.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be.
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> ax = skry.plotting.plot_path(results["align"])
    """
    check_results("plotting.plot_path", Given("alignment", alignment, ("offset", "active")))
    ax = ax or new_axes()
    used = alignment.isel(frame=np.flatnonzero(alignment["active"]))
    y, x = used["offset"].to_numpy().T
    ax.plot(x, y, linewidth=0.5, color="0.6", zorder=1)
    drawn = ax.scatter(x, y, c=used["frame"], s=8, cmap="viridis", zorder=2)
    ax.figure.colorbar(drawn, ax=ax, label="frame")
    ax.set(xlabel="offset x, px", ylabel="offset y, px", title="Path of the scene", aspect="equal")
    ax.invert_yaxis()
    return ax


def plot_quality(quality: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the quality of active frames over time, and from the best to the worst.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    ax
        Axes to draw into [default: new ones].

    Returns
    -------
    The axes.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be.
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> ax = skry.plotting.plot_quality(results["quality"])
    """
    check_results("plotting.plot_quality", Given("quality", quality, ("frame_quality",)))
    ax = ax or new_axes()
    values = quality["frame_quality"]
    best_first = np.sort(values.dropna("frame"))[::-1]
    ax.plot(values["frame"], values, linewidth=1, label="in time")
    ax.plot(np.arange(best_first.size), best_first, linewidth=1, label="best first")
    ax.set(xlabel="frame", ylabel="mean |I - blurred I|", title="Quality")
    ax.legend()
    return ax


def plot_sorted_quality(
    quality: xr.Dataset, stacked: BoolArray | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the quality of frames from the best to the worst, and how many of them are stacked.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    stacked
        bool (frame), which frames give fragments to the stack; None = not shown.
    ax
        Axes to draw into [default: new ones].

    Returns
    -------
    The axes.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be.
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> ax = skry.plotting.plot_sorted_quality(results["quality"])
    """
    check_results("plotting.plot_sorted_quality", Given("quality", quality, ("frame_quality",)))
    ax = ax or new_axes()
    values = quality["frame_quality"].to_numpy()
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    order = order[~np.isnan(values[order])]
    rank = np.arange(order.size)
    ax.plot(rank, values[order], linewidth=1)
    if stacked is not None:
        used = stacked[order]
        ax.scatter(rank[used], values[order][used], s=6, color="C0", label="in the stack")
        ax.scatter(
            rank[~used], values[order][~used], s=14, color="C3", marker="x", label="left out"
        )
        ax.legend()
    ax.set(xlabel="rank", ylabel="mean |I - blurred I|", title="Quality, best first")
    return ax
