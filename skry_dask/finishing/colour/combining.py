"""Images of filters to one in colour: registered to one of them, resampled, joined.

The reference is the luminance, or else green, so that the image with most detail is left as it is.
What all images show is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import AlignmentError, OptionsError
from skry_dask.finishing.colour.joining import grey_gains, with_luminance, within_full_scale
from skry_dask.finishing.registration.common_region import overlap, region_of
from skry_dask.finishing.registration.displacement import Displacement
from skry_dask.finishing.registration.register import Registration, likely_scale, register

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from skry_dask.finishing.stacked_images import StackedImage
    from skry_dask.geometry.canvas import Region
    from skry_dask.options.combining import CombineOptions
    from skry_dask.types import Float32Array

COLOURS = ("red", "green", "blue")

LUMINANCE = "luminance"

MAX_SCALE_ERROR = 0.02
"""Images whose scales differ by more than this are of another focal length or were resized."""

LIMB_ERROR_PX = 2.0
"""A scale that moves the limb of a disc by less is no other scale: filters differ in their limb
darkening. Smaller ones, and such rotations, are undone without a word."""

UNLIKE = 0.4
"""Disagreement of an image with the reference from which the user is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """An image in colour, and how it came about.

    Parameters
    ----------
    pixels
        float32 (y, x, channel), 1 = full scale; NaN where one of the images has no value.
    region
        The part of the reference's grid that it covers.
    reference
        Role of the reference: ``"luminance"`` or ``"green"``.
    registrations
        By role, of all other images.
    notes
        What the user should know, one sentence each.
    """

    pixels: Float32Array
    region: Region
    reference: str
    registrations: dict[str, Registration]
    notes: list[str]

    def described(self) -> dict[str, dict[str, Any]]:
        """Describe the registrations, by role, JSON-compatible."""
        return {role: describe(found) for role, found in self.registrations.items()}


def describe(found: Registration) -> dict[str, Any]:
    """Describe a registration, JSON-compatible.

    Returns
    -------
    dict
        ``shift`` y, x (px), ``scale``, ``rotation`` (degrees), ``local`` (px rms), ``agreement``.
    """
    y, x, scale, rotation = found.displacement.similarity.tolist()
    return {
        "shift": [round(y, 3), round(x, 3)],
        "scale": round(1 + scale, 5),
        "rotation": round(float(np.degrees(rotation)), 3),
        "local": round(float(np.sqrt((found.displacement.local**2).mean())), 3),
        "agreement": round(found.agreement, 3),
    }


def combine_images(
    images: Mapping[str, StackedImage],
    options: CombineOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Combination:
    """Register images of filters, and join them.

    Parameters
    ----------
    images
        ``red``, ``green``, ``blue``, and ``luminance`` if there is one; grey.
    options
        How.
    progress
        Called with the number of images that are registered, and of all to be.

    Raises
    ------
    OptionsError
        If an image is in colour.
    AlignmentError
        If an image does not show what the reference shows, or at another scale, or images have no
        part in common; names the image.
    """
    for role, image in images.items():
        if image.is_colour:
            raise OptionsError(
                f"{image.name} is in colour: give a grey image for {role}, of one filter"
            )
    reference = LUMINANCE if LUMINANCE in images else "green"
    others = [role for role in images if role != reference]
    found = {}
    for n_done, role in enumerate(others):
        progress(n_done, len(others))
        found[role] = _registered(images[reference], images[role], local=not options.shift_only)
    progress(len(others), len(others))
    height, width = images[reference].shape
    still = Displacement.of_similarity(np.zeros(4), (height, width))
    displacements = {role: one.displacement for role, one in found.items()} | {reference: still}
    regions = [region_of(displacements[role], image.shape) for role, image in images.items()]
    region = overlap(regions)
    if region is None:
        raise AlignmentError(
            f"{', '.join(image.name for image in images.values())} have no part in common: give "
            "images of the same part of the object"
        )
    planes = {
        role: displacements[role].undone(image.pixels, region) for role, image in images.items()
    }
    pixels, notes = _joined(planes, options)
    return Combination(pixels, region, reference, found, [*_notes(images, found, region), *notes])


def _registered(reference: StackedImage, image: StackedImage, *, local: bool) -> Registration:
    """Register an image, or say why that is impossible."""
    found = register(reference.pixels, image.pixels, local=local)
    scale = 1 + float(found.displacement.similarity[2])
    if not found.agrees:
        scale = likely_scale(reference.pixels, image.pixels)
    if abs(scale - 1) > max(MAX_SCALE_ERROR, LIMB_ERROR_PX / max(found.extent, 1.0)):
        raise AlignmentError(
            f"{image.name} is about {scale:.3g} times as large as {reference.name}: resize one of "
            "them, or give images taken with the same focal length and pixels"
        )
    if not found.agrees:
        raise AlignmentError(
            f"{image.name} does not show what {reference.name} shows: {found.agreement:.0%} of its "
            f"detail agrees where {found.shared:.0%} of it overlaps: give images of the same part "
            "of the same object, not turned or mirrored"
        )
    return found


def _joined(
    planes: Mapping[str, Float32Array], options: CombineOptions
) -> tuple[Float32Array, list[str]]:
    """Join registered images, and say what was done to their brightness."""
    colour = np.stack([planes[role] for role in COLOURS], axis=-1)
    missing = np.isnan(colour).any(axis=2)
    gains = grey_gains(colour) if options.white_balance else options.gains
    notes = []
    if gains is not None:
        colour *= np.asarray(gains, np.float32)
        if options.white_balance:
            red, _, blue = gains
            notes.append(f"white balance: red times {red:.3g}, blue times {blue:.3g}")
    if LUMINANCE in planes:
        missing |= np.isnan(planes[LUMINANCE])
        colour = with_luminance(colour, planes[LUMINANCE])
    if gains is not None or LUMINANCE in planes:
        colour, factor = within_full_scale(colour)
        if factor < 1:
            notes.append(f"darkened to {factor:.3g} of its brightness, which exceeded full scale")
    colour[missing] = np.nan
    return colour, notes


def _notes(
    images: Mapping[str, StackedImage], found: Mapping[str, Registration], region: Region
) -> list[str]:
    """Say what the user should know about the images and their registration."""
    notes = []
    few = [image.name for image in images.values() if image.has_8_bits]
    if few:
        notes.append(
            f"{', '.join(few)}: 8 bits, whose steps show when the image is sharpened or stretched; "
            "16 bits (.tif, .png) are better"
        )
    if len({image.shape for image in images.values()}) > 1:
        sizes = ", ".join(f"{i.name} {i.shape[1]} x {i.shape[0]}" for i in images.values())
        notes.append(
            f"sizes differ ({sizes} px): cut to the {region.width} x {region.height} px that all "
            "of them show"
        )
    for role, one in found.items():
        _, _, scale, rotation = one.displacement.similarity.tolist()
        if max(abs(scale), abs(rotation)) * one.extent > LIMB_ERROR_PX:
            notes.append(
                f"{images[role].name}: resized by {1 / (1 + scale):.4f} and rotated by "
                f"{np.degrees(rotation):.2f} degrees"
            )
        unlike = 1 - one.agreement
        if unlike > UNLIKE:
            notes.append(
                f"{images[role].name} differs in {unlike:.0%} of its detail: check that there are "
                "no coloured edges"
            )
    return notes
