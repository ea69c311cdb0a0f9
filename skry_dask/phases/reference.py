"""Choosing the reference frame, whose pixel grid is the canvas, and aligning key frames to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import (
    About,
    damaged_frames,
    excluded_frames,
    result,
    variable,
    whole_frames,
)
from skry_dask.graph.frame_passes import FrameSource
from skry_dask.graph.frame_tables import call_each
from skry_dask.graph.parcels import share
from skry_dask.graph.phase_inputs import check_inputs
from skry_dask.graph.task_names import phase_tasks
from skry_dask.options import AlignOptions
from skry_dask.options.given import options_of
from skry_dask.phases.alignment.aligner import Aligner
from skry_dask.phases.alignment.chosen_reference import METHODS
from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason
from skry_dask.phases.alignment.key_frames import key_frame_indices, reference_candidates
from skry_dask.phases.survey import check_frames, surveys_of

if TYPE_CHECKING:
    import xarray as xr
    from dask.delayed import Delayed

    from skry_dask.types import AnyArray, IntArray

KEY_RECORD = np.dtype(
    [(name, float) for name in ("y", "x", "agreement", "error")] + [("reason", np.uint8)]
)
"""Alignment of a key frame: see `FrameAlignment`."""

ABOUT = About(
    "the reference frame, and where the scene lies in key frames",
    "align(capture, key_frames=key_frames)",
)
"""What results say of themselves."""


@phase_tasks("align")
def choose_reference(
    capture: xr.Dataset,
    options: AlignOptions | None = None,
    *,
    survey: xr.Dataset | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Choose the reference frame, and align evenly spaced key frames to it.

    A phase of its own, because it is all of `align` that depends on which frames are excluded.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16; see `open_capture`.
    options
        See `AlignOptions`.
    survey
        From `survey_frames`, with the same options, whichever frames were excluded then; None:
        frames are surveyed in the same graph.
    **choices
        Options by name, such as ``method="disc"``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        - ``reference`` int64, number of the reference frame: one with much detail that shows what
          others show too, and is neither excluded nor damaged, unless the options name one;
        - ``method`` uint8, the method that suits what key frames show; its attributes name it;
        - ``key_offset`` float64 (key, axis), px, and ``key_agreement`` float64 (key), 0 to 1: the
          alignment of key frames, directly or through their neighbours;
        - ``key_error`` float64 (key), standard deviation of that offset in y or x, px;
        - ``key_reason`` uint8 (key), why a key frame is inactive.

        Coordinate: ``key_frame`` int64 (key), numbers of the key frames.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be, or of another capture; or if the reference frame is
        not in the capture, or an anchor lies outside the frame.
    ReaderError
        If the capture has no frames of the dims and dtypes above, or they are too small for an
        anchor's block.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", frames=8, height=160, width=200)
    >>> skry.choose_reference(capture)["key_offset"].dims
    ('key', 'axis')
    """
    options = options_of(AlignOptions, options, choices, "choose_reference")
    check_inputs("choose_reference", capture)
    source = FrameSource(whole_frames(capture))
    check_frames(capture, options)
    indices, given = _key_frames(capture, options)
    keys = indices.tolist()
    aligner = dask.delayed(Aligner(options, Developer.of(capture), source), traverse=False)
    usable = ~(excluded_frames(capture) | damaged_frames(capture))[indices]
    numbers = capture["frame"].to_numpy()[indices]
    aligner, reference = _choose(aligner, keys, given, usable, numbers, survey)
    template = dask.delayed(Aligner.template)(aligner, reference, keys)
    with_neighbours = list(zip(keys, [None, *keys[:-1]], [*keys[1:], None], strict=True))
    alignments = call_each(Aligner.align_key, [aligner, template], with_neighbours)
    chained = dask.delayed(Aligner.chain)(aligner, reference, alignments)
    records = da.from_delayed(dask.delayed(_as_records)(chained), (len(keys),), KEY_RECORD)
    method = da.from_delayed(dask.delayed(_number_of_method)(aligner), (), np.uint8)
    number = da.from_delayed(dask.delayed(_number_of_frame)(numbers, reference), (), np.int64)
    coords = {"key_frame": variable(("key",), numbers, "1", "number of the key frame")}
    return result(
        capture,
        options,
        _variables(records, method, number),
        coords,
        name="reference",
        about=ABOUT,
    )


