"""Options of the files that a job writes."""

from __future__ import annotations

import string
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.tone import ToneOptions

KINDS = ("tiff8", "tiff16", "tiff32", "png8", "png16", "bmp", "fits")
"""Kinds of images that can be written."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OutputOptions(NamedOptions):
    """Options of the files that a job writes.

    Parameters
    ----------
    output_format
        Kind of image [default: that of the suffix, or tiff16].
    name
        Pattern for the name of each image: {stem} is that of the input, {suffix} that of the kind
        of image, {time} when the capture began, UTC, and every option has its name, as in
        "{stem}-{time:%Y%m%d-%H%M%S}-p{percent:g}{suffix}" [default: {stem}-stack{suffix}].
    composite
        Also write the best-fragments composite: OUTPUT_composite.tif.
    table
        Also write tables: of all frames, OUTPUT_frames.csv; of the reference points,
        OUTPUT_points.csv; of the quality of frames as Stackistry writes it,
        OUTPUT_frame_quality.txt, and with more columns, OUTPUT_frame_quality.csv.
    steps
        Numbers of frames, such as 10,30,100, or auto: also stack the best so many frames, and write
        how noise, sharpness and resolution change: OUTPUT-steps.csv, OUTPUT-steps.png.
    sharpen
        "auto", or a file of skry sharpen --save-options: also write the stack sharpened:
        OUTPUT-sharpened.tif.
    stretch
        Percentiles of brightness that become black and white in images of 8 and 16 bits, such as
        0.1,99.9; their metadata say so [default: brightness is left as it is].
    report
        Also write a report, one page that opens in a browser, offline: moon-report.html beside
        moon-stack.tif.
    """

    phase: ClassVar[str] = "output"
    version: ClassVar[int] = 1

    output_format: Literal["tiff8", "tiff16", "tiff32", "png8", "png16", "bmp", "fits"] | None = (
        None
    )
    name: str | None = None
    composite: bool = False
    table: bool = False
    steps: str | None = None
    sharpen: str | None = None
    stretch: str | None = None
    report: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        if self.output_format is not None and self.output_format not in KINDS:
            raise OptionsError(
                f"output_format is {self.output_format!r}: choose one of {', '.join(KINDS)}"
            )
        if self.stretch is not None:
            ToneOptions(stretch=self.stretch)
        for name in ("composite", "table", "report"):
            if not isinstance(getattr(self, name), bool):
                raise OptionsError(f"{name} is {getattr(self, name)!r}: it must be true or false")
        if self.name is not None:
            _check_pattern(self.name)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `run`, which is told the name of one image."""
        return {name: value for name, value in asdict(self).items() if name != "name"}


def _check_pattern(pattern: str) -> None:
    """Refuse a pattern that names no field, or is none."""
    try:
        fields = [
            field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None
        ]
    except ValueError as error:
        raise OptionsError(
            f"name is {pattern!r}: {error}: write {{stem}}-stack{{suffix}}"
        ) from error
    if not pattern or any(not field.isidentifier() for field in fields):
        raise OptionsError(
            f"name is {pattern!r}: fields are names in braces, as in {{stem}}-stack{{suffix}}"
        )
