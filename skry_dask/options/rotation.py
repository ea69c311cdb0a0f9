"""Options of the rotation of a globe: which one, when it was seen, and how the camera was held."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.values import check_range, choice


class Body(StrEnum):
    """A globe whose rotation is known and shows within minutes or hours."""

    SUN = "sun"
    MARS = "mars"
    JUPITER = "jupiter"
    SATURN = "saturn"


class System(StrEnum):
    """System of longitudes: I turns with the equator's clouds, II with others, III inside."""

    I = "I"  # noqa: E741 its name
    II = "II"
    III = "III"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RotationOptions(NamedOptions):
    """Options of derotation, which undoes the known rotation of a globe.

    Parameters
    ----------
    derotate
        Undo the rotation of this globe: jupiter, saturn, mars or sun. Takes the times of frames, or
        --time; and the package astropy.
    time
        Time of the first frame, UTC, such as 2026-11-02T21:14:03Z [default: what the capture says].
    fps
        Number of frames a second, where frames have no times of their own [default: what the
        capture says].
    north_angle
        Direction of north on the sky in the image, degrees anticlockwise from up [default: found by
        the oblate limb and by what moves; where too little moves, north is more up than down].
    mirrored
        The image is mirrored, as with a diagonal mirror.
    system
        System of longitudes whose rotation is undone, I, II or III [default: II for Jupiter, III
        for others; the Sun turns by latitude].

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.RotationOptions(derotate="jupiter", north_angle=12)
    RotationOptions(derotate='jupiter', north_angle=12)
    """

    phase: ClassVar[str] = "derotate"
    version: ClassVar[int] = 2

    derotate: Body | None = None
    time: str | None = None
    fps: float | None = None
    north_angle: float | None = None
    mirrored: bool = False
    system: System | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.derotate is not None:
            object.__setattr__(self, "derotate", body_named(self.derotate))
        if self.time is not None:
            object.__setattr__(self, "time", utc("time", self.time))
        if self.fps is not None:
            check_range("fps", self.fps, 0.0, 100_000.0, above=True)
        if self.north_angle is not None:
            check_range("north_angle", self.north_angle, -360.0, 360.0)
        if self.system is not None:
            object.__setattr__(self, "system", choice("system", self.system, System))
            self._check_system(self.system)
        if self.derotate is None:
            self._check_unused()

    def _check_system(self, system: System) -> None:
        """Refuse systems I and II of globes that are solid, or turn by latitude."""
        if self.derotate in (Body.MARS, Body.SUN) and system is not System.III:
            raise OptionsError(
                f"system is {system}, which {self.derotate} does not have: leave it out"
            )

    def _check_unused(self) -> None:
        """Refuse options that would do nothing."""
        for name in ("time", "fps", "north_angle", "mirrored", "system"):
            value = getattr(self, name)
            if value not in (None, False):
                raise OptionsError(
                    f"{name} is {value} without derotate: name the globe too, such as derotate "
                    "jupiter"
                )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DerotateOptions(NamedOptions):
    """Options of the derotation of images to one moment.

    Parameters
    ----------
    body
        The globe: jupiter, saturn, mars or sun [default: the one of the first image, if it was
        stacked with --derotate].
    to
        Moment to which images are derotated, UTC, such as 2026-11-02T21:14:03Z [default: the middle
        between the first and the last].
    time
        When the image was taken, UTC, the middle of its exposure; for one image whose metadata do
        not say it.
    north_angle
        Direction of north on the sky in the images, degrees anticlockwise from up [default: as for
        the stack, or by the oblate limb and by what differs between images].
    mirrored
        Images are mirrored, as with a diagonal mirror.
    system
        System of longitudes whose rotation is undone, I, II or III [default: II for Jupiter, III
        for others; the Sun turns by latitude].

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.DerotateOptions(body="jupiter", to="2026-11-02T21:14:03Z")
    DerotateOptions(body='jupiter', to='2026-11-02T21:14:03.000000Z')
    """

    phase: ClassVar[str] = "derotate_images"
    version: ClassVar[int] = 1

    body: Body | None = None
    to: str | None = None
    time: str | None = None
    north_angle: float | None = None
    mirrored: bool = False
    system: System | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.body is not None:
            object.__setattr__(self, "body", body_named(self.body))
        for name in ("to", "time"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, utc(name, getattr(self, name)))
        # The same values, the same refusals.
        RotationOptions(
            derotate=self.body or Body.JUPITER,
            north_angle=self.north_angle,
            system=self.system,
        )


def body_named(name: Any) -> Body:
    """Find a globe by its name.

    Raises
    ------
    OptionsError
        If there is no such globe: names the nearest.
    """
    try:
        return Body(str(name).lower())
    except ValueError:
        near = difflib.get_close_matches(str(name).lower(), list(Body), 1, 0.5)
        hint = f"did you mean {near[0]}? Else " if near else ""
        raise OptionsError(
            f"there is no globe {str(name)!r}: {hint}choose one of {', '.join(Body)}"
        ) from None


def utc(name: str, text: str) -> str:
    """Convert a time to UTC: ``2026-11-02T21:14:03.000000Z``.

    Parameters
    ----------
    name
        Name of the option, for the message.
    text
        Date and time in ISO 8601; without an offset, it is UTC.

    Raises
    ------
    OptionsError
        If it is no time, or not between 1900 and 2100.
    """
    try:
        moment = datetime.fromisoformat(text)
        has_time = len(text.strip()) > len("2026-11-02")
    except (TypeError, ValueError):
        has_time = False
    if not has_time:
        raise OptionsError(
            f"{name} is {text!r}: give date and time in UTC, such as 2026-11-02T21:14:03Z"
        )
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    check_range(f"the year of {name}", moment.year, 1900, 2100)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
