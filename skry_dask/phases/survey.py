"""Survey: what the frames show among which the reference is chosen.

A phase of its own, because it is most of the work of choosing the reference, and the same whichever
frames are excluded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.graph.datasets import About, result, variable, whole_frames
from skry_dask.graph.frame_passes import FrameSource
from skry_dask.graph.frame_tables import call_each
from skry_dask.graph.task_names import phase_tasks
from skry_dask.options import AlignMethod, AlignOptions
from skry_dask.phases.alignment.aligner import Aligner
from skry_dask.phases.alignment.anchor_blocks import MIN_BLOCK_SIZE
from skry_dask.phases.alignment.key_frames import (
    Survey,
    key_frame_indices,
    reference_candidates,
)
from skry_dask.phases.alignment.thumbnails import shrink_factor

if TYPE_CHECKING:
    from collections.abc import Collection

    import xarray as xr

    from skry_dask.types import AnyArray

BLOCK_MARGIN_PX = 8
"""Width of the frame that must surround an anchor's block for it to be found when it moves, px."""

FLAGS = ("on_dark_sky", "cut_by_border")
FIGURES = ("detail", "one_direction_share", "tear")
"""Values of a `Survey`."""

ABOUT = About("what key frames show, of which one becomes the reference")
"""What results say of themselves."""


@phase_tasks("align")
def survey_frames(capture: xr.Dataset, options: AlignOptions | None = None) -> xr.Dataset:
    """Survey the key frames among which the reference is chosen.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16.
    options
        See `AlignOptions`.

    Returns
    -------
    xarray.Dataset, lazy
        ``thumbnail`` float32 (candidate, row, column); ``detail``, ``one_direction_share`` and
        ``tear`` float64, ``on_dark_sky`` and ``cut_by_border`` bool (candidate): see `Survey`.
        Coordinate: ``surveyed`` int64 (candidate), numbers of the frames.
    """
    options = options or AlignOptions()
    frames = whole_frames(capture)
    check_frames(capture, options)
    keys = key_frame_indices(len(frames))
    indices = keys[reference_candidates(len(keys))]
    source = FrameSource(frames)
    aligner = dask.delayed(Aligner(options, Developer.of(capture), source), traverse=False)
    surveys = call_each(Aligner.survey, [aligner], [(key,) for key in indices.tolist()])
    factor = shrink_factor(frames.shape[1:3])
    shape = (len(indices), *(n // factor for n in frames.shape[1:3]))
    thumbnails = da.from_delayed(dask.delayed(_thumbnails)(surveys), shape, np.float32)
    words = "what the key frame shows"
    variables: dict[str, Any] = {
        "thumbnail": variable(("candidate", "row", "column"), thumbnails, "grey level", words)
    }
    for names, dtype in ((FLAGS, np.bool_), (FIGURES, np.float64)):
        for name in names:
            values = da.from_delayed(
                dask.delayed(_values)(surveys, name, dtype), (len(indices),), dtype
            )
            variables[name] = variable(("candidate",), values, "1", words)
    numbers = capture["frame"].to_numpy()[indices]
    coords = {"surveyed": variable(("candidate",), numbers, "1", "number of the key frame")}
    return result(
        capture,
        options,
        variables,
        coords,
        name="survey",
        about=ABOUT,
    )


def surveys_of(survey: xr.Dataset, numbers: Collection[int]) -> list[Survey] | None:
    """Take the surveys of some frames from a result; None if it lacks some.

    Parameters
    ----------
    survey
        From `survey_frames`; loaded if it is lazy.
    numbers
        Numbers of the frames.
    """
    survey.load()
    places = {number: i for i, number in enumerate(survey["surveyed"].to_numpy().tolist())}
    if not places.keys() >= set(numbers):
        return None
    values = {name: survey[name].to_numpy() for name in Survey._fields}
    return [
        Survey(
            values["thumbnail"][i],
            **{name: values[name][i].item() for name in (*FIGURES, *FLAGS)},
        )
        for i in (places[number] for number in numbers)
    ]


def check_frames(capture: xr.Dataset, options: AlignOptions) -> None:
    """Refuse captures and options that cannot work, before anything is read."""
    n_frames, height, width = capture["frames"].shape[:3]
    source = capture.attrs.get("source", "the capture")
    if n_frames == 0:
        raise ReaderError(f"{source} has no frames: record it again or choose another file")
    size = options.anchor_size or MIN_BLOCK_SIZE
    needed = size + 2 * BLOCK_MARGIN_PX
    if options.method is not AlignMethod.CENTROID and min(height, width) < needed:
        raise ReaderError(
            f"{source}: frames of {width} x {height} px are too small for an anchor block of "
            f"{size} px, which needs {needed} px: give a smaller --anchor-size (16 "
            "or more), or --method centroid"
        )
    for y, x in options.anchors:
        if not (0 <= y < height and 0 <= x < width):
            raise OptionsError(
                f"anchor ({y:g}, {x:g}) lies outside the frame: y must be below {height}, "
                f"x below {width}, and neither below 0"
            )


def _thumbnails(surveys: list[Survey]) -> AnyArray:
    return np.stack([survey.thumbnail for survey in surveys])


def _values(surveys: list[Survey], name: str, dtype: type[np.generic]) -> AnyArray:
    return np.array([getattr(survey, name) for survey in surveys], dtype)
