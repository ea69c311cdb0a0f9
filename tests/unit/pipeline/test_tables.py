"""Tables of frames and points say what the results say, and are read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import skry_dask as skry
from skry_dask.pipeline.tables import (
    frame_table,
    write_frame_table,
    write_point_table,
    write_quality_table,
)

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
            "agreement": ("frame", [1, 0.25, 1, 0.5]),
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
    frames = frame_table(capture, alignment, quality, result)
    plain, exported = tmp_path / "moon_frames.csv", tmp_path / "moon_frame_quality.txt"
    write_frame_table(plain, frames)
    assert plain.read_text().splitlines() == [
        "frame,active_frame,quality,reason,offset_y,offset_x,confidence,agreement,brightness,"
        "across_only,fragments",
        "3,0,0,active,0,0,1,1,0.5,0,5",
        "4,-1,0,nothing to see,,,0,0.25,0.25,0,0",
        "6,-1,0,excluded,1,2,1,1,0.5,0,0",
        "7,1,1,active,1.25,-2,0.75,0.5,0.5,1,9",
    ]
    # Byte for byte as Stackistry writes it.
    write_quality_table(exported, "moon.ser", frames)
    assert exported.read_text() == (
        'Stackistry 0.3.0\nNormalized frame quality of "moon.ser"\n\n'
        "Frame;Active frame;Quality\n3;0;0\n4;-1;0\n6;-1;0\n7;1;1\n"
    )
    longer = tmp_path / "moon_frame_quality.csv"
    write_quality_table(longer, "moon.ser", frames, longer=True)
    lines = longer.read_text().splitlines()
    assert lines[3].startswith("Frame;Active frame;Quality;Reason;Offset y;Offset x;")
    assert lines[4] == "3;0;0;active;0.0000;0.0000;1.000;0.50000;5;0"
    assert lines[6].startswith("6;-1;0;excluded;1.0000;2.0000;")
    # As active flags, any of them selects the active frames.
    for path in (plain, exported, longer):
        options = skry.SelectOptions(active_flags=str(path))
        selected = skry.select(capture.drop_vars("excluded"), options)
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
