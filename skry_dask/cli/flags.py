"""Flags that several commands share: their types, their groups in the help, their defaults there.

The fields of an options dataclass are flags of their own: ``name="*"`` leaves out its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import Group, Parameter

from skry_dask.errors import StoreError
from skry_dask.io.remote import RemotePath, located
from skry_dask.options import ReadOptions, SelectOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

    from skry_dask.io.remote import Location

ImageKinds: TypeAlias = Literal["tiff8", "tiff16", "tiff32", "png8", "png16", "bmp", "fits"]

READ = Parameter(name="*", group=Group("Input", sort_key=1))
SELECT = Parameter(name="*", group=Group("Selection", sort_key=2))
CALIBRATE = Parameter(name="*", group=Group("Calibration", sort_key=3))
ALIGN_GROUP = Group("Align", sort_key=4)
ALIGN = Parameter(name="*", group=ALIGN_GROUP)
ROTATION = Parameter(name="*", group=Group("Rotation", sort_key=5))
QUALITY = Parameter(name="*", group=Group("Quality", sort_key=6))
TRACK_GROUP = Group("Track", sort_key=7)
TRACK = Parameter(name="*", group=TRACK_GROUP)
REFINE = Parameter(name="*", group=Group("Refine", sort_key=8))
STACK = Parameter(name="*", group=Group("Stack", sort_key=9))
MESSAGES = Parameter(name="*", group=Group("Messages", sort_key=20))
OUTPUT = Parameter(name="*", group=Group("Files", sort_key=0.5))
PHASES = Parameter(name="*")
SIMULATE = Parameter(name="*")
DEROTATE = Parameter(name="*")
SHARPEN = Parameter(name="*", group=Group("Sharpening", sort_key=1))
TONE = Parameter(name="*", group=Group("Tone", sort_key=2))
COMBINE = Parameter(name="*")
ANIMATION = Parameter(name="*", group=Group("Movie", sort_key=0))
TIMELAPSE = Parameter(name="*", group=Group("Movie", sort_key=0))

Reading: TypeAlias = Annotated[ReadOptions, READ]
Selecting: TypeAlias = Annotated[SelectOptions, SELECT]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json")]


def _to_location(_: Any, tokens: Sequence[Token]) -> Location:
    return located(tokens[0].value)


def _to_path(_: Any, tokens: Sequence[Token]) -> Path:
    place = located(tokens[0].value)
    if not isinstance(place, Path):
        raise StoreError(f"{place} is a URL: give a file on this machine, then copy it there")
    return place


Place: TypeAlias = Annotated[
    Path | RemotePath,
    Parameter(converter=_to_location, accepts_keys=False, n_tokens=1, metavar="PATH|URL"),
]
"""A file or folder to write, on this machine or at a URL."""

Output: TypeAlias = Annotated[Place, Parameter(alias="-o")]
LocalOutput: TypeAlias = Annotated[Path, Parameter(alias="-o", converter=_to_path)]


def shown_default(value: Any) -> str | None:
    """Return how the help shows a default; None for switches, and where the text says it."""
    if value is None or value is False or value == ():
        return None
    if isinstance(value, tuple):
        return " ".join(f"{number:g}" for number in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
