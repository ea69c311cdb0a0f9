"""``skry combine``: images of filters to one in colour."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from skry_dask.cli.flags import COMBINE, AsJson, ImageKinds, Output
from skry_dask.cli.process import importing
from skry_dask.cli.terminal import print_notes, progress_bars, reporting
from skry_dask.errors import OptionsError
from skry_dask.options.combining import CombineOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

ROLES = ("red", "green", "blue", "luminance")


def combine(
    *images: str,
    output: Output,
    red: str | None = None,
    green: str | None = None,
    blue: str | None = None,
    luminance: Annotated[str | None, Parameter(name=("--luminance", "--infrared"))] = None,
    output_format: ImageKinds | None = None,
    json_: AsJson = False,
    options: Annotated[CombineOptions, COMBINE] = CombineOptions(),  # noqa: B008
) -> int:
    """Combine grey images of three filters, and of a luminance, to one in colour.

    Images are registered to the luminance, or to green, to a part of a pixel, locally too. They may
    differ in size, brightness and contrast. Brightness is not stretched.

    Parameters
    ----------
    images
        Images of red, green, blue and, if there is one, luminance, in this order.
    output
        Image to write (.tif, .png, .bmp, .fits), or its URL.
    red
        Image of red, instead of by order.
    green
        Image of green, instead of by order.
    blue
        Image of blue, instead of by order.
    luminance
        Image whose brightness replaces that of the colours: without filter, or infrared.
    output_format
        Kind of image [default: that of the suffix].
    json_
        Print a summary as JSON.
    """
    flags = dict(zip(ROLES, (red, green, blue, luminance), strict=True))
    roles = images_by_role(images, flags)
    with importing():
        from skry_dask.pipeline.combine import combine as combine_files
    with reporting(), progress_bars() as bars:
        made = combine_files(
            roles["red"],
            roles["green"],
            roles["blue"],
            roles.get("luminance"),
            output=output,
            output_format=output_format,
            options=options,
            progress=bars.report,
        )
    if json_:
        print(json.dumps({"output": str(output), **_summary(made)}))
        return 0
    sizes = made.sizes
    print(f"{output}: {sizes['x']} x {sizes['y']} px in colour of {len(roles)} images")
    print_notes(
        f"{roles[role]} is {_described(one)} against {roles[made.attrs['metadata']['reference']]}"
        for role, one in made.attrs["registration"].items()
    )
    print_notes(made.attrs["problems"])
    return 0


def images_by_role(images: Sequence[str], flags: dict[str, str | None]) -> dict[str, str]:
    """Find out which image is which: those without a flag fill the roles without one, in order.

    Parameters
    ----------
    images
        Without a flag.
    flags
        By role; None for those that were not given.

    Raises
    ------
    OptionsError
        If a colour is missing, or there are too many images.
    """
    roles = {role: image for role, image in flags.items() if image is not None}
    free = [role for role in ROLES if role not in roles]
    if len(images) > len(free):
        raise OptionsError(
            f"{len(images) + len(roles)} images are given: combine three (red, green, blue), and a "
            "luminance, such as skry combine r.tif g.tif b.tif l.tif -o rgb.tif"
        )
    roles |= dict(zip(free, images, strict=False))
    missing = [role for role in ROLES[:3] if role not in roles]
    if missing:
        raise OptionsError(
            f"no image for {' and '.join(missing)}: give red, green and blue, such as skry combine "
            "r.tif g.tif b.tif -o rgb.tif"
        )
    return {role: roles[role] for role in ROLES if role in roles}


def _described(one: dict[str, Any]) -> str:
    down, right = one["shift"]
    return (
        f"{abs(down):.2f} px {'down' if down >= 0 else 'up'}, {abs(right):.2f} px "
        f"{'right' if right >= 0 else 'left'}, and {one['local']:.2f} px rms locally"
    )


def _summary(made: xr.Dataset) -> dict[str, Any]:
    return {
        "height": made.sizes["y"],
        "width": made.sizes["x"],
        "reference": made.attrs["metadata"]["reference"],
        "registration": made.attrs["registration"],
        "notes": made.attrs["problems"],
    }
