"""Tables of all frames and of all reference points, as text."""

from __future__ import annotations

import csv
import math
from importlib.metadata import version
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skry_dask.graph.datasets import excluded_frames, stacked_frames
from skry_dask.io.atomic import write_if_new
from skry_dask.io.positions import write_positions
from skry_dask.phases.alignment.frame_alignment import Reason

if TYPE_CHECKING:
    import os


STACKISTRY = "Stackistry 0.3.0"
"""First line of its table of frames: programs know the table by it (version of 2017-06-05)."""


QUALITY_COLUMNS = {
    "frame": ("Frame", "d"),
    "active_frame": ("Active frame", "d"),
    "quality": ("Quality", ".6g"),
}
"""Columns of the table of frame quality that Stackistry exports: words and format of each."""

COLUMNS = {
    **QUALITY_COLUMNS,
    "reason": ("Reason", "s"),
    "offset_y": ("Offset y", ".4f"),
    "offset_x": ("Offset x", ".4f"),
    "confidence": ("Confidence", ".3f"),
    "brightness": ("Brightness", ".5f"),
    "fragments": ("Fragments", "d"),
    "across_only": ("Across only", "d"),
}
"""The same, and what else is known of frames."""


def write_quality_table(
    path: str | os.PathLike[str], source: str, frames: xr.Dataset, *, longer: bool = False
) -> bool:
    """Write the table of frame quality that Stackistry exports, as it writes it.

    Columns ``Frame``, ``Active frame`` and ``Quality``, see `frame_table`; inactive frames have -1
    and 0.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    source
        Name of the capture.
    frames
        As from `frame_table`.
    longer
        Whether further columns follow; the first line then names this program.

    Returns
    -------
    bool
        Whether the file was written: it is left alone if it has the same content already.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    columns = COLUMNS if longer else QUALITY_COLUMNS
    rows = zip(*(frames[name].to_numpy().tolist() for name in columns), strict=True)
    lines = [
        f"skry_dask {version('skry_dask')}" if longer else STACKISTRY,
        f'Normalized frame quality of "{source}"',
        "",
        ";".join(words for words, _ in columns.values()),
        *(
            ";".join(format(v, form) for v, (_, form) in zip(row, columns.values(), strict=True))
            for row in rows
        ),
    ]
    return write_if_new(path, ("\n".join(lines) + "\n").encode())


def write_frame_table(path: str | os.PathLike[str], frames: xr.Dataset) -> bool:
    """Write a table of all frames as CSV: a line of names, then a line for each frame.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    frames
        As from `frame_table`; each variable is a column. NaN is an empty cell.

    Returns
    -------
    bool
        Whether the file was written: it is left alone if it has the same content already.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    names = ["frame", *map(str, frames.data_vars)]
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    columns = ([_cell(value) for value in frames[name].to_numpy().tolist()] for name in names)
    table.writerows(zip(*columns, strict=True))
    return write_if_new(path, text.getvalue().encode())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return int(value) if isinstance(value, bool) else value


def frame_table(
    capture: xr.Dataset, alignment: xr.Dataset, quality: xr.Dataset, stacked: xr.Dataset
) -> xr.Dataset:
    """Tell what became of each frame.

    Parameters
    ----------
    capture, alignment, quality, stacked
        As from `open_capture`, `align`, `estimate_quality` and `stack`.

    Returns
    -------
    xarray.Dataset
        Over ``frame``, the numbers in the file:

        - ``active_frame`` int64, counts the frames that are active and not excluded; -1 for others;
        - ``quality`` float64, 0 for the worst of these and 1 for the best; 0 for others;
        - ``reason`` str, "active", "excluded", or why the frame could not be aligned;
        - ``offset_y``, ``offset_x`` float32, px; NaN where it is unknown;
        - ``confidence``, ``agreement``, ``brightness``, ``across_only`` of align;
        - ``fragments`` int64, how many the stack took from the frame; of several percentages the
          largest one, and ``fragments_p5``, ``fragments_p15`` those of each.
    """
    active, excluded = stacked_frames(alignment, capture), excluded_frames(capture)
    measured = quality["frame_quality"].to_numpy().astype(np.float64)
    low, high = np.nanmin(measured[active]), np.nanmax(measured[active])
    words = [Reason(reason).words for reason in alignment["reason"].to_numpy()]
    offset = alignment["offset"].to_numpy()
    columns = {
        "active_frame": np.where(active, np.cumsum(active) - 1, -1),
        "quality": np.where(active, (measured - low) / max(high - low, 1e-30), 0.0),
        "reason": np.where(excluded, "excluded", words),
        "offset_y": offset[:, 0],
        "offset_x": offset[:, 1],
        "confidence": alignment["confidence"].to_numpy(),
        "agreement": alignment["agreement"].to_numpy(),
        "brightness": alignment["brightness"].to_numpy(),
        "across_only": alignment["across_only"].to_numpy(),
        "fragments": stacked["fragments"].to_numpy(),
    }
    if "percent" in stacked.dims:
        of_each = columns["fragments"]
        columns["fragments"] = of_each[-1]
        for percent, fragments in zip(stacked["percent"].to_numpy(), of_each, strict=True):
            columns[f"fragments_p{percent:g}"] = fragments
    return xr.Dataset(
        {name: ("frame", values) for name, values in columns.items()},
        {"frame": alignment["frame"].to_numpy()},
    )


def write_point_table(path: str | os.PathLike[str], points: xr.Dataset) -> bool:
    """Write a table of the reference points, which can be edited and given back.

    Columns ``y`` and ``x``, position on the canvas, px; ``valid_fraction``, fraction of the active
    frames in which the point was measured; ``mean_y`` and ``mean_x``, its mean displacement, px.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    points
        As from `track`.

    Returns
    -------
    bool
        Whether the file was written: it is left alone if it has the same content already.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    mean = points["mean_displacement"].to_numpy()
    columns = {
        "valid_fraction": points["valid_fraction"].to_numpy().tolist(),
        "mean_y": mean[:, 0].tolist(),
        "mean_x": mean[:, 1].tolist(),
    }
    positions = tuple((y, x) for y, x in points["position"].to_numpy().tolist())
    return write_positions(path, positions, columns)
