"""Options: one dataclass for each phase, and for each step before the first phase.

The same fields are keyword arguments in Python, flags of the command line, the part of a digest
that decides which stored result may be reused, and the provenance written into images. They import
neither numpy nor dask: the command line reads them before it knows whether it needs those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skry_dask.errors import OptionsError
from skry_dask.options.given import (
    NamedOptions,
    article,
    check_names,
    given_in,
    plain_values,
    without_rivals,
)
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
from skry_dask.options.rivals import OF_JOB
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

OPTION_NAMES = tuple(field.name for kind in OF_PHASES for field in dataclasses.fields(kind))
"""Names of the options of a job, each of one phase."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Options(NamedOptions):
    """The options of a whole job: those of each phase, and of what comes before the first one.

    Printed, they show what differs from the defaults.

    Parameters
    ----------
    read
        How the capture is read.
    select
        Which frames are used, and which rectangle of them.
    calibrate
        How the camera's own pattern is removed.
    align, derotate, quality, track, refine, stack
        Options of the phases.

    Raises
    ------
    OptionsError
        Options contradict each other, or are those of another phase.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.Options(stack=skry.StackOptions(percent=20, interpolation="cubic"))
    Options(stack=StackOptions(percent=20, interpolation='cubic'))
    """

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
        """Refuse options of another phase, and weights in a job in which no phase makes them."""
        for kind in OF_PHASES:
            found = getattr(self, kind.phase)
            if not isinstance(found, kind):
                raise OptionsError(f"{kind.phase} is {article(found)}: it must be {kind.__name__}")
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
    def of(cls, options: Options | None = None, /, **choices: Any) -> Options:
        """Sort options to the phases that they belong to, by their names.

        Parameters
        ----------
        options
            Those of a job; None = the defaults.
        **choices
            Options by name. Each replaces that of ``options``, and those that contradict it.

        Raises
        ------
        OptionsError
            If a name belongs to no phase, or a value is out of range.

        Examples
        --------
        >>> import skry_dask as skry
        >>> options = skry.Options.of(percent=20, method="disc")
        >>> options
        Options(align=AlignOptions(method='disc'), stack=StackOptions(percent=20))
        >>> skry.Options.of(options, number=50).stack
        StackOptions(number=50)
        """
        if options is not None and not isinstance(options, Options):
            remedy = "give Options(stack=StackOptions(percent=20)), or single options by name"
            if isinstance(options, Mapping):
                remedy = "give them by name, as in run(..., **options)"
            raise OptionsError(f"options of a job are {article(options)}: {remedy}")
        check_names(choices, OPTION_NAMES, "a job")
        choices = plain_values(choices)
        phases: dict[str, Any] = {}
        for kind in OF_PHASES:
            before = {} if options is None else given_in(getattr(options, kind.phase))
            names = {field.name for field in dataclasses.fields(kind)}
            phases[kind.phase] = kind(
                **without_rivals(before, choices, OF_JOB),
                **{name: choices[name] for name in names & choices.keys()},
            )
        return cls(**phases)
