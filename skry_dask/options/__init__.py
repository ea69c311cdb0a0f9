"""Options: one dataclass for each phase, and for each step before the first phase.

The same fields are keyword arguments in Python, flags of the command line, the part of a digest
that decides which stored result may be reused, and the provenance written into images. They import
neither numpy nor dask: the command line reads them before it knows whether it needs those.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from skry_dask.errors import OptionsError
from skry_dask.options.inputs import (
    ByteOrder,
    CalibrationOptions,
    Cfa,
    HotPixels,
    Mask,
    ReadOptions,
    SelectOptions,
    frame_ranges,
)
from skry_dask.options.phases import (
    DRIZZLE,
    AlignMethod,
    AlignOptions,
    Canvas,
    Choose,
    Demosaic,
    Interpolation,
    QualityOptions,
    RefineOptions,
    StackOptions,
    TrackOptions,
)
from skry_dask.options.rotation import RotationOptions
from skry_dask.options.values import PhaseOptions, Positions, as_json

__all__ = [
    "DRIZZLE",
    "AlignMethod",
    "AlignOptions",
    "ByteOrder",
    "CalibrationOptions",
    "Canvas",
    "Cfa",
    "Choose",
    "Demosaic",
    "HotPixels",
    "Interpolation",
    "Mask",
    "Options",
    "PhaseOptions",
    "Positions",
    "QualityOptions",
    "ReadOptions",
    "RefineOptions",
    "RotationOptions",
    "SelectOptions",
    "StackOptions",
    "TrackOptions",
    "as_json",
    "frame_ranges",
]

OF_PHASES = (
    ReadOptions,
    SelectOptions,
    CalibrationOptions,
    AlignOptions,
    RotationOptions,
    QualityOptions,
    TrackOptions,
    RefineOptions,
    StackOptions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a whole job."""

    read: ReadOptions = ReadOptions()
    select: SelectOptions = SelectOptions()
    calibrate: CalibrationOptions = CalibrationOptions()
    align: AlignOptions = AlignOptions()
    derotate: RotationOptions = RotationOptions()
    quality: QualityOptions = QualityOptions()
    track: TrackOptions = TrackOptions()
    refine: RefineOptions = RefineOptions()
    stack: StackOptions = StackOptions()

    def __post_init__(self) -> None:
        """Refuse weights in a job in which no phase makes them."""
        if self.refine.quick and self.stack.choose is Choose.WEIGHTS:
            raise OptionsError(
                "quick and choose weights contradict each other: the second pass makes the "
                "weights: give one of them"
            )

    @property
    def of_phases(self) -> list[PhaseOptions]:
        """The options of each phase, in the order of the job."""
        return [getattr(self, kind.phase) for kind in OF_PHASES]

    @property
    def weighted(self) -> bool:
        """Whether frames are to count by weight, if there are weights."""
        return self.stack.settled(weighted=not self.refine.quick).choose is Choose.WEIGHTS

    @classmethod
    def of(cls, **options: Any) -> Options:
        """Sort options to the phases that they belong to, by their names.

        Raises
        ------
        OptionsError
            If a name belongs to no phase, or a value is out of range.
        """
        phases: dict[str, Any] = {}
        for kind in OF_PHASES:
            names = {f.name for f in dataclasses.fields(kind)}
            phases[kind.phase] = kind(**{k: options.pop(k) for k in names & options.keys()})
        if options:
            known = sorted(f.name for p in phases.values() for f in dataclasses.fields(p))
            raise OptionsError(
                f"no option is called {', '.join(sorted(options))}: there are {', '.join(known)}"
            )
        return cls(**phases)
