"""What phases are given: checked before anything is computed; messages say what to call."""

from __future__ import annotations

import logging
import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.options import Choose
from skry_dask.options.given import article

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.options import StackOptions

log = logging.getLogger(__name__)

CAPTURE = "what open_capture returns"

MADE_BY = {
    "key_frames": (("reference",), "choose_reference(capture)"),
    "alignment": (("align", "derotate"), "align(capture)"),
    "quality": (("quality",), "estimate_quality(capture, alignment)"),
    "points": (("track", "refine"), "track(capture, alignment, quality)"),
    "stacked": (("stack",), "stack(capture, alignment, quality, points)"),
    "halves": (("stack",), "stack(capture, alignment, quality, points, halves=True)"),
    "steps": (("stack", "steps"), "partial_stacks(capture, alignment, quality, points)"),
    "resolution": (("resolution",), "measure_resolution(stacked)"),
}
"""By the name of an argument: phases that make it, as results name them, and the usual call."""


IMAGES = ("stack", "image", "composite", "reference", "master")
"""Names of images in results."""

SEVERAL = ("percent", "step")
"""Dims that number several images of one result."""


class Given(NamedTuple):
    """A result of an earlier phase that a phase is given.

    Parameters
    ----------
    name
        Name of the argument, one of `MADE_BY`.
    value
        What was given.
    needs
        Names of the variables that the phase uses.
    loads
        Of these, those that building the graph loads. If they are lazy, they are computed then.
    made_by
        The entry of `MADE_BY`, where it is not that of the name.
    """

    name: str
    value: Any
    needs: tuple[str, ...]
    loads: tuple[str, ...] = ()
    made_by: str = ""


def aligned(alignment: Any) -> Given:
    """Describe the alignment that every phase after `align` needs, and loads."""
    return Given("alignment", alignment, ("offset", "active"), ("offset", "active"))


def rated(quality: Any, points: Any, options: StackOptions) -> Given:
    """Describe the quality by which fragments or frames are chosen, and which is loaded."""
    weighted = isinstance(points, xr.Dataset) and "weight" in points
    choose = options.settled(weighted=weighted).choose
    name = "frame_quality" if choose is Choose.FRAMES else "blended_quality"
    needed = () if choose is Choose.WEIGHTS else (name,)
    return Given("quality", quality, needed, needed)


def tracked(points: Any) -> Given:
    """Describe points, of which positions are loaded, and displacements stay lazy."""
    return Given("points", points, ("position", "displacement"), ("position",))


def check_inputs(function: str, capture: Any, *results: Given) -> None:
    """Refuse arguments of a phase that cannot be what it needs, and tell what it will compute.

    What is lazy and has to be computed while the graph is built is logged at level INFO.

    Parameters
    ----------
    function
        The phase, as it is called.
    capture
        What was given as the capture.
    results
        What was given as results of earlier phases.

    Raises
    ------
    OptionsError
        If an argument is anything else, of other frames, or of another capture. The message says
        what to call.
    """
    check_capture(function, capture)
    for result in results:
        _check_result(function, capture, result)
    for result in results:
        _tell_what_is_computed(function, result)


def check_results(function: str, *results: Given) -> None:
    """Refuse arguments of a function that are not the results that it needs.

    Parameters
    ----------
    function
        The function, as it is called.
    results
        What was given.

    Raises
    ------
    OptionsError
        The message says what to call.
    """
    for result in results:
        _check_kind(function, result)


def check_image(function: str, image: Any) -> None:
    """Refuse what is no image: a path, or a Dataset of which the image is a part.

    Raises
    ------
    OptionsError
        The message says what to give.
    """
    if isinstance(image, xr.Dataset):
        shown = next((name for name in IMAGES if name in image), None)
        part = "an image" if shown is None else f"a part of it, such as dataset[{shown!r}]"
        raise OptionsError(f"image of {function} is a Dataset: give {part}")
    if isinstance(image, str | os.PathLike):
        path = os.fspath(image)
        raise OptionsError(
            f"image of {function} is the path {path!r}: open it first, open_image({path!r})"
        )
    if not hasattr(image, "ndim"):
        raise OptionsError(f"image of {function} is {article(image)}: give an array (y, x)")
    if isinstance(image, xr.DataArray):
        _refuse_several(f"image of {function}", "image", image)


def _refuse_several(what: str, name: str, value: xr.DataArray | xr.Dataset) -> None:
    """Refuse several images, such as stacks of several percentages, where one is meant."""
    along = next((dim for dim in SEVERAL if dim in value.dims), None)
    if along is not None:
        raise OptionsError(f"{what} holds several images: give one, {name}.isel({along}=0)")


def name_of(capture: xr.Dataset) -> str | None:
    """Return the name of a capture in words: its file's, or what was simulated; None if unknown."""
    source = capture.attrs.get("source")
    if source is not None:
        return PurePath(str(source)).name
    if "seed" in capture.attrs and "scene" in capture.attrs:
        return f"simulated {capture.attrs['scene']}, seed {capture.attrs['seed']}"
    return None


