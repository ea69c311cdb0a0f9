"""Pictures of resolution: how fine the detail of a stack is, and how much noise it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.graph.phase_inputs import Given, check_results
from skry_dask.plotting.axes import new_axes
from skry_dask.plotting.images import plot_image

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def plot_ring_correlation(resolution: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how well a stack would agree with another one, at each spatial frequency.

    Parameters
    ----------
    resolution
        From `measure_resolution`.
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
    >>> capture = skry.open_capture("moon.ser")
    >>> earlier = results["align"], results["quality"], results["track"]
    >>> stacked = skry.stack(capture, *earlier, halves=True).compute()
    >>> ax = skry.plotting.plot_ring_correlation(skry.measure_resolution(stacked))
    """
    check_results(
        "plotting.plot_ring_correlation", Given("resolution", resolution, ("ring_correlation",))
    )
    ax = ax or new_axes()
    curves, frequency = resolution["ring_correlation"], resolution["frequency"]
    if "channel" in curves.dims:
        for name in curves["channel"].to_numpy():
            ax.plot(frequency, curves.sel(channel=name), linewidth=1.2, color=name, label=name)
        ax.legend()
    else:
        ax.plot(frequency, curves, linewidth=1.2)
    for threshold, words in zip(resolution["threshold"].to_numpy(), ("1/2", "1/7"), strict=True):
        ax.axhline(threshold, linewidth=0.8, linestyle="--", color="0.5")
        ax.annotate(words, (0.5, threshold), ha="right", va="bottom", color="0.5")
    ax.set(xlabel="cycles/px", ylabel="correlation", xlim=(0, 0.5), ylim=(-0.1, 1.02))
    ax.set(title="Ring correlation")
    return ax


def plot_region_resolution(
    stacked: xr.Dataset, resolution: xr.Dataset, ax: Axes | None = None
) -> Axes:
    """Draw the resolution of each region of a stack, where its correlation falls to 1/2.

    Parameters
    ----------
    stacked
        From `stack`.
    resolution
        From `measure_resolution`.
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
    >>> capture = skry.open_capture("moon.ser")
    >>> earlier = results["align"], results["quality"], results["track"]
    >>> stacked = skry.stack(capture, *earlier, halves=True).compute()
    >>> ax = skry.plotting.plot_region_resolution(stacked, skry.measure_resolution(stacked))
    """
    check_results(
        "plotting.plot_region_resolution",
        Given("stacked", stacked, ("stack",)),
        Given("resolution", resolution, ("region_resolution",)),
    )
    ax = ax or new_axes()
    plot_image(_grey(stacked["stack"]), "Resolution of regions", ax)
    local = _grey(resolution["region_resolution"].isel(threshold=0))
    y, x = np.meshgrid(resolution["region_y"], resolution["region_x"], indexing="ij")
    drawn = ax.scatter(x, y, c=local, cmap="viridis", vmin=0, vmax=0.5, s=40)
    ax.figure.colorbar(drawn, ax=ax, label="cycles/px at correlation 1/2")
    return ax


def plot_noise(stacked: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the noise of each pixel of a stack, from its half stacks.

    Parameters
    ----------
    stacked
        From `stack`, with half stacks.
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
    >>> capture = skry.open_capture("moon.ser")
    >>> earlier = results["align"], results["quality"], results["track"]
    >>> stacked = skry.stack(capture, *earlier, halves=True).compute()
    >>> ax = skry.plotting.plot_noise(stacked)
    """
    check_results("plotting.plot_noise", Given("stacked", stacked, ("noise",), made_by="halves"))
    ax = ax or new_axes()
    noise = 100 * _grey(stacked["noise"])
    plot_image(noise, "Noise", ax)
    (drawn,) = ax.images
    drawn.set_cmap("magma")
    ax.figure.colorbar(drawn, ax=ax, label="% of full scale")
    return ax


def _grey(values: xr.DataArray) -> xr.DataArray:
    """Average the colours, where there are any."""
    return values.mean("channel") if "channel" in values.dims else values
