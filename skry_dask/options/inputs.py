"""Options for what happens before the first phase: reading, selecting, calibrating."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions, article
from skry_dask.options.values import check_range, choice


class ByteOrder(StrEnum):
    """How 16-bit samples are stored."""

    LITTLE = "little"
    BIG = "big"


class Cfa(StrEnum):
    """Colour filter array: colours of the first two pixels of row 0, then of row 1."""

    RGGB = "RGGB"
    GRBG = "GRBG"
    GBRG = "GBRG"
    BGGR = "BGGR"
    NONE = "none"


class Mask(StrEnum):
    """Whether what stands still while the scene moves is masked."""

    AUTO = "auto"
    OFF = "off"


class HotPixels(StrEnum):
    """Where hot and dead pixels are looked for."""

    NONE = "none"
    DARK = "dark"
    CAPTURE = "capture"


def frame_ranges(name: str, text: str) -> tuple[tuple[int | None, int | None, int], ...]:
    """Parse a list of frame numbers and ranges.

    Parameters
    ----------
    name
        Name of the option, for the message.
    text
        Such as ``"17,40:52,100:"``: single numbers, and ranges start:stop or start:stop:step
        without the stop, as in Python; negative numbers count from the end.

    Returns
    -------
    tuple of (start, stop, step)
        One for each number or range. None where a range is open; stop None and step 0 for a single
        number.

    Raises
    ------
    OptionsError
        If the text is anything else.
    """
    ranges = []
    for item in text.split(","):
        try:
            ranges.append(_frame_range(item))
        except ValueError:
            raise OptionsError(f"{name} is {text!r}: {_remedy_for_ranges(text)}") from None
    return tuple(ranges)


def _frame_range(item: str) -> tuple[int | None, int | None, int]:
    """Parse one number or range; raises ValueError."""
    fields = [int(field) if field.strip() else None for field in item.split(":")]
    if len(fields) > 3 or fields == [None]:
        raise ValueError
    if len(fields) == 1:
        return fields[0], None, 0
    start, stop, step = (*fields, None)[:3]
    if step is None:
        step = 1
    if step < 1:
        raise ValueError
    return start, stop, step


def _remedy_for_ranges(text: str) -> str:
    """Say how to write a list of frames; for 10-50, which excludes nothing elsewhere, exactly."""
    with_dash = re.compile(r"(\d+) *- *(\d+)")
    if with_dash.search(text):
        meant = with_dash.sub(lambda found: f"{found[1]}:{int(found[2]) + 1}", text)
        return f"ranges are start:stop without the stop, such as {meant.replace(' ', '')}"
    return "it must be frame numbers and ranges, such as 17,40:52"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReadOptions(NamedOptions):
    """How an input is read, where its file is wrong about itself or says nothing.

    Parameters
    ----------
    byte_order
        Byte order of 16-bit samples in SER files [default: what the header and the picture say].
    cfa
        Colour filter array of raw colour, at the first pixel of the file's frames; "none" = the
        frames are mono [default: what the file says].
    bits
        Depth of the samples, bits: 2**bits - 1 is white [default: what the file says].
    grey
        Read colour as grey.
    pixel_scale
        Angle of a pixel of the camera, arcsec, so that the resolution is also told in arcsec
        [default: what FITS headers say].
    verify
        Identify the file by all of its bytes, not by samples: any change is noticed, for one more
        reading of the file.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.ReadOptions(cfa="RGGB", bits=12)
    ReadOptions(cfa='RGGB', bits=12)
    """

    phase: ClassVar[str] = "read"
    version: ClassVar[int] = 1

    byte_order: ByteOrder | None = None
    cfa: Cfa | None = None
    bits: int | None = None
    grey: bool = False
    pixel_scale: float | None = None
    verify: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        if self.byte_order is not None:
            order = choice("byte_order", self.byte_order, ByteOrder)
            object.__setattr__(self, "byte_order", order)
        if self.cfa is not None:
            object.__setattr__(self, "cfa", choice("cfa", self.cfa, Cfa))
        if self.bits is not None:
            check_range("bits", self.bits, 1, 16)
        if self.pixel_scale is not None:
            check_range("pixel_scale", self.pixel_scale, 1e-4, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SelectOptions(NamedOptions):
    """Which frames are used, and which rectangle of them.

    In Python, frames can also be named by numbers, slices and ranges, and lists of these.

    Parameters
    ----------
    frames
        Use only these frames, by their numbers in the file: numbers and ranges such as 100:900
        (900 is not included).
    exclude
        Do not stack these frames: numbers and ranges such as 17,40:52. They are measured like the
        others, so that another choice costs little.
    active_flags
        File that says which frames to stack: 0 or 1 for each frame of the file, or a table with the
        columns Frame and Active frame, as --table and Stackistry write it (frames that are missing
        from it or have -1 are not stacked).
    roi
        Region of interest Y,X,HEIGHT,WIDTH, px: the rest of each frame is not used.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.SelectOptions(frames=slice(100, 900), exclude=[17, 40])
    SelectOptions(frames='100:900', exclude='17,40')
    """

    phase: ClassVar[str] = "select"
    version: ClassVar[int] = 2

    frames: str | None = None
    exclude: str | None = None
    active_flags: str | None = None
    roi: str | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("frames", "exclude"):
            value = getattr(self, name)
            if value is not None:
                text = _as_ranges(value)
                frame_ranges(name, text)
                object.__setattr__(self, name, text)
        if self.active_flags is not None:
            object.__setattr__(self, "active_flags", str(self.active_flags))
        if self.roi is not None:
            object.__setattr__(self, "roi", ",".join(map(str, _roi(self.roi))))

    @property
    def roi_px(self) -> tuple[int, int, int, int] | None:
        """The region of interest as numbers: y, x, height, width, px."""
        return None if self.roi is None else _roi(self.roi)


def _as_ranges(value: Any) -> str:
    """Write frames that Python names as text: a number, a slice or range, or several of these."""
    if isinstance(value, slice | range):
        parts = [value.start, value.stop, value.step]
        start, stop, step = ("" if part is None else str(part) for part in parts)
        return f"{start}:{stop}{':' + step if step not in ('', '1') else ''}"
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value)
    return ",".join(map(_as_ranges, value))


def _roi(value: Any) -> tuple[int, int, int, int]:
    """Parse a region of interest: y, x, height, width, px."""
    numbers = value.split(",") if isinstance(value, str) else value
    try:
        y, x, height, width = (int(number) for number in numbers)
    except (TypeError, ValueError):
        y, x, height, width = -1, -1, 0, 0
    if min(y, x) < 0 or min(height, width) < 1:
        raise OptionsError(
            f"roi is {value!r}: it must be Y,X,HEIGHT,WIDTH in px, such as 100,200,480,640"
        )
    return y, x, height, width


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CalibrationOptions(NamedOptions):
    """How the camera's own pattern is removed from every frame before anything else.

    Parameters
    ----------
    dark
        Master dark: image of what the camera shows without light (see ``skry dark``).
    flat
        Master flat: image of an evenly lit field (see ``skry flat``).
    hot_pixels
        Replace hot and dead pixels by their neighbours: "dark" finds those that stand out in the
        dark, "capture" those that stand out in the capture itself, and bad columns and rows; "none"
        replaces none [default: dark, if there is one].
    mask
        What stands still while the scene moves: "auto" finds text and marks that a program has
        drawn into frames (clocks, frame numbers, scales, reticles) and strong hot pixels, fills
        them in from what surrounds them, and cuts off even bars along the borders, so that frames
        are not aligned by them; "off" leaves them.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.CalibrationOptions(dark="dark.tif", flat="flat.tif")
    CalibrationOptions(dark='dark.tif', flat='flat.tif')
    """

    phase: ClassVar[str] = "calibrate"
    version: ClassVar[int] = 3

    dark: str | None = None
    flat: str | None = None
    hot_pixels: HotPixels | None = None
    mask: Mask = Mask.AUTO

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("dark", "flat"):
            value = getattr(self, name)
            if value is not None:
                if not isinstance(value, str | os.PathLike):
                    raise OptionsError(f"{name} is {article(value)}: it must be an image file")
                object.__setattr__(self, name, str(value))
        hot = self.hot_pixels
        if hot is None:
            hot = HotPixels.NONE if self.dark is None else HotPixels.DARK
        object.__setattr__(self, "hot_pixels", choice("hot_pixels", hot, HotPixels))
        object.__setattr__(self, "mask", choice("mask", self.mask, Mask))
        if self.hot_pixels is HotPixels.DARK and self.dark is None:
            raise OptionsError("hot_pixels is 'dark' without a dark: give one, or 'capture'")
