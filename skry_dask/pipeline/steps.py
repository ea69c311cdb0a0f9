"""Steps: noise, sharpness and resolution of stacks of more and more frames, as table and plot."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.graph.datasets import variable
from skry_dask.io.atomic import write_if_new
from skry_dask.phases.partial_stacks import partial_stacks

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from skry_dask.options.steps import StepOptions
    from skry_dask.types import Float32Array, FloatArray

TABLE, PLOT = "-steps.csv", "-steps.png"
"""Ends of the names of the files."""

NO_PLOT = "there is no plot of the steps without matplotlib: pip install 'skry_dask[plot]'"
"""Note on a job whose steps are in the table alone."""


def can_plot() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def measure_steps(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StepOptions,
) -> xr.Dataset:
    """Measure stacks of more and more frames in one pass over the frames, lazily.

    Parameters
    ----------
    capture, alignment, quality, points
        As for `stack`.
    options
        Which steps, and how frames are stacked: with halves.

    Returns
    -------
    xarray.Dataset, lazy
        ``noise`` and ``sharpness`` float64 (step), see `partial_stacks`; ``resolution`` float64
        (step, threshold), see `measure_resolution`, of colours the mean; coordinates ``number`` and
        ``threshold``.
    """
    steps = partial_stacks(capture, alignment, quality, points, options.stack, options.numbers)
    halves = steps["half_stack"].data
    from skry_dask.finishing.resolution.measurement import THRESHOLDS

    resolution = halves.map_blocks(
        _resolution_of_step,
        dtype=np.float64,
        chunks=(halves.chunks[0], (len(THRESHOLDS),)),
        drop_axis=tuple(range(2, halves.ndim)),
    )
    measured = steps[["noise", "sharpness"]].drop_vars(["y", "x"], errors="ignore")
    about = "frequency where correlation ends"
    measured["resolution"] = variable(("step", "threshold"), resolution, "px-1", about)
    coords = {"threshold": ("threshold", np.array(THRESHOLDS), {"units": "1"})}
    return measured.assign_coords(coords).assign_attrs(phase=options.phase, version=options.version)


def _resolution_of_step(halves: Float32Array) -> FloatArray:
    """Find the resolution of one step: float64 (1, threshold); see `resolution_of`."""
    from skry_dask.finishing.resolution.measurement import resolution_of

    of_colours = resolution_of(halves[0])
    known = ~np.isnan(of_colours)
    total = np.where(known, of_colours, 0.0).sum(axis=-1)
    return np.where(known.any(axis=-1), total / np.maximum(known.sum(axis=-1), 1), np.nan)[None]


def write_step_table(path: Path, steps: xr.Dataset) -> bool:
    """Write the figures of all steps as CSV, with a header row; what is not known is empty.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    steps
        From `measure_steps`, computed.

    Returns
    -------
    bool
        Whether the file was written: it is left alone if it has the same content already.
    """
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["frames", "noise", "sharpness", "resolution_half", "resolution_seventh"])
    figures = [steps["noise"], steps["sharpness"], *steps["resolution"].T]
    columns = zip(*(values.to_numpy().tolist() for values in figures), strict=True)
    for number, row in zip(steps["number"].to_numpy().tolist(), columns, strict=True):
        table.writerow([number, *("" if np.isnan(v) else f"{v:.6g}" for v in row)])
    return write_if_new(path, text.getvalue().encode())


def write_step_plot(path: Path, steps: xr.Dataset) -> bool:
    """Draw the figures of all steps: see `write_step_table`, and `plot_steps`."""
    from matplotlib.figure import Figure

    from skry_dask.plotting import plot_steps

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    plot_steps(steps, figure.subplots(1, 3))
    image = BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return write_if_new(path, image.getvalue())
