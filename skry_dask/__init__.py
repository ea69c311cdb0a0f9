"""Lucky imaging as a dataflow pipeline on chunked arrays.

A telescope's video goes in, one sharp image comes out: `run` does the whole job; `open_capture`,
`align`, `estimate_quality`, `track` and `stack` are its steps, each a lazy dask graph. Names are
imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skry_dask.align import align
    from skry_dask.calibrate import calibrate
    from skry_dask.capture import as_zarr, import_capture, open_capture
    from skry_dask.io.positions import read_positions
    from skry_dask.options import (
        AlignOptions,
        CalibrationOptions,
        Options,
        QualityOptions,
        ReadOptions,
        SelectOptions,
        StackOptions,
        TrackOptions,
    )
    from skry_dask.partial import partial_stacks
    from skry_dask.pipeline import make_master, run
    from skry_dask.quality import estimate_quality
    from skry_dask.scene import SimulateOptions
    from skry_dask.selection import select
    from skry_dask.simulate import simulate
    from skry_dask.stack import stack
    from skry_dask.track import track

__all__ = [
    "AlignOptions",
    "CalibrationOptions",
    "Options",
    "QualityOptions",
    "ReadOptions",
    "SelectOptions",
    "SimulateOptions",
    "StackOptions",
    "TrackOptions",
    "align",
    "as_zarr",
    "calibrate",
    "estimate_quality",
    "import_capture",
    "make_master",
    "open_capture",
    "partial_stacks",
    "read_positions",
    "run",
    "select",
    "simulate",
    "stack",
    "track",
]

_HOMES = {
    "AlignOptions": "options",
    "CalibrationOptions": "options",
    "Options": "options",
    "QualityOptions": "options",
    "ReadOptions": "options",
    "SelectOptions": "options",
    "SimulateOptions": "scene",
    "StackOptions": "options",
    "TrackOptions": "options",
    "align": "align",
    "as_zarr": "capture",
    "calibrate": "calibrate",
    "estimate_quality": "quality",
    "import_capture": "capture",
    "make_master": "pipeline",
    "open_capture": "capture",
    "partial_stacks": "partial",
    "read_positions": "io.positions",
    "run": "pipeline",
    "select": "selection",
    "simulate": "simulate",
    "stack": "stack",
    "track": "track",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__


class _Package(ModuleType):
    """Keeps ``skry_dask.align`` the function: importing a submodule would put the module there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in _HOMES:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
