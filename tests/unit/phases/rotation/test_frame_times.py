from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.options import RotationOptions
from skry_dask.phases.rotation.frame_times import frame_times

STAMPS = np.datetime64("2026-11-02T21:14:03", "ns") + np.array([0, 2, 5]) * np.timedelta64(1, "s")
EVEN = np.datetime64("2026-11-02T21:14:03", "ns") + np.arange(3) * np.timedelta64(500, "ms")


def capture_of(stamps: np.ndarray | None = None, **attrs: Any) -> xr.Dataset:
    coords = {"frame": np.arange(3)} | ({} if stamps is None else {"time": ("frame", stamps)})
    return xr.Dataset(coords=coords, attrs={"source": "mars.avi", **attrs})


@pytest.mark.parametrize(
    ("capture", "options", "expected"),
    [
        (capture_of(STAMPS), {}, STAMPS),
        (capture_of(STAMPS), {"time": "2026-11-02T20:14:03Z"}, STAMPS - np.timedelta64(1, "h")),
        (capture_of(STAMPS), {"fps": 2.0}, EVEN),
        (capture_of(fps=2.0), {"time": "2026-11-02T21:14:03Z"}, EVEN),
        (capture_of(date_utc="2026-11-02T21:14:03Z", fps=2.0), {}, EVEN),
        (capture_of(STAMPS[[0, 0, 0]], fps=2.0), {}, EVEN),
    ],
    ids=["stamps", "another start", "another rate", "no stamps", "header", "equal stamps"],
)
def test_times_are_those_of_the_capture_unless_options_say_others(
    capture: xr.Dataset, options: dict[str, Any], expected: np.ndarray
) -> None:
    found = frame_times(capture, RotationOptions(derotate="mars", **options))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        (capture_of(fps=2.0), "mars.avi does not say when it was recorded.*give --time"),
        (capture_of(date_utc="2026-11-02T21:14:03Z"), "no times and no frame rate.*give --fps"),
    ],
)
def test_what_is_missing_is_named(capture: xr.Dataset, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        frame_times(capture, RotationOptions(derotate="mars"))
