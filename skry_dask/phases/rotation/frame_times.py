"""When frames were recorded: by their own time stamps, or by a start and a frame rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.options import RotationOptions
    from skry_dask.types import AnyArray


def frame_times(capture: xr.Dataset, options: RotationOptions) -> AnyArray:
    """Find the time of each frame: datetime64[ns] (frame), UTC.

    Parameters
    ----------
    capture
        Its coordinate ``time``, or its attributes ``fps`` and ``date_utc``, count where the options
        do not say it.
    options
        With ``time``, of the capture's first frame, and ``fps``.

    Raises
    ------
    OptionsError
        If neither the capture nor the options tell.
    """
    source = capture.attrs.get("source", "the capture")
    since = _since_start(capture, options)
    if since is None:
        raise OptionsError(
            f"{source}: frames have no times and no frame rate, which derotate takes: give --fps, "
            "and --time of the first frame"
        )
    start = options.time or capture.attrs.get("date_utc")
    if start is not None and (options.time or "time" not in capture):
        return np.datetime64(str(start).rstrip("Z"), "ns") + since
    if "time" not in capture:
        raise OptionsError(
            f"{source} does not say when it was recorded, which derotate takes: give --time of the "
            "first frame in UTC, such as --time 2026-11-02T21:14:03Z"
        )
    return capture["time"].to_numpy().min() + since


def _since_start(capture: xr.Dataset, options: RotationOptions) -> AnyArray | None:
    """Find the time of each frame since the first: timedelta64[ns] (frame); None if unknown."""
    numbers = capture["frame"].to_numpy()
    fps = options.fps
    if fps is None and "time" in capture:
        time = capture["time"].to_numpy().astype("datetime64[ns]")
        if len(time) == 1 or (time != time[0]).any():
            since: AnyArray = time - time.min()
            return since
    if fps is None:
        fps = capture.attrs.get("fps")
    if fps is None:
        return np.zeros(1, "timedelta64[ns]") if len(numbers) == 1 else None
    return np.rint(numbers / float(fps) * 1e9).astype("timedelta64[ns]")
