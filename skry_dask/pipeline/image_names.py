"""Names of the images of a job: of several percentages, each has its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from skry_dask.errors import OptionsError

if TYPE_CHECKING:
    from skry_dask.io.remote import Location
    from skry_dask.options.values import Percentages

FIELD = re.compile(r"\{percent(?::([^{}]*))?\}")
"""Where a name has the percentage, with a format if the user likes: {percent}, {percent:04.1f}."""


class LaterPercent:
    """Stands for the percentage in a pattern of which all else is filled in."""

    def __format__(self, form: str) -> str:
        return f"{{percent:{form}}}" if form else "{percent}"


def plain_number(percent: float) -> float | int:
    """Take a whole number as one, so that it is written without ".0"."""
    return int(percent) if percent == int(percent) else percent


def image_of_each(image: Location | None, percent: Percentages | None) -> list[Location]:
    """Name the image of each percentage.

    Parameters
    ----------
    image
        As the user has named it; its name may have the field {percent}, as in moon-{percent}.tif.
        None = there are no images.
    percent
        See `StackOptions`.

    Returns
    -------
    list
        An image for each percentage. Of several without a field: moon.tif → moon-p5.tif,
        moon-p15.tif.

    Raises
    ------
    OptionsError
        If the field cannot be filled in, or gives two images one name.
    """
    if image is None:
        return []
    several: tuple[float | None, ...] = percent if isinstance(percent, tuple) else (percent,)
    if not FIELD.search(image.name):
        if len(several) == 1:
            return [image]
        image = image.with_name(f"{image.stem}-p{{percent:g}}{image.suffix}")
    named: dict[str, float | None] = {}
    for one in several:
        name = _filled(image.name, one)
        if name in named:
            raise OptionsError(
                f"{image.name} gives {name} to {named[name]:g} and to {one:g} percent: write "
                "{percent} without a format"
            )
        named[name] = one
    return [image.with_name(name) for name in named]


def _filled(name: str, percent: float | None) -> str:
    """Write the percentage into a name."""
    if percent is None:
        raise OptionsError(f"{name} has {{percent}}, but no percent is given: give --percent")
    try:
        return FIELD.sub(lambda found: format(plain_number(percent), found[1] or ""), name)
    except ValueError as error:
        raise OptionsError(f"{name} cannot be filled in: {error}: write {{percent}}") from error
