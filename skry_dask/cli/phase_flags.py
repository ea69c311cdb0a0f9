"""The flags of a stacking job: the options of all phases, in groups of the help."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from skry_dask.cli.flags import (
    ALIGN,
    CALIBRATE,
    QUALITY,
    READ,
    REFINE,
    ROTATION,
    SELECT,
    STACK,
    TRACK,
)
from skry_dask.options import Options
from skry_dask.options.inputs import CalibrationOptions, ReadOptions, SelectOptions
from skry_dask.options.phases import (
    AlignOptions,
    QualityOptions,
    RefineOptions,
    StackOptions,
    TrackOptions,
)
from skry_dask.options.rotation import RotationOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFlags:
    """`Options` as flags: the same fields, each with its group in the help."""

    read: Annotated[ReadOptions, READ] = ReadOptions()
    select: Annotated[SelectOptions, SELECT] = SelectOptions()
    calibrate: Annotated[CalibrationOptions, CALIBRATE] = CalibrationOptions()
    align: Annotated[AlignOptions, ALIGN] = AlignOptions()
    derotate: Annotated[RotationOptions, ROTATION] = RotationOptions()
    quality: Annotated[QualityOptions, QUALITY] = QualityOptions()
    track: Annotated[TrackOptions, TRACK] = TrackOptions()
    refine: Annotated[RefineOptions, REFINE] = RefineOptions()
    stack: Annotated[StackOptions, STACK] = StackOptions()

    @property
    def options(self) -> Options:
        """The options, checked together."""
        return Options(**{of.name: getattr(self, of.name) for of in dataclasses.fields(self)})
