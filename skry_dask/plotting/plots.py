"""Pictures of the results of each phase, for notebooks. Needs matplotlib (the extra ``plot``).

Every function draws into the given axes, or into new ones, and returns them. Without matplotlib it
raises a `SkryError` that says what to install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from matplotlib.axes import Axes

WHITE_PERCENTILE = 99.9
"""Percentile of an image that is shown white: a few brighter pixels must not darken the picture."""


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
    SkryError
        If matplotlib is not installed.

    Examples
    --------
    >>> plotting.plot_drift(skry.align(skry.open_capture("moon.ser")))  # doctest: +SKIP
    """
    ax = ax or _new_axes()
    used = alignment.isel(frame=np.flatnonzero(alignment["active"]))
    for axis in ("y", "x"):
        ax.plot(used["frame"], used["offset"].sel(axis=axis), linewidth=1, label=axis)
    ax.set(xlabel="frame", ylabel="offset, px", title="Drift")
    ax.legend()
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
    SkryError
        If matplotlib is not installed.
    """
    ax = ax or _new_axes()
    values = quality["frame_quality"]
    best_first = np.sort(values.dropna("frame"))[::-1]
    ax.plot(values["frame"], values, linewidth=1, label="in time")
    ax.plot(np.arange(best_first.size), best_first, linewidth=1, label="best first")
    ax.set(xlabel="frame", ylabel="mean |I - blurred I|", title="Quality")
    ax.legend()
    return ax


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
    SkryError
        If matplotlib is not installed.
    """
    ax = ax or _new_axes()
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
    SkryError
        If matplotlib is not installed.
    """
    ax = ax or _new_axes()
    plot_image(quality["reference"], f"Warp of frame {frame}, {magnified:g} times enlarged", ax)
    y, x = points["position"].to_numpy().T
    down, right = points["displacement"].sel(frame=frame).to_numpy().T
    scale = 1 / magnified
    ax.quiver(x, y, right, down, angles="xy", scale_units="xy", scale=scale, width=5e-3, color="C1")
    return ax


def plot_image(
    image: xr.DataArray, title: str, ax: Axes | None = None, *, white: float | None = None
) -> Axes:
    """Draw an image in grey, from black at 0 to white.

    Parameters
    ----------
    image
        (y, x), with or without canvas coordinates.
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
    """
    ax = ax or _new_axes()
    image = image.compute()
    height, width = image.shape
    y, x = (float(image[d][0]) if d in image.coords else 0.0 for d in ("y", "x"))
    extent = (x - 0.5, x + width - 0.5, y + height - 0.5, y - 0.5)
    white = _white(image) if white is None else white
    ax.imshow(image, cmap="gray", vmin=0, vmax=white, extent=extent, interpolation="nearest")
    ax.set(title=title, xlabel="x, px", ylabel="y, px")
    return ax


def plot_comparison(
    images: Mapping[str, xr.DataArray], axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """Draw images of one size side by side, on one grey scale.

    Parameters
    ----------
    images
        (y, x) each, by title, from left to right; the brightest decides what is shown white.
    axes
        Axes to draw into, one for each image [default: new ones, which zoom and pan together].

    Returns
    -------
    The axes.

    Raises
    ------
    SkryError
        If matplotlib is not installed.
    """
    images = {title: image.compute() for title, image in images.items()}
    if axes is None:
        height, width = next(iter(images.values())).shape
        axes = _new_row(len(images), height / width)
    white = max(_white(image) for image in images.values())
    for ax, (title, image) in zip(axes, images.items(), strict=True):
        plot_image(image, title, ax, white=white)
    return axes


def _white(image: xr.DataArray) -> float:
    return float(np.nanpercentile(image, WHITE_PERCENTILE))


def _new_axes() -> Axes:
    ax: Axes = _pyplot().subplots()[1]
    return ax


def _new_row(n_axes: int, height_by_width: float) -> Sequence[Axes]:
    size = {"figsize": (4.8 * n_axes, 4.4 * height_by_width + 0.7), "layout": "constrained"}
    _, row = _pyplot().subplots(1, n_axes, squeeze=False, sharex=True, sharey=True, **size)
    axes: Sequence[Axes] = row[0]
    return axes


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise SkryError(
            "pictures need matplotlib, which is not installed: pip install 'skry_dask[plot]'"
        ) from error
    return plt
