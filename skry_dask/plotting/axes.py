"""Axes to draw into, where none are given; matplotlib is imported here, when a picture is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


def new_axes() -> Axes:
    """Make axes in a figure of their own."""
    ax: Axes = _pyplot().subplots()[1]
    return ax


def new_row(n_axes: int, height_by_width: float) -> Sequence[Axes]:
    """Make axes beside each other, which zoom and pan together."""
    size = {"figsize": (4.8 * n_axes, 4.4 * height_by_width + 0.7), "layout": "constrained"}
    _, row = _pyplot().subplots(1, n_axes, squeeze=False, sharex=True, sharey=True, **size)
    axes: Sequence[Axes] = row[0]
    return axes


def new_panels(n_axes: int) -> Sequence[Axes]:
    """Make axes beside each other, which have nothing in common."""
    size = {"figsize": (3.7 * n_axes, 3.6), "layout": "constrained"}
    axes: Sequence[Axes] = _pyplot().subplots(1, n_axes, squeeze=False, **size)[1][0]
    return axes


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise SkryError(
            "pictures need matplotlib, which is not installed: pip install 'skry_dask[plot]'"
        ) from error
    return plt
