"""Options of what happens before the first phase: reading, selecting, calibrating."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.values import check_range, choice


class ByteOrder(StrEnum):
    """How samples of 16 bits are stored."""

    LITTLE = "little"
    BIG = "big"


class Cfa(StrEnum):
    """Colour filter array: colours of the first two pixels of row 0, then of row 1."""

    RGGB = "RGGB"
    GRBG = "GRBG"
    GBRG = "GBRG"
    BGGR = "BGGR"
    NONE = "none"


class HotPixels(StrEnum):
    """Where hot and dead pixels are looked for."""

    NONE = "none"
    DARK = "dark"
    CAPTURE = "capture"


def frame_ranges(name: str, text: str) -> tuple[tuple[int | None, int | None, int], ...]:
    """Take apart a list of frame numbers and ranges.

    Parameters
    ----------
    name
        Of the option, for the message.
    text
        Such as ``"17,40:52,100:"``: single numbers, and ranges start:stop or start:stop:step
        without the stop, as in Python; negative numbers count from the end.

    Returns
    -------
    (start, stop, step) of each part; None where a range is open, stop None and step 0 for a
    single number.

    Raises
    ------
    OptionsError
        If the text is anything else.
    """
    found: list[tuple[int | None, int | None, int]] = []
    for part in text.split(","):
        fields = [field.strip() for field in part.split(":")]
        try:
            numbers = [int(field) if field else None for field in fields]
            if len(fields) > 3 or (len(fields) == 1 and numbers[0] is None):
                raise ValueError
            step = 0 if len(fields) == 1 else 1
            if len(fields) == 3 and numbers[2] is not None:
                step = numbers[2]
                if step < 1:
                    raise ValueError
        except ValueError:
            raise OptionsError(
                f"{name} is {text!r}: it must be frame numbers and ranges, such as 17,40:52"
            ) from None
        found.append((numbers[0], numbers[1] if len(numbers) > 1 else None, step))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How an input is read, where the file is wrong about itself or says nothing.

    Parameters
    ----------
    byte_order
        Of 16-bit samples in SER files [default: what the header and the picture say].
    cfa
        Colour filter array of raw colour in the file's own frames, "none" = the frames are mono
        [default: what the file says].
    bits
        Depth of the samples: 2**bits - 1 is white [default: what the file says].
    grey
        Read colour as grey.
    """

    phase: ClassVar[str] = "read"
    version: ClassVar[int] = 1

    byte_order: ByteOrder | None = None
    cfa: Cfa | None = None
    bits: int | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        if self.byte_order is not None:
            order = choice("byte_order", self.byte_order, ByteOrder)
            object.__setattr__(self, "byte_order", order)
        if self.cfa is not None:
            object.__setattr__(self, "cfa", choice("cfa", self.cfa, Cfa))
        if self.bits is not None:
            check_range("bits", self.bits, 1, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectOptions:
    """Which frames, and which part of them, are used.

    Parameters
    ----------
    frames
        Only these frames, by their numbers in the file: numbers and ranges such as 100:900 (the
        end is not included).
    exclude
        Not these frames: numbers and ranges such as 17,40:52.
    active_flags
        File that says which frames to use: 0 and 1 for each frame of the file, or a table with
        the columns Frame and Active frame as Stackistry exports it (frames that are not in it, or
        have -1, are left out).
    roi
        Region of interest Y,X,HEIGHT,WIDTH, px: the rest of each frame is not used.
    """

    phase: ClassVar[str] = "select"
    version: ClassVar[int] = 1

    frames: str | None = None
    exclude: str | None = None
    active_flags: str | None = None
    roi: str | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("frames", "exclude"):
            value = getattr(self, name)
            if value is not None:
                frame_ranges(name, str(value))
                object.__setattr__(self, name, str(value))
        if self.active_flags is not None:
            object.__setattr__(self, "active_flags", str(self.active_flags))
        if self.roi is not None:
            object.__setattr__(self, "roi", ",".join(map(str, _roi(self.roi))))

    @property
    def roi_px(self) -> tuple[int, int, int, int] | None:
        """The region of interest as numbers: y, x, height, width."""
        return None if self.roi is None else _roi(self.roi)


def _roi(value: Any) -> tuple[int, int, int, int]:
    parts = value.split(",") if isinstance(value, str) else value
    try:
        y, x, height, width = (int(part) for part in parts)
    except (TypeError, ValueError):
        y, x, height, width = -1, -1, 0, 0
    if min(y, x) < 0 or min(height, width) < 1:
        raise OptionsError(
            f"roi is {value!r}: it must be Y,X,HEIGHT,WIDTH in px, such as 100,200,480,640"
        )
    return y, x, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """What is taken out of every frame before anything else.

    Parameters
    ----------
    dark
        Master dark: an image of what the camera shows without light (see ``skry dark``).
    flat
        Master flat: an image of an evenly lit field (see ``skry flat``).
    hot_pixels
        Replace hot and dead pixels by their neighbours: those that stand out of the dark, or out
        of the capture itself [default: dark, if there is one].
    """

    phase: ClassVar[str] = "calibrate"
    version: ClassVar[int] = 1

    dark: str | None = None
    flat: str | None = None
    hot_pixels: HotPixels | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("dark", "flat"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, str(value))
        hot = self.hot_pixels
        if hot is None:
            hot = HotPixels.NONE if self.dark is None else HotPixels.DARK
        object.__setattr__(self, "hot_pixels", choice("hot_pixels", hot, HotPixels))
        if self.hot_pixels is HotPixels.DARK and self.dark is None:
            raise OptionsError("hot_pixels is 'dark' without a dark: give one, or 'capture'")
