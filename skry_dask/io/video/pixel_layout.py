"""Pixel formats of FFmpeg: where the samples of a pixel lie in memory.

FFmpeg knows some 250 pixel formats. Nearly all of them are one of four kinds: planar; semi-planar,
with two colour differences in turn in one plane; samples side by side in one plane; and pixels
packed into the bits of a word. The kind follows from the name, so the name is parsed instead of
listing all formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["grey", "yuv", "rgb"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Place of one sample of each pixel.

    Parameters
    ----------
    plane
        Number of the plane.
    start, step
        Place of the first sample in the plane, and distance to the next in the row, in words.
    shift, bits
        Lowest bit of the sample in its word, and number of bits.
    factor
        Number of pixels (y, x) that share a sample.
    """

    plane: int = 0
    start: int = 0
    step: int = 1
    shift: int = 0
    bits: int = 8
    factor: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a pixel format.

    Parameters
    ----------
    kind
        ``"grey"``; ``"yuv"``: luma and two colour differences; ``"rgb"``.
    word
        NumPy dtype of a word of memory.
    components
        Grey; or luma, blue difference, red difference; or red, green, blue. Never transparency.
    cfa
        Colour filter array of raw colour, or None.
    """

    kind: Kind
    word: str
    components: tuple[Component, ...]
    cfa: str | None = None

    @property
    def bits(self) -> int:
        """Bits of the deepest sample."""
        return max(component.bits for component in self.components)

    @property
    def shares_words(self) -> bool:
        """Whether a word holds several samples; else all its other bits are zero."""
        places = {(component.plane, component.start) for component in self.components}
        return len(places) < len(self.components)


@cache
def layout_of(name: str) -> Layout | None:
    """Return the layout of a pixel format.

    Parameters
    ----------
    name
        FFmpeg's name of the format, such as ``"yuv420p10le"``.

    Returns
    -------
    Layout or None
        None for floating point, bit streams, palettes and the few formats of other kinds.
    """
    suffix = re.fullmatch(r"(?!.*f\d\d)(.*[\dpbx])(le|be)", name)
    base, order = (suffix[1], "<" if suffix[2] == "le" else ">") if suffix else (name, "=")
    return _planar(base, order) or _semi_planar(base, order) or _packed(base, order)


# Pixels (y, x) that share a colour difference, by the notation of FFmpeg's names.
_FACTORS = {
    "410": (4, 4), "411": (1, 4), "420": (2, 2), "422": (1, 2), "440": (2, 1), "444": (1, 1),
}  # fmt: skip


def _word(bits: int, order: str) -> str:
    return "u1" if bits <= 8 else f"{order}u2"


def _planar(base: str, order: str) -> Layout | None:
    """Parse the name of a format with a plane for each component.

    Formats with ``msb`` in their names have their samples in the highest bits of the words.
    """
    parsed = re.fullmatch(
        r"(gray|gbra?p|yuv[aj]?(4\d\d)p|bayer_([rgb]{4}))(8|9|10|12|14|16)?(msb)?", base
    )
    if parsed is None:
        return None
    family, sharing, cfa, digits, is_high = parsed.groups()
    bits = int(digits or 8)
    shift = 16 - bits if is_high else 0
    if family == "gray" or cfa:
        pattern = cfa.upper() if cfa else None
        return Layout("grey", _word(bits, order), (Component(bits=bits, shift=shift),), pattern)
    planes = (2, 0, 1) if sharing is None else (0, 1, 2)  # green, blue, red: the planes' order
    components = tuple(
        Component(
            plane=plane, bits=bits, shift=shift,
            factor=_FACTORS[sharing] if sharing and number else (1, 1),
        )
        for number, plane in enumerate(planes)
    )  # fmt: skip
    return Layout("yuv" if sharing else "rgb", _word(bits, order), components)


def _semi_planar(base: str, order: str) -> Layout | None:
    """Parse the name of a format with a plane for luma and one for both colour differences."""
    nv_formats = {"nv12": "420", "nv21": "420", "nv16": "422", "nv20": "422", "nv24": "444",
                  "nv42": "444"}  # fmt: skip
    parsed = re.fullmatch(r"p([024])(10|12|16)", base)
    if parsed:
        sharing, bits = {"0": "420", "2": "422", "4": "444"}[parsed[1]], int(parsed[2])
        shift = 16 - bits
    elif base in nv_formats:
        sharing, bits, shift = nv_formats[base], 10 if base == "nv20" else 8, 0
    else:
        return None
    places = (1, 0) if base in ("nv21", "nv42") else (0, 1)
    chroma = [
        Component(plane=1, start=start, step=2, bits=bits, shift=shift, factor=_FACTORS[sharing])
        for start in places
    ]
    return Layout("yuv", _word(bits, order), (Component(bits=bits, shift=shift), *chroma))


# Samples side by side, in their order in memory; a dot is transparency or unused.
_SIDE_BY_SIDE = {
    "rgb24": "RGB", "bgr24": "BGR", "rgba": "RGB.", "bgra": "BGR.", "argb": ".RGB", "abgr": ".BGR",
    "rgb0": "RGB.", "bgr0": "BGR.", "0rgb": ".RGB", "0bgr": ".BGR", "rgb48": "RGB", "bgr48": "BGR",
    "rgba64": "RGB.", "bgra64": "BGR.", "ya8": "Y.", "ya16": "Y.", "yuyv422": "YUYV",
    "uyvy422": "UYVY", "yvyu422": "YVYU", "y210": "YUYV", "y212": "YUYV", "y216": "YUYV",
    "vuya": "VUY.", "vuyx": "VUY.", "ayuv": ".YUV", "uyva": "UYV.", "vyu444": "VYU",
    "ayuv64": ".YUV", "xv36": "UYV.", "xv48": "UYV.",
}  # fmt: skip
_DEEP_BITS = {"y210": 10, "y212": 12, "xv36": 12} | dict.fromkeys(
    ("rgb48", "bgr48", "rgba64", "bgra64", "ya16", "y216", "ayuv64", "xv48"), 16
)
# Pixels in one word: its size in bytes, then lowest bit and number of bits of each sample.
_IN_A_WORD: dict[str, tuple[Kind, int, tuple[tuple[int, int], ...]]] = {
    "rgb565": ("rgb", 2, ((11, 5), (5, 6), (0, 5))),
    "bgr565": ("rgb", 2, ((0, 5), (5, 6), (11, 5))),
    "rgb555": ("rgb", 2, ((10, 5), (5, 5), (0, 5))),
    "bgr555": ("rgb", 2, ((0, 5), (5, 5), (10, 5))),
    "rgb444": ("rgb", 2, ((8, 4), (4, 4), (0, 4))),
    "bgr444": ("rgb", 2, ((0, 4), (4, 4), (8, 4))),
    "rgb8": ("rgb", 1, ((5, 3), (2, 3), (0, 2))),
    "bgr8": ("rgb", 1, ((0, 3), (3, 3), (6, 2))),
    "rgb4_byte": ("rgb", 1, ((3, 1), (1, 2), (0, 1))),
    "bgr4_byte": ("rgb", 1, ((0, 1), (1, 2), (3, 1))),
    "x2rgb10": ("rgb", 4, ((20, 10), (10, 10), (0, 10))),
    "x2bgr10": ("rgb", 4, ((0, 10), (10, 10), (20, 10))),
    "v30x": ("yuv", 4, ((12, 10), (2, 10), (22, 10))),
    "xv30": ("yuv", 4, ((10, 10), (0, 10), (20, 10))),
}


def _packed(base: str, order: str) -> Layout | None:
    """Parse the name of a format with one plane of whole pixels."""
    if base in _IN_A_WORD:
        kind, size, fields = _IN_A_WORD[base]
        packed = tuple(Component(shift=shift, bits=bits) for shift, bits in fields)
        return Layout(kind, f"{order if size > 1 else '='}u{size}", packed)
    if base not in _SIDE_BY_SIDE:
        return None
    pixels = _SIDE_BY_SIDE[base]
    bits = _DEEP_BITS.get(base, 8)
    colours = "RGB" if "R" in pixels else ("YUV" if "U" in pixels else "Y")
    side_by_side = tuple(
        Component(
            start=pixels.index(colour), step=len(pixels) // pixels.count(colour), bits=bits,
            shift=16 - bits if bits > 8 else 0,
            factor=(1, pixels.count("Y") if colour in "UV" else 1),
        )
        for colour in colours
    )  # fmt: skip
    kinds: dict[str, Kind] = {"RGB": "rgb", "YUV": "yuv", "Y": "grey"}
    return Layout(kinds[colours], _word(bits, order), side_by_side)
