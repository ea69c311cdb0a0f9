"""Pictures of reference points, their triangles and their motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.phase_inputs import Given, check_results
from skry_dask.plotting.axes import new_axes
from skry_dask.plotting.images import plot_image

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


MAX_ARROWS = 600
"""Largest number of arrows in a picture; of more points, every second or third one has an arrow."""


def plot_points(quality: xr.Dataset, points: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the reference points, coloured by how often they were measured, on the reference image.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    points
        From `track`.
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
    >>> ax = skry.plotting.plot_points(results["quality"], results["track"])
    """
    check_results(
        "plotting.plot_points",
        Given("quality", quality, ("reference",)),
        Given("points", points, ("position", "valid")),
    )
    ax = ax or new_axes()
    plot_image(quality["reference"], "Reference points", ax)
    y, x = points["position"].to_numpy().T
    drawn = ax.scatter(x, y, c=points["valid"].mean("frame"), s=12, cmap="viridis", vmin=0, vmax=1)
    ax.figure.colorbar(drawn, ax=ax, label="valid, fraction of frames")
    return ax


def plot_warp(
    quality: xr.Dataset,
    points: xr.Dataset,
    frame: int,
    ax: Axes | None = None,
    *,
    magnified: float = 8.0,
) -> Axes:
    """Draw how the air displaced the scene in one frame: an arrow at each reference point.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    points
        From `track`.
    frame
        Number of the frame. An inactive frame has no arrows.
    ax
        Axes to draw into [default: new ones].
    magnified
        Factor by which the arrows are longer than the displacements.

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
    >>> ax = skry.plotting.plot_warp(results["quality"], results["track"], frame=3)
    """
    check_results(
        "plotting.plot_warp",
        Given("quality", quality, ("reference",)),
        Given("points", points, ("position", "displacement")),
    )
    if "frame" in points.coords and frame not in points["frame"]:
        numbers = points["frame"].to_numpy()
        raise OptionsError(
            f"frame is {frame!r}: there are frames {numbers[0]} to {numbers[-1]}, by their numbers"
        )
    ax = ax or new_axes()
    plot_image(quality["reference"], f"Warp of frame {frame}, {magnified:g} times enlarged", ax)
    y, x = points["position"].to_numpy().T
    down, right = points["displacement"].sel(frame=frame).to_numpy().T
    scale = 1 / magnified
    ax.quiver(x, y, right, down, angles="xy", scale_units="xy", scale=scale, width=5e-3, color="C1")
    return ax


def plot_mesh(quality: xr.Dataset, points: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the triangles between reference points, coloured by how far their points move.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    points
        From `track` or `refine`.
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
    >>> ax = skry.plotting.plot_mesh(results["quality"], results["track"])
    """
    check_results(
        "plotting.plot_mesh",
        Given("quality", quality, ("reference",)),
        Given("points", points, ("position", "displacement")),
    )
    ax = ax or new_axes()
    plot_image(quality["reference"], "Triangles, and how far points move", ax)
    position = points["position"].to_numpy()
    motion = points["displacement"] - points["mean_displacement"]
    rms = ((motion**2).sum("axis").mean("frame") ** 0.5).to_numpy()
    y, x = position.T
    if len(position) > 2:
        ax.triplot(x, y, linewidth=0.4, color="0.7")
    drawn = ax.scatter(x, y, c=rms, s=10, cmap="plasma")
    ax.figure.colorbar(drawn, ax=ax, label="motion of the point, px rms")
    return ax


def plot_mean_warp(
    quality: xr.Dataset,
    points: xr.Dataset,
    ax: Axes | None = None,
    *,
    magnified: float | None = None,
) -> Axes:
    """Draw the warp of the reference image, which the stack undoes: an arrow at each point.

    Parameters
    ----------
    quality
        From `estimate_quality`.
    points
        From `track` or `refine`.
    ax
        Axes to draw into [default: new ones].
    magnified
        Factor by which the arrows are longer than the displacements [default: so that the longest
        ones are as long as a twentieth of the image].

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
    >>> ax = skry.plotting.plot_mean_warp(results["quality"], results["track"])
    """
    check_results(
        "plotting.plot_mean_warp",
        Given("quality", quality, ("reference",)),
        Given("points", points, ("position", "mean_displacement")),
    )
    ax = ax or new_axes()
    every = max(1, -(-points.sizes["point"] // MAX_ARROWS))
    shown = points.isel(point=slice(None, None, every))
    y, x = shown["position"].to_numpy().T
    down, right = shown["mean_displacement"].to_numpy().T
    if magnified is None:
        longest = float(np.nanmax(np.hypot(down, right), initial=0.0)) or 1.0
        magnified = float(f"{max(quality['reference'].shape[:2]) / 20 / longest:.1g}")
    title = f"Warp of the reference image, {magnified:g} times enlarged"
    plot_image(quality["reference"], title, ax)
    scale = 1 / magnified
    ax.quiver(x, y, right, down, angles="xy", scale_units="xy", scale=scale, width=3e-3, color="C1")
    return ax
