"""Tables of frames and points say what the results say, and are read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import skry_dask as skry
from skry_dask.pipeline.tables import write_frame_table, write_point_table

if TYPE_CHECKING:
    from pathlib import Path


def test_the_frame_table_has_a_row_for_every_frame(tmp_path: Path) -> None:
    frame = [3, 4, 6, 7]
    alignment = xr.Dataset(
        {
            "active": ("frame", [True, False, True, True]),
            "reason": ("frame", [0, 1, 0, 0]),
            "offset": (("frame", "axis"), [[0, 0], [np.nan, np.nan], [1, 2], [1.25, -2]]),
            "confidence": ("frame", [1, 0, 1, 0.75]),
            "brightness": ("frame", [0.5, 0.25, 0.5, 0.5]),
            "across_only": ("frame", [False, False, False, True]),
        },
        {"frame": frame},
    )
    quality = xr.Dataset({"frame_quality": ("frame", [2.0, np.nan, 9.0, 6.0])})
    result = xr.Dataset({"fragments": ("frame", [5, 0, 0, 9])})
    excluded = {"frame": frame, "excluded": ("frame", [False, False, True, False])}
    images = (("frame", "y", "x"), np.zeros((4, 8, 8), np.uint8))
    capture = xr.Dataset({"frames": images}, excluded)
    path = tmp_path / "moon_frame_quality.csv"
    write_frame_table(path, capture, alignment, quality, result)
    lines = path.read_text().splitlines()
    assert lines[0].startswith("skry_dask ")
    assert lines[3].startswith("Frame;Active frame;Quality;Reason;Offset y;Offset x;")
    assert lines[4] == "3;0;0;active;0.0000;0.0000;1.000;0.50000;5;0"
    assert lines[5].startswith("4;-1;0;")
    assert lines[6].startswith("6;-1;0;excluded;1.0000;2.0000;")
    assert lines[7] == "7;1;1;active;1.2500;-2.0000;0.750;0.50000;9;1"
    # As active flags, it selects the active frames.
    selected = skry.select(
        capture.drop_vars("excluded"), skry.SelectOptions(active_flags=str(path))
    )
    assert selected["excluded"].to_numpy().tolist() == [False, True, True, False]


def test_the_point_table_gives_its_positions_back(tmp_path: Path) -> None:
    positions = [(41.25, 36.0), (60.0, 80.5)]
    points = xr.Dataset(
        {
            "position": (("point", "axis"), positions),
            "mean_displacement": (("point", "axis"), [[0.5, -1], [0, 2]]),
            "valid_fraction": ("point", [1.0, 0.75]),
        }
    )
    path = tmp_path / "moon_points.csv"
    write_point_table(path, points)
    assert path.read_text().splitlines()[:2] == [
        "y,x,valid_fraction,mean_y,mean_x",
        "41.25,36,1.0000,0.5000,-1.0000",
    ]
    assert skry.read_positions(path) == tuple(positions)
