"""Tables of all frames and of all reference points, as text."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.graph.datasets import excluded_frames, stacked_frames
from skry_dask.io.atomic import write_if_new
from skry_dask.io.positions import write_positions
from skry_dask.phases.alignment.frame_alignment import Reason

if TYPE_CHECKING:
    import os

    import xarray as xr


def write_frame_table(
    path: str | os.PathLike[str],
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    result: xr.Dataset,
) -> bool:
    """Write a table of all frames: the columns that Stackistry exports, then more.

    ``Frame`` is the number in the file, ``Active frame`` counts the active frames that are not
    excluded (-1 for others), ``Quality`` is 0 for the worst of these and 1 for the best; ``Across
    only`` is 1 where nothing tells where a frame lies along a limb.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    capture, alignment, quality, result
        As from `align`, `estimate_quality` and `stack`.

    Returns
    -------
    bool
        Whether the file was written: it is left alone if it has the same content already.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    active, excluded = stacked_frames(alignment, capture), excluded_frames(capture)
    measured = quality["frame_quality"].to_numpy().astype(np.float64)
    low, high = np.nanmin(measured[active]), np.nanmax(measured[active])
    relative = np.where(active, (measured - low) / max(high - low, 1e-30), 0.0)
    order = np.where(active, np.cumsum(active) - 1, -1)
    offset = alignment["offset"].to_numpy()
    lines = [
        f"skry_dask {version('skry_dask')}",
        "Quality from 0 (worst) to 1 (best frame); offsets in px",
        "",
        "Frame;Active frame;Quality;Reason;Offset y;Offset x;Confidence;Brightness;Fragments;"
        "Across only",
    ]
    columns = zip(
        alignment["frame"].to_numpy().tolist(),
        order.tolist(),
        excluded.tolist(),
        relative.tolist(),
        alignment["reason"].to_numpy().tolist(),
        offset[:, 0].tolist(),
        offset[:, 1].tolist(),
        alignment["confidence"].to_numpy().tolist(),
        alignment["brightness"].to_numpy().tolist(),
        result["fragments"].to_numpy().tolist(),
        alignment["across_only"].to_numpy().astype(int).tolist(),
        strict=True,
    )
    for (
        number,
        index,
        is_excluded,
        value,
        reason,
        y,
        x,
        confidence,
        brightness,
        fragments,
        across_only,
    ) in columns:
        reason_words = Reason(reason).name.lower().replace("_", " ")
        if is_excluded:
            reason_words = "excluded"
        lines.append(
            f"{number};{index};{value:.6g};{reason_words};{y:.4f};{x:.4f};{confidence:.3f};"
            f"{brightness:.5f};{fragments};{across_only}"
        )
    return write_if_new(path, ("\n".join(lines) + "\n").encode())


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
