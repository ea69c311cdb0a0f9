"""Pictures of images, on the canvas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.phase_inputs import Given, check_image, check_results
from skry_dask.options.given import article
from skry_dask.plotting.axes import new_axes, new_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes

WHITE_PERCENTILE = 99.9
"""Percentile of an image that is shown white: a few brighter pixels must not darken the picture."""


def plot_image(
    image: xr.DataArray, title: str, ax: Axes | None = None, *, white: float | None = None
) -> Axes:
    """Draw an image, from black at 0 to white.

    Parameters
    ----------
    image
        (y, x), or (y, x, channel): red, green, blue; with or without canvas coordinates.
    title
        Of the picture.
    ax
        Axes to draw into [default: new ones].
    white
        Value that is shown white [default: the image's 99.9th percentile].

    Returns
    -------
    The axes.

    Raises
    ------
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> ax = skry.plotting.plot_image(results["stack"]["stack"], "Stack")
    """
    check_image("plotting.plot_image", image)
    ax = ax or new_axes()
    image = image.compute()
    white = _white(image) if white is None else white
    shown = (image / white).clip(0, 1) if "channel" in image.dims else image
    extent = _extent(image)
    ax.imshow(shown, cmap="gray", vmin=0, vmax=white, extent=extent, interpolation="nearest")
    ax.set(title=title, xlabel="x, px", ylabel="y, px")
    return ax


def plot_comparison(
    images: Mapping[str, xr.DataArray], axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """Draw images of one size side by side, on one scale of brightness.

    Parameters
    ----------
    images
        (y, x) or (y, x, channel) each, by title, from left to right; the brightest decides what is
        shown white.
    axes
        Axes to draw into, one for each image [default: new ones, which zoom and pan together].

    Returns
    -------
    The axes.

    Raises
    ------
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> quality = results["quality"]
    >>> images = {name: quality[name] for name in ("composite", "reference")}
    >>> axes = skry.plotting.plot_comparison(images)
    """
    if not isinstance(images, Mapping):
        raise OptionsError(
            f"images of plotting.plot_comparison are {article(images)}: give a dict, each by its "
            'title, such as {"stack": result["stack"]}'
        )
    for image in images.values():
        check_image("plotting.plot_comparison", image)
    images = {title: image.compute() for title, image in images.items()}
    if axes is None:
        height, width = next(iter(images.values())).shape[:2]
        axes = new_row(len(images), height / width)
    white = max(_white(image) for image in images.values())
    for ax, (title, image) in zip(axes, images.items(), strict=True):
        plot_image(image, title, ax, white=white)
    return axes


def plot_area_quality(quality: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the mean quality of each area, relative to the best one, over the reference image.

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
    >>> ax = skry.plotting.plot_area_quality(results["quality"])
    """
    check_results("plotting.plot_area_quality", Given("quality", quality, ("reference", "mean")))
    ax = ax or new_axes()
    plot_image(quality["reference"], "Quality of areas", ax)
    mean = quality["mean"].to_numpy()
    y, x = (quality[name].to_numpy() for name in ("area_y", "area_x"))
    size = float(quality.attrs["options"]["area_size"])
    corners = np.stack([x, y], axis=-1)[:, None] + size / 2 * np.array(
        [[-1, -1], [1, -1], [1, 1], [-1, 1]]
    )
    from matplotlib.collections import PolyCollection

    drawn = PolyCollection(list(corners), array=mean / mean.max(), cmap="magma", alpha=0.6)
    drawn.set_clim(0, 1)
    limits = ax.axis()
    ax.add_collection(drawn, autolim=False)
    ax.axis(limits)
    ax.figure.colorbar(drawn, ax=ax, label="mean quality, 1 = best area")
    return ax


def plot_count(stacked: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how many frames each pixel of the stack is the mean of.

    Parameters
    ----------
    stacked
        From `stack`.
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
    >>> ax = skry.plotting.plot_count(results["stack"])
    """
    check_results("plotting.plot_count", Given("stacked", stacked, ("count",)))
    ax = ax or new_axes()
    count = stacked["count"].compute()
    drawn = ax.imshow(count, cmap="viridis", vmin=0, extent=_extent(count), interpolation="nearest")
    ax.figure.colorbar(drawn, ax=ax, label="frames")
    ax.set(title="Frames averaged", xlabel="x, px", ylabel="y, px")
    return ax


def _white(image: xr.DataArray) -> float:
    """Choose the value that is shown white: above 0, for images without light or values too."""
    values = image.to_numpy()
    known = values[~np.isnan(values)]
    found = float(np.percentile(known, WHITE_PERCENTILE)) if known.size else 0.0
    return found if found > 0 else 1.0


def _extent(image: xr.DataArray) -> tuple[float, float, float, float]:
    """Find the sides of an image on the canvas: left, right, bottom, top."""
    ends = {}
    for dim in ("y", "x"):
        n = image.sizes[dim]
        at = image[dim].to_numpy() if dim in image.coords else np.arange(n)
        half = (at[-1] - at[0]) / (n - 1) / 2 if n > 1 else 0.5
        ends[dim] = float(at[0] - half), float(at[-1] + half)
    return (*ends["x"], ends["y"][1], ends["y"][0])
