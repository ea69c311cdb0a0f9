"""Results and captures in words: what they are, of what, made how, and what follows."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.graph.phase_inputs import CAPTURE, name_of
from skry_dask.options import OF_PHASES, AlignOptions
from skry_dask.options.given import article

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS: dict[str, type[Any]] = {
    **{kind.phase: kind for kind in OF_PHASES},
    "reference": AlignOptions,
    "survey": AlignOptions,
}
"""Dataclasses of options by the phase that a result names."""


MOST_NAMED = 3
"""Most lazy variables that are named, where others are computed."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a Dataset is, in words: printed as lines, in a notebook as a table.

    Parameters
    ----------
    heading
        What it is.
    facts
        Of what it is, how large, made with which options, what should be known, what follows; by
        name.
    variables
        Name and dims of each variable, its units, and what it is.

    Examples
    --------
    >>> import skry_dask as skry
    >>> described = skry.describe(skry.open_capture("moon.ser"))
    >>> described.heading, described.facts["frames"]
    ('capture: moon.ser', '16 of 200 x 160 px, uint8')
    """

    heading: str
    facts: dict[str, str]
    variables: tuple[tuple[str, str, str], ...]

    def __repr__(self) -> str:
        names = [*self.facts, *(name for name, *_ in self.variables)]
        width = max(map(len, names), default=0)
        lines = [f"  {name:{width}}  {text}" for name, text in self.facts.items()]
        for name, units, words in self.variables:
            lines.append(f"  {name:{width}}  {units + ', ' if units else ''}{words}".rstrip(" ,"))
        return "\n".join([self.heading, *lines])

    def _repr_html_(self) -> str:
        rows = [("th", name, text) for name, text in self.facts.items()]
        rows += [
            ("td", name, ", ".join(filter(None, (units, words))))
            for name, units, words in self.variables
        ]
        cells = "".join(
            f'<tr><{tag} style="text-align:left">{html.escape(name)}</{tag}>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for tag, name, text in rows
        )
        return (
            f'<table class="skry-description"><caption style="text-align:left">'
            f"{html.escape(self.heading)}</caption><tbody>{cells}</tbody></table>"
        )


def describe(data: xr.Dataset) -> Description:
    """Say what a capture or the result of a phase is, and what follows.

    Parameters
    ----------
    data
        A capture, from `open_capture` or `simulate`; or a result of a phase, lazy, computed or
        stored. Nothing is computed.

    Returns
    -------
    Description
        Printed as lines, and shown as a table in a notebook: the phase, the capture, the sizes, the
        options that differ from the defaults, the variables with their dims and units, and the call
        of the phase that usually follows.

    Raises
    ------
    OptionsError
        If it is neither.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", frames=8, height=160, width=200)
    >>> skry.describe(skry.choose_reference(capture, method="anchors"))
    reference: the reference frame, and where the scene lies in key frames
      capture                 simulated moon, seed 1
      sizes                   key 8, axis 2
      options                 AlignOptions(method='anchors')
      state                   lazy: compute() computes it
      next                    skry.align(capture, key_frames=key_frames)
      reference ()            number of the frame whose pixel grid is the canvas
      method ()               how frames are aligned
      key_offset (key, axis)  px, offset of the key frame
      key_agreement (key)     share of the key frame that agrees
      key_error (key)         px, error of the offset in y or x
      key_reason (key)        why the key frame is inactive
    """
    if not isinstance(data, xr.Dataset):
        raise OptionsError(f"{article(data)} is no result: give what a phase, or {CAPTURE}")
    if "frames" in data:
        return _of_capture(data)
    if "phase" not in data.attrs:
        raise OptionsError(
            "this Dataset names no phase: give a result of a phase as it is (arithmetic drops "
            f"attributes), or {CAPTURE}"
        )
    attrs = data.attrs
    facts = {"capture": str(attrs.get("capture", "")), "sizes": _sizes(data)}
    facts["options"] = _options(attrs)
    facts["state"] = _state(data)
    facts["made of"] = _made_of(attrs.get("summary"))
    facts["note"] = "; ".join(str(attrs[name]) for name in ("note", "skipped") if name in attrs)
    facts["next"] = f"skry.{attrs['next_step']}" if "next_step" in attrs else ""
    heading = f"{attrs['phase']}: {attrs.get('title', 'result of a phase')}"
    return Description(heading, _known(facts), tuple(_variables(data)))


def _of_capture(capture: xr.Dataset) -> Description:
    frames, attrs = capture["frames"], capture.attrs
    n_frames, height, width = frames.shape[:3]
    colour = "RGB " if "channel" in frames.dims else ""
    facts = {
        "frames": f"{n_frames} of {width} x {height} px, {colour}{frames.dtype.name}",
        "depth": f"{attrs['bits']} bits" if "bits" in attrs else "",
        "raw colour": str(attrs.get("cfa", "")),
        "times": _times(capture),
        "excluded": str(int(capture["excluded"].sum())) if "excluded" in capture.coords else "",
        "state": "lazy: frames are read when they are used" if frames.chunks else "in memory",
        "problems": "; ".join(map(str, attrs.get("problems", ()))),
        "next": "skry.align(capture)",
    }
    return Description(f"capture: {name_of(capture) or 'of no name'}", _known(facts), ())


def _times(capture: xr.Dataset) -> str:
    if "time" not in capture.coords or not capture.sizes["frame"]:
        return ""
    first, last = (np.datetime_as_string(capture["time"].to_numpy()[i], "ms") for i in (0, -1))
    return f"{first} to {last} UTC"


def _sizes(data: xr.Dataset) -> str:
    return ", ".join(f"{dim} {size}" for dim, size in data.sizes.items())


def _options(attrs: dict[str, Any]) -> str:
    kind, values = _KINDS.get(str(attrs["phase"])), attrs.get("options", {})
    if kind is None:
        return ""
    try:
        return repr(kind(**values))
    except OptionsError:  # of another version
        return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _state(data: xr.Dataset) -> str:
    lazy = [name for name, variable in data.data_vars.items() if variable.chunks is not None]
    if not lazy:
        return ""
    if len(lazy) > MOST_NAMED:
        return "lazy: compute() computes it"
    return f"in memory, but for {', '.join(map(str, lazy))}: compute() computes the rest"


def _made_of(summary: Any) -> str:
    if not isinstance(summary, dict):
        return ""
    return f"{summary['active_frames']} of {summary['frames']} frames"


def _variables(data: xr.Dataset) -> Iterable[tuple[str, str, str]]:
    for name, variable in data.data_vars.items():
        units = str(variable.attrs.get("units", ""))
        dims = ", ".join(map(str, variable.dims))
        words = str(variable.attrs.get("long_name", ""))
        yield f"{name} ({dims})", "" if units == "1" else units, words


def _known(facts: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in facts.items() if text}
