"""Charts of the report: the project's plots as SVG, in the colours of the page.

Text and axes take the colour of the page's text, so one SVG serves light and dark pages.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skry_dask import plotting
from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

INK = "#0a0b0c"
"""Colour of text and axes, which becomes that of the page's text."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud and searched
    "svg.hashsalt": "skry_dask",  # the same chart has the same bytes
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.facecolor": "none",
    "legend.labelcolor": INK,
    "font.size": 9,
}

SIZE = (6.2, 4.2)
"""Width and height of a chart, in."""

MARGINS = {"left": 0.75, "right": 0.25, "bottom": 0.55, "top": 0.2}
"""Room for ticks and labels around the axes, in."""

PATHS = re.compile(r'(?<= d=")[^"]*|(?<= x=")[^"]*|(?<= y=")[^"]*')
"""Coordinates of drawings, which matplotlib writes with six decimals."""


class Chart(NamedTuple):
    """A chart of the page.

    Parameters
    ----------
    title
        What it shows.
    words
        How to read it, which also serves those who cannot see it.
    svg
        The drawing.
    """

    title: str
    words: str
    svg: str


def charts(
    alignment: xr.Dataset,
    quality: xr.Dataset,
    tracked: xr.Dataset,
    points: xr.Dataset,
    stacked: xr.Dataset,
) -> list[Chart]:
    """Draw the results of a job.

    Parameters
    ----------
    alignment, quality, tracked, points, stacked
        As from `align`, `estimate_quality`, `track`, `refine` (or `track` again) and `stack`.

    Raises
    ------
    SkryError
        If matplotlib is not installed.
    """
    used = stacked["fragments"].to_numpy() > 0
    n_active = int(alignment["active"].sum())
    drawn = [
        Chart(
            "Quality over time",
            f"Detail of each frame, from frame {int(alignment['frame'][0])} to frame "
            f"{int(alignment['frame'][-1])}; gaps are frames that could not be aligned.",
            _svg(lambda ax: plotting.plot_quality(quality, ax)),
        ),
        Chart(
            "Quality, best first",
            f"{int(used.sum())} frames give something to the stack; crosses give nothing.",
            _svg(lambda ax: plotting.plot_sorted_quality(quality, used, ax)),
        ),
        Chart(
            "Drift",
            f"Offsets of {n_active} aligned frames from the reference frame, "
            f"{int(alignment['reference'])}.",
            _svg(lambda ax: plotting.plot_drift(alignment, ax)),
        ),
        Chart(
            "Path of the scene",
            "The same offsets as a path: loops are wind and mount, a line is drift.",
            _svg(lambda ax: plotting.plot_path(alignment, ax)),
        ),
        Chart(
            "Quality of areas",
            "Mean detail of each area, relative to the best: dark areas are blank or blurred.",
            _svg(lambda ax: plotting.plot_area_quality(quality, ax)),
        ),
        Chart(
            "Frames averaged",
            "How many frames each pixel is the mean of, by weight.",
            _svg(lambda ax: plotting.plot_count(stacked, ax)),
        ),
    ]
    if points.sizes["point"]:
        drawn += _charts_of_points(quality, tracked, points)
    return drawn


def charts_of_halves(stacked: xr.Dataset, resolution: xr.Dataset) -> list[Chart]:
    """Draw what half stacks tell.

    Parameters
    ----------
    stacked, resolution
        As from `stack`, with half stacks, and `measure_resolution`.
    """
    return [
        Chart(
            "Ring correlation",
            "How well the stack would agree with another one of as many frames: 1 is detail "
            "alone, at 1/2 noise is as strong, at 1/7 hardly any detail is left.",
            _svg(lambda ax: plotting.plot_ring_correlation(resolution, ax)),
        ),
        Chart(
            "Resolution of regions",
            "The frequency at which the correlation of each region falls to 1/2; regions without "
            "a dot show no detail.",
            _svg(lambda ax: plotting.plot_region_resolution(stacked, resolution, ax)),
        ),
        Chart(
            "Noise",
            "Standard deviation of the noise of each pixel, from what half stacks differ by.",
            _svg(lambda ax: plotting.plot_noise(stacked, ax)),
        ),
    ]


def chart_of_steps(steps: xr.Dataset) -> Chart:
    """Draw noise, sharpness and resolution against the number of frames.

    Parameters
    ----------
    steps
        As from `partial_stacks`, with a resolution.
    """
    return Chart(
        "Number of frames",
        f"Stacks of the best {int(steps['number'][0])} to {int(steps['number'][-1])} frames: where "
        "resolution does not rise any more, more frames only lower the noise.",
        _svg(lambda axes: plotting.plot_steps(steps, axes), n_axes=3),
    )


def _charts_of_points(quality: xr.Dataset, tracked: xr.Dataset, points: xr.Dataset) -> list[Chart]:
    motion = points["displacement"] - points["mean_displacement"]
    rms = float(np.sqrt(2 * (motion**2).mean()))
    kind = "reference points"
    if points.sizes["point"] != tracked.sizes["point"]:
        kind = "places of the second pass: tiles, and reference points at limbs"
    return [
        Chart(
            "Reference points",
            f"{tracked.sizes['point']} points, coloured by the share of frames in which each was "
            "measured.",
            _svg(lambda ax: plotting.plot_points(quality, tracked, ax)),
        ),
        Chart(
            "Triangles and motion",
            f"The stack is made triangle by triangle, between {points.sizes['point']} {kind}. The "
            f"air moved them by {rms:.2f} px rms.",
            _svg(lambda ax: plotting.plot_mesh(quality, points, ax)),
        ),
        Chart(
            "Warp of the reference image",
            "What is left of the air's warp in the mean of the best frames; the stack undoes it.",
            _svg(lambda ax: plotting.plot_mean_warp(quality, points, ax)),
        ),
    ]


def _svg(draw: Callable[[Any], object], n_axes: int = 1) -> str:
    """Draw one chart, without pyplot: its windows and its state are the user's.

    Parameters
    ----------
    draw
        Called with the axes; of several, with the array of them.
    n_axes
        Number of axes, one below the other.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SkryError(
            "a report needs matplotlib, which is not installed: pip install 'skry_dask[report]'"
        ) from error
    with rc_context(STYLE):  # type: ignore[arg-type]  # its keys are a Literal of hundreds
        width, height = SIZE
        size = width, height * (1 + n_axes) / 2
        # Fixed margins: a layout that fits them takes as long as all else.
        figure = Figure(figsize=size)
        top = 1 - MARGINS["top"] / size[1]
        figure.subplots_adjust(
            left=MARGINS["left"] / width,
            right=1 - MARGINS["right"] / width,
            bottom=MARGINS["bottom"] / size[1],
            top=top,
            hspace=0.4,
        )
        draw(figure.subplots(n_axes))
        if n_axes == 1:
            for ax in figure.axes:
                ax.set_title("")  # the page has it
        target = StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    text = PATHS.sub(_rounded, target.getvalue())
    return text[text.index("<svg") :].replace(INK, "currentColor")


def _rounded(coordinates: re.Match[str]) -> str:
    """Leave out what no screen shows: hundredths of a point and less."""
    return re.sub(r"(\.\d\d)\d+", r"\1", coordinates[0])
