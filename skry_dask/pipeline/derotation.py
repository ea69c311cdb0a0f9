"""Stacks of a globe in files, derotated to one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.finishing.derotation import derotated
from skry_dask.finishing.stacked_images import read_stack
from skry_dask.geometry.globe.direction import SeenDiscs, find_direction
from skry_dask.geometry.globe.disc_image import DiscImage
from skry_dask.geometry.globe.outline import find_outline, fit_disc, nearest_half_turn, shows_pole
from skry_dask.geometry.globe.rotation import Direction, Globe
from skry_dask.geometry.globe.turning import Turning
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.io.remote import located
from skry_dask.options import as_json
from skry_dask.options.given import options_of
from skry_dask.options.rotation import Body, DerotateOptions, body_named
from skry_dask.pipeline.outputs import Outputs, software
from skry_dask.pipeline.upload import to_write

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from skry_dask.finishing.stacked_images import StackedImage
    from skry_dask.io.remote import RemotePath
    from skry_dask.types import AnyArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DerotatedFile:
    """An image that was derotated.

    Parameters
    ----------
    input, output
        Names of the files.
    turned
        By how much the globe was turned back, degrees.
    time
        Moment that the image shows now, UTC.
    note
        Where the disc is, and how its direction is known.
    """

    input: str
    output: str
    turned: float
    time: str
    note: str


def derotate_images(
    images: Sequence[str | os.PathLike[str]],
    outputs: Sequence[str | os.PathLike[str] | RemotePath],
    *,
    output_format: str | None = None,
    options: DerotateOptions | None = None,
    **choices: Any,
) -> list[DerotatedFile]:
    """Derotate images of a globe, such as stacks of several captures or filters, to one moment.

    Parameters
    ----------
    images
        With their time in their metadata, as stacks of captures with times have it.
    outputs
        The file to write for each.
    output_format
        Kind of the images; by default that of the suffix.
    options
        See `DerotateOptions`.
    **choices
        Options by name, such as ``body="jupiter"``. They win over ``options``.

    Returns
    -------
    What was done to each image.

    Raises
    ------
    OptionsError
        If the time of an image, or the globe, is not known, or astropy is not installed.
    AlignmentError
        If an image shows no disc, or its border cuts it.
    ReaderError, StoreError
        If a file cannot be read or written, or an output is an input.

    Examples
    --------
    >>> import skry_dask as skry
    >>> done = skry.derotate_images(["jupiter.tif"], ["moment.tif"], body="jupiter")
    >>> done[0].output
    'moment.tif'
    """
    options = options_of(DerotateOptions, options, choices, "derotate_images")
    targets = [located(output) for output in outputs]
    for target in targets:
        checked = Outputs(image=target, kind=output_format)
        checked.check()
        checked.check_read(*images)
    stacks = [read_stack(image).checked() for image in images]
    time = _times(stacks, options)
    body = _body(stacks, options)
    to = None if options.to is None else _moment(options.to)
    stated = stacks[0].metadata.get("rotation")
    turning = Turning.of(
        time,
        body,
        middle=to,
        north_angle=options.north_angle or 0.0,
        mirrored=options.mirrored or (isinstance(stated, dict) and bool(stated.get("mirrored"))),
        system=options.system,
    )
    globes, direction = _find_globes(stacks, turning, options)
    to = time.min() + (time.max() - time.min()) // 2 if to is None else to
    shown = f"{np.datetime_as_string(to, unit='us')}Z"
    done = []
    for stack, globe, turned, target in zip(stacks, globes, turning.turned, targets, strict=True):
        pixels = derotated(stack.pixels, globe, turned)
        metadata = _metadata(stack, globe, body, shown, options)
        with to_write(target) as path:
            kind = output_format or image_kind_for(target)
            write_image(path, pixels, kind=kind, metadata=metadata)
        done.append(
            DerotatedFile(
                input=stack.name,
                output=str(target),
                turned=float(turned[0]),
                time=shown,
                note=_note(globe, direction),
            )
        )
    return done


def _metadata(
    stack: StackedImage, globe: Globe, body: Body, shown: str, options: DerotateOptions
) -> dict[str, Any]:
    """Collect what the image should say about how it was made, JSON-compatible."""
    before = stack.metadata
    return {
        **before,
        "software": software(),
        "derotated_from": Path(stack.name).name,
        "options": {**before.get("options", {}), "derotate_images": as_json(options)},
        "time": {**(before.get("time") or {}), "middle": shown},
        "rotation": {
            "body": str(body),
            "pole_angle": round(globe.disc.pole_angle, 3),
            "mirrored": globe.disc.mirrored,
        },
    }


def _moment(text: str) -> np.datetime64:
    return np.datetime64(text.rstrip("Z"), "ns")


def _times(stacks: Sequence[StackedImage], options: DerotateOptions) -> AnyArray:
    """Find when each image was taken: datetime64[ns] (image), UTC."""
    if options.time is not None and len(stacks) > 1:
        raise OptionsError(
            f"time is for one image, but {len(stacks)} are given: call derotate for each, with to"
        )
    times = []
    for stack in stacks:
        known = stack.metadata.get("time")
        text = options.time or (known.get("middle") if isinstance(known, dict) else None)
        if text is None:
            raise OptionsError(
                f"{stack.name} does not say when it was taken: give --time in UTC, such as --time "
                "2026-11-02T21:14:03Z, or stack its capture again"
            )
        times.append(_moment(str(text)))
    return np.array(times, "datetime64[ns]")


def _body(stacks: Sequence[StackedImage], options: DerotateOptions) -> Body:
    """Find out which globe images show."""
    if options.body is not None:
        return options.body
    rotation = stacks[0].metadata.get("rotation")
    if not isinstance(rotation, dict) or "body" not in rotation:
        raise OptionsError(
            f"{stacks[0].name} does not say which globe it shows: give --body, such as --body "
            "jupiter"
        )
    return body_named(rotation["body"])


def _find_globes(
    stacks: Sequence[StackedImage], turning: Turning, options: DerotateOptions
) -> tuple[list[Globe], Direction]:
    """Find the globe in each image; its pole points in the same direction in all of them."""
    greys = [s.pixels.mean(axis=2) if s.is_colour else s.pixels for s in stacks]
    greys = [np.nan_to_num(grey) for grey in greys]
    known = turning.disc
    ringed = known.ring_outer > 0
    limbs = [find_outline(g, s.name, ringed=ringed) for g, s in zip(greys, stacks, strict=True)]
    stated = [s.metadata.get("rotation") for s in stacks]
    poles = [r["pole_angle"] for r in stated if isinstance(r, dict) and "pole_angle" in r]
    direction = Direction.ASSUMED
    if options.north_angle is not None:
        direction = Direction.GIVEN
    elif poles:
        known, direction = replace(known, pole_angle=_mean_angle(poles)), Direction.STATED
    turns = shows_pole(known) and direction is Direction.ASSUMED
    discs = [fit_disc(limb, known, turns=turns) for limb in limbs]
    if turns and not known.is_oblate:
        pole = _mean_angle([disc.pole_angle for disc in discs])
        discs, direction = [replace(disc, pole_angle=pole) for disc in discs], Direction.LIT
    elif turns:
        near = [nearest_half_turn(disc.pole_angle, known.pole_angle) for disc in discs]
        discs = [replace(disc, pole_angle=float(np.mean(near))) for disc in discs]
    if direction is Direction.ASSUMED and len(stacks) > 1:
        centre = np.array([discs[0].y, discs[0].x])
        places: FloatArray = np.array([[d.y, d.x] for d in discs]) - centre
        images = [DiscImage.of_frame(g, limb) for g, limb in zip(greys, limbs, strict=True)]
        seen = SeenDiscs(images, places, turning.turned)
        globe, found = find_direction(seen, Globe(discs[0], turning.flow), oblate=turns)
        discs = [replace(disc, pole_angle=globe.disc.pole_angle) for disc in discs]
        direction = Direction.FOUND if found else Direction.ASSUMED
    return [Globe(disc, turning.flow) for disc in discs], direction


def _mean_angle(degrees: Sequence[float]) -> float:
    """Average directions, degrees."""
    return float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(degrees)).mean())))


def _note(globe: Globe, direction: Direction) -> str:
    """Say what was found or assumed."""
    how = {
        Direction.GIVEN: "from north_angle",
        Direction.FOUND: "found by what moves",
        Direction.STATED: "as the stacks say",
        Direction.LIT: "found by where its light ends",
        Direction.ASSUMED: "assumed, north up: --north-angle states where north is",
    }[direction]
    disc = globe.disc
    return (
        f"disc of {disc.radius:.1f} px at y {disc.y:.1f}, x {disc.x:.1f}, its pole "
        f"{disc.pole_angle:.1f} degrees from up: {how}"
    )
