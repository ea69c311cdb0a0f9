"""When a stack was recorded, and how the globe that it shows is turned: for its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.geometry.globe.rotation import Globe
from skry_dask.graph.datasets import stacked_frames

if TYPE_CHECKING:
    from skry_dask.pipeline.job import Job
    from skry_dask.pipeline.job_results import JobResults


def recorded(job: Job, results: JobResults) -> dict[str, Any]:
    """Collect the times of the frames that were stacked, as far as they are known.

    Returns
    -------
    JSON-compatible: ``time`` with ``first``, ``middle`` and ``last``, UTC. Without derotation the
    middle is the mean of all frames, with it the moment that the stack shows. ``rotation`` with
    ``body``, ``pole_angle``, degrees anticlockwise from up, and ``mirrored``, where it was undone.
    """
    from skry_dask.phases.rotation.frame_times import frame_times

    capture, rotation = results.capture, results.rotation
    try:
        time = frame_times(capture, job.options.derotate)
    except OptionsError:  # not known
        return {}
    stacked = time[stacked_frames(results.alignment, capture)]
    first, last = stacked.min(), stacked.max()
    middle = first + np.rint((stacked - first).astype(np.float64).mean()).astype("timedelta64[ns]")
    about: dict[str, Any] = {}
    if rotation is not None:
        middle = time.min() + (time.max() - time.min()) // 2
        disc = Globe.of_values(rotation["globe"].to_numpy()).disc
        about["rotation"] = {
            "body": str(job.options.derotate.derotate),
            "pole_angle": round(disc.pole_angle, 3),
            "mirrored": disc.mirrored,
        }
    names = {"first": first, "middle": middle, "last": last}
    texts = {name: f"{np.datetime_as_string(t, unit='us')}Z" for name, t in names.items()}
    return {"time": texts, **about}