def identity_of(capture: xr.Dataset) -> dict[str, str]:
    """Describe a capture so that results of another one are told from its own: as attributes."""
    name, digest = name_of(capture), capture.attrs.get("digest")
    known = {"capture": name, "capture_digest": digest}
    return {key: str(value) for key, value in known.items() if value is not None}


def check_capture(function: str, capture: Any) -> None:
    """Refuse what cannot be a capture; see `check_inputs`."""
    if isinstance(capture, xr.Dataset):
        if "frames" not in capture and "phase" in capture.attrs:
            raise OptionsError(
                f"capture of {function} is a result of the phase {capture.attrs['phase']}: the "
                f"capture comes first, {CAPTURE}"
            )
        return
    if isinstance(capture, str | os.PathLike):
        path = os.fspath(capture)
        raise OptionsError(
            f"capture of {function} is the path {path!r}: open it first, open_capture({path!r})"
        )
    remedy = f"give {CAPTURE}"
    if isinstance(capture, xr.DataArray):
        remedy = "give the Dataset that it is part of"
    elif hasattr(capture, "shape"):
        remedy += ", or xarray.Dataset({'frames': (('frame', 'y', 'x'), array)})"
    raise OptionsError(f"capture of {function} is {_in_words(capture)}: {remedy}")


def _check_result(function: str, capture: xr.Dataset, result: Given) -> None:
    """Refuse what is no such result, or that of another capture or other frames."""
    _check_kind(function, result)
    what, call = f"{result.name} of {function}", MADE_BY[result.made_by or result.name][1]
    _check_same_capture(what, call, result.value, capture)
    _check_same_frames(what, call, result.value, capture)


def _check_kind(function: str, result: Given) -> None:
    """Refuse what is no such result."""
    value, (phases, call) = result.value, MADE_BY[result.made_by or result.name]
    what = f"{result.name} of {function}"
    if not isinstance(value, xr.Dataset):
        remedy = f"give what {call} returns"
        if isinstance(value, str | os.PathLike):
            remedy += f", or a stored result, open_results(STORE)[{phases[0]!r}]"
        elif type(value).__name__ == "Results":
            remedy = f"give one of them, results[{phases[0]!r}]"
        raise OptionsError(f"{what} is {_in_words(value)}: {remedy}")
    phase = value.attrs.get("phase", phases[0])
    missing = [name for name in result.needs if name not in value]
    if phase not in phases or missing:
        found = f"a Dataset without {_listed(missing)}" if missing else ""
        if "frames" in value:
            found = "a capture"
        elif phase not in phases:
            found = f"a result of the phase {phase}"
        raise OptionsError(f"{what} is {found}: give what {call} returns")
    if result.name != "steps":
        _refuse_several(what, result.name, value)
    if result.name == "quality" and "options" not in value.attrs:
        raise OptionsError(
            f"{what} has lost its attributes, as by arithmetic: give what {call} returns, or keep "
            "them with xarray.set_options(keep_attrs=True)"
        )


def _check_same_capture(what: str, call: str, result: xr.Dataset, capture: xr.Dataset) -> None:
    """Refuse a result of a capture of another name and content.

    A capture that was moved has another name; one that was selected from or calibrated has another
    digest.
    """
    ours, theirs = identity_of(capture), identity_of_result(result)
    name = theirs.get("capture")
    if name is None or "capture" not in ours or name == ours["capture"]:
        return
    if "capture_digest" in ours and ours["capture_digest"] == theirs.get("capture_digest"):
        return
    raise OptionsError(
        f"{what} is of another capture, {name}, not of {ours['capture']}: give what {call} "
        "returns for this one"
    )


def identity_of_result(result: xr.Dataset) -> dict[str, str]:
    """Return the attributes of a result that say of which capture it is; see `identity_of`."""
    names = ("capture", "capture_digest")
    return {name: str(result.attrs[name]) for name in names if name in result.attrs}


def _check_same_frames(what: str, call: str, result: xr.Dataset, capture: xr.Dataset) -> None:
    if "frame" not in result.dims:
        return
    ours, theirs = capture["frame"].to_numpy(), result["frame"].to_numpy()
    labelled = "frame" in result.coords
    if len(ours) == len(theirs) and (not labelled or (ours == theirs).all()):
        return
    remedy = f"give what {call} returns for these"
    if labelled and set(ours.tolist()) <= set(theirs.tolist()):
        name = what.split()[0]
        remedy = f'give {name}.sel(frame=capture["frame"])'
    raise OptionsError(
        f"{what} is of {_frames_in_words(theirs)}, the capture has {_frames_in_words(ours)}: "
        f"{remedy}"
    )


def _frames_in_words(numbers: Any) -> str:
    if not len(numbers):
        return "no frames"
    return f"{len(numbers)} frames, {numbers[0]} to {numbers[-1]}"


def _tell_what_is_computed(function: str, result: Given) -> None:
    names = [name for name in result.loads if result.value[name].chunks is not None]
    if names:
        log.info(
            "%s computes %s of %s, which is lazy, and on which its own shape depends: call "
            ".compute() on %s first to keep all of it",
            *(function, _listed(names), result.name, result.name),
        )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _in_words(value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return f"the path {os.fspath(value)!r}"
    return article(value)