def _key_frames(capture: xr.Dataset, options: AlignOptions) -> tuple[IntArray, int | None]:
    """Choose the key frames: evenly spaced ones, and the user's reference.

    Returns
    -------
    indices
        int64 (key frame), ascending.
    given
        Position of the user's reference among them, or None.
    """
    indices = key_frame_indices(capture.sizes["frame"])
    if options.reference is None:
        return indices, None
    index = _index_of(capture, options.reference)
    indices = np.union1d(indices, index)
    return indices, int(np.searchsorted(indices, index))


def _index_of(capture: xr.Dataset, number: int) -> int:
    """Find the position of a frame number in the capture."""
    numbers = capture["frame"].to_numpy()
    positions = np.flatnonzero(numbers == number)
    if not len(positions):
        raise OptionsError(
            f"reference is {number}: the capture has no such frame (its frames are numbered "
            f"{numbers[0]} to {numbers[-1]})"
        )
    return int(positions[0])


def _choose(
    aligner: Delayed,
    keys: list[int],
    given: int | None,
    usable: AnyArray,
    numbers: IntArray,
    survey: xr.Dataset | None,
) -> tuple[Delayed, Delayed]:
    """Settle the method by what key frames show, and choose the reference unless it is given.

    Returns
    -------
    Lazy `Aligner`, and lazy position of the reference among the key frames.
    """
    candidates = reference_candidates(len(keys))
    # Others take the place of excluded ones only if none is left: the choice changes seldom.
    for among in (candidates, np.arange(len(keys))):
        if usable[among].any():
            candidates = among[usable[among]]
            break
    known = None if survey is None else surveys_of(survey, numbers[candidates].tolist())
    if known is None:
        surveys = call_each(Aligner.survey, [aligner], [(keys[i],) for i in candidates])
    else:
        surveys = share(known)
    aligner = dask.delayed(Aligner.settle_method)(aligner, surveys)
    if given is not None:
        return aligner, dask.delayed(given)
    return aligner, dask.delayed(Aligner.choose_reference)(aligner, surveys, candidates, keys)


def _as_records(alignments: list[FrameAlignment]) -> AnyArray:
    return np.array(
        [(*found.offset, found.agreement, found.error, found.reason) for found in alignments],
        KEY_RECORD,
    )


def _number_of_method(aligner: Aligner) -> AnyArray:
    return np.array(METHODS.index(aligner.options.method), np.uint8)


def _number_of_frame(numbers: IntArray, reference: int) -> AnyArray:
    return numbers[reference]


def _variables(records: da.Array, method: da.Array, number: da.Array) -> dict[str, Any]:
    """Label the results."""
    offset = da.stack([records["y"], records["x"]], axis=1)
    return {
        "reference": variable(
            (), number, "1", "number of the frame whose pixel grid is the canvas"
        ),
        "method": variable(
            (),
            method,
            "1",
            "how frames are aligned",
            flag_values=list(range(len(METHODS))),
            flag_meanings=" ".join(METHODS),
        ),
        "key_offset": variable(("key", "axis"), offset, "px", "offset of the key frame"),
        "key_agreement": variable(
            ("key",), records["agreement"], "1", "share of the key frame that agrees"
        ),
        "key_error": variable(("key",), records["error"], "px", "error of the offset in y or x"),
        "key_reason": variable(
            ("key",),
            records["reason"],
            "1",
            "why the key frame is inactive",
            flag_values=[int(r) for r in Reason],
            flag_meanings=" ".join(r.name.lower() for r in Reason),
        ),
    }
