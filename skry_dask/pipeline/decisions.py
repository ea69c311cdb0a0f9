"""What a phase has decided, in words: for ``-v`` and log files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.phases.alignment.frame_alignment import Reason

if TYPE_CHECKING:
    import xarray as xr


def decided(name: str, data: xr.Dataset) -> str:
    """Say what a phase has decided.

    Parameters
    ----------
    name
        Name of the phase.
    data
        Its result, computed or in a store.

    Returns
    -------
    One line; empty where there is nothing to say.
    """
    say = _SAYING.get(name)
    return "" if say is None else say(data)


def _reference(data: xr.Dataset) -> str:
    method = data["method"]
    names = method.attrs.get("flag_meanings", "").split()
    how = names[int(method)] if int(method) < len(names) else f"method {int(method)}"
    return f"frame {int(data['reference'])} is the reference, frames are aligned by {how}"


def _align(data: xr.Dataset) -> str:
    reasons, counts = np.unique(data["reason"].to_numpy(), return_counts=True)
    others = [
        f"{count} {Reason(reason).words}"
        for reason, count in zip(reasons.tolist(), counts.tolist(), strict=True)
        if reason != Reason.ACTIVE
    ]
    active = data["active"].to_numpy()
    canvas = "union" if bool(data["union"]) else "overlap"
    left_out = f"; {', '.join(others)}" if others else ""
    return f"{active.sum()} of {active.size} frames are aligned{left_out}; canvas {canvas}"


def _quality(data: xr.Dataset) -> str:
    rated = data["frame_quality"].to_numpy()
    best = int(data["frame"][int(np.nanargmax(rated))]) if not np.isnan(rated).all() else None
    size = data.attrs["options"]["area_size"]
    return f"{data.sizes['area']} areas of {size} px; frame {best} has most detail"


def _track(data: xr.Dataset) -> str:
    n_points = data.sizes["point"]
    if not n_points:
        return "no reference point can be placed: frames are aligned as a whole"
    share = float(data["valid_fraction"].mean())
    return f"{n_points} reference points, measured in {share:.0%} of the frames on average"


def _refine(data: xr.Dataset) -> str:
    if "skipped" in data.attrs:
        return f"no second pass: {data.attrs['skipped']}"
    return f"{data.sizes['point']} points are measured against the first stack; frames have weights"


def _stack(data: xr.Dataset) -> str:
    options = data.attrs["options"]
    given = {name: options[name] for name in ("percent", "number", "min_quality") if options[name]}
    several = {name: v if isinstance(v, list | tuple) else [v] for name, v in given.items()}
    words = [f"{name} {' and '.join(f'{v:g}' for v in values)}" for name, values in several.items()]
    criterion = ", ".join(["", *words] if words else ["", "all frames"])
    how = (
        f"drizzle {options['drizzle']:g}, drop {options['drop']:g}"
        if options["drizzle"] > 1
        else f"interpolation {options['interpolation']}"
    )
    n_used = int(
        (data["fragments"] > 0).any([d for d in data["fragments"].dims if d != "frame"]).sum()
    )
    return f"choose {options['choose']}{criterion}; {how}; {n_used} frames give something"


_SAYING = {
    "reference": _reference,
    "align": _align,
    "quality": _quality,
    "track": _track,
    "refine": _refine,
    "first_stack": _stack,
    "stack": _stack,
}
