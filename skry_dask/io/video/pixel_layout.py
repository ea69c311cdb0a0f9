"""Where the samples of a decoded video frame lie in memory.

FFmpeg knows some 250 pixel formats. Nearly all of them are one of four things: planes, planes of
which one holds two colours in turn, pixels of several samples side by side, and pixels packed into
bits of one word. What a format is follows from its name, so that is read in place of a table, and
every sample is seen where it lies: nothing is copied, and no conversion of FFmpeg's, which differ
from version to version and from processor to processor, comes between a file and its values.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame

    from skry_dask.types import AnyArray

Kind = Literal["grey", "yuv", "rgb"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One of the samples of a pixel.

    Parameters
    ----------
    plane
        Which plane it is in.
    start, step
        Its place in the first pixel, and from one to the next along a row, in words of memory.
    shift, bits
        Its lowest bit in the word, and how many it has.
    factor
        Pixels (y, x) that share it.
    """

    plane: int = 0
    start: int = 0
    step: int = 1
    shift: int = 0
    bits: int = 8
    factor: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """A pixel format.

    Parameters
    ----------
    kind
        ``"grey"``; ``"yuv"``: luma and two differences of colour; ``"rgb"``.
    word
        Numpy dtype of a word of memory.
    components
        Grey; or luma, blue difference, red difference; or red, green, blue. Never alpha.
    cfa
        Colour filter array of grey samples that are raw colour, or None.
    """

    kind: Kind
    word: str
    components: tuple[Component, ...]
    cfa: str | None = None

    @property
    def bits(self) -> int:
        """Bits of the deepest sample."""
        return max(component.bits for component in self.components)


@cache
def layout_of(name: str) -> Layout | None:
    """Read what a pixel format is from FFmpeg's name for it.

    Parameters
    ----------
    name
        Such as ``"yuv420p10le"``.

    Returns
    -------
    Layout, or None for floating point, bit streams, palettes and the few that are like no other.
    """
    suffix = re.fullmatch(r"(?!.*f\d\d)(.*[\dpbx])(le|be)", name)
    base, order = (suffix[1], "<" if suffix[2] == "le" else ">") if suffix else (name, "=")
    return _planar(base, order) or _two_in_turn(base, order) or _packed(base, order)


def view(frame: VideoFrame, layout: Layout, number: int) -> AnyArray:
    """View the samples of one component where they lie; valid as long as the frame is.

    Parameters
    ----------
    frame
        A decoded frame.
    layout
        Its pixel format.
    number
        Which component.

    Returns
    -------
    (y, x) unsigned integers of any byte order, strided, in [0, 2**bits); there are fewer of them
    than pixels where a sample is shared, an incomplete group at an edge having one too. Samples
    that are not the only thing in their words are copied.
    """
    component = layout.components[number]
    height = -(-frame.height // component.factor[0])
    width = -(-frame.width // component.factor[1])
    plane = frame.planes[component.plane]
    word = np.dtype(layout.word)
    pitch = plane.line_size
    if pitch < 0:
        # Stored bottom row first. Where PyAV lets such a plane begin depends on its version.
        lowest = plane.buffer_ptr + pitch * (height - 1)
        memory = (ctypes.c_ubyte * (-pitch * height)).from_address(lowest)
        buffer, begin = memoryview(memory), -pitch * (height - 1)
    else:
        buffer, begin = memoryview(plane), 0
    samples: AnyArray = np.ndarray(
        (height, width),
        word,
        buffer=buffer,
        offset=begin + component.start * word.itemsize,
        strides=(pitch, component.step * word.itemsize),
    )
    if component.shift:
        samples = samples >> component.shift
    if component.shift + component.bits < 8 * word.itemsize and _shares_words(layout):
        samples = samples & ((1 << component.bits) - 1)
    return samples


def palette(frame: VideoFrame) -> AnyArray:
    """Copy the colours of a frame with a palette.

    Parameters
    ----------
    frame
        A decoded frame of the format ``pal8``.

    Returns
    -------
    uint8 (256, 3): red, green, blue.
    """
    entries = np.frombuffer(memoryview(frame.planes[1]), np.uint32)
    return (entries[:, None] >> np.array([16, 8, 0], np.uint32)).astype(np.uint8)


def indices(frame: VideoFrame) -> AnyArray:
    """View the places in its palette of a frame's pixels.

    Parameters
    ----------
    frame
        A decoded frame of the format ``pal8``.

    Returns
    -------
    uint8 (y, x), strided; valid as long as the frame is.
    """
    return view(frame, _INDICES, 0)


def readable(frame: VideoFrame) -> tuple[VideoFrame, Layout]:
    """Find the samples of a frame, which FFmpeg converts first if it is of an odd format.

    Parameters
    ----------
    frame
        A decoded frame of any pixel format.

    Returns
    -------
    The frame, or what FFmpeg makes of it, and where its samples are.

    Raises
    ------
    ValueError
        It is of a format that nothing is known of. (PyAV 13 crashes where FFmpeg has no conversion,
        so it is not asked for one.)
    av.FFmpegError
        FFmpeg cannot convert it.
    """
    name = frame.format.name
    layout = layout_of(name)
    if layout is None:
        odd = next((to for pattern, to in _ODD.items() if re.fullmatch(pattern, name)), None)
        if odd is None:
            raise ValueError(f"nothing is known of the pixel format {name}")
        frame, layout = _reformatted(frame, odd), layout_of(odd)
    return frame, cast("Layout", layout)


# Formats that FFmpeg converts, and what to.
_ODD = {
    "mono[bw]": "gray",
    "grayf32[bl]e": "gray16le",
    "(gbra?pf32|xyz12)[bl]e": "rgb48le",
}


def _reformatted(frame: VideoFrame, name: str) -> VideoFrame:
    """Let FFmpeg convert a frame in one thread.

    With several, each of which has its own rows, some write beyond their last row now and then, and
    results differ from one time to the next (PyAV 18.1, 51 px wide).
    """
    try:
        return frame.reformat(format=name, threads=1)
    except TypeError:  # before PyAV could use several
        return frame.reformat(format=name)


def sample_dtype(frame: VideoFrame) -> str:
    """Choose the type that holds all bits of a frame's samples.

    Parameters
    ----------
    frame
        A decoded frame.

    Returns
    -------
    ``"uint8"`` or ``"uint16"``.
    """
    layout = layout_of(frame.format.name)
    bits = layout.bits if layout else max(c.bits for c in frame.format.components)
    return "uint16" if bits > 8 else "uint8"


_INDICES = Layout("grey", "u1", (Component(),))


def _shares_words(layout: Layout) -> bool:
    """Say whether several samples are in one word; otherwise its other bits are zero."""
    places = {(c.plane, c.start) for c in layout.components}
    return len(places) < len(layout.components)


_FACTORS = {
    "410": (4, 4), "411": (1, 4), "420": (2, 2), "422": (1, 2), "440": (2, 1), "444": (1, 1),
}  # fmt: skip


def _word(bits: int, order: str) -> str:
    return "u1" if bits <= 8 else f"{order}u2"


def _planar(base: str, order: str) -> Layout | None:
    """Read a format with a plane for each colour; ``msb`` are samples in the highest bits."""
    found = re.fullmatch(
        r"(gray|gbra?p|yuv[aj]?(4\d\d)p|bayer_([rgb]{4}))(8|9|10|12|14|16)?(msb)?", base
    )
    if found is None:
        return None
    family, sharing, cfa, digits, high = found.groups()
    bits = int(digits or 8)
    shift = 16 - bits if high else 0
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


def _two_in_turn(base: str, order: str) -> Layout | None:
    """Read a format with a plane for luma and one in which two differences of colour take turns."""
    special = {"nv12": "420", "nv21": "420", "nv16": "422", "nv20": "422", "nv24": "444",
               "nv42": "444"}  # fmt: skip
    found = re.fullmatch(r"p([024])(10|12|16)", base)
    if found:
        sharing, bits = f"4{ {'0': '20', '2': '22', '4': '44'}[found[1]] }", int(found[2])
        shift = 16 - bits
    elif base in special:
        sharing, bits, shift = special[base], 10 if base == "nv20" else 8, 0
    else:
        return None
    places = (1, 0) if base in ("nv21", "nv42") else (0, 1)
    chroma = [
        Component(plane=1, start=start, step=2, bits=bits, shift=shift, factor=_FACTORS[sharing])
        for start in places
    ]
    return Layout("yuv", _word(bits, order), (Component(bits=bits, shift=shift), *chroma))


# Samples side by side, in their order in memory; dots are alpha or nothing.
_SIDE_BY_SIDE = {
    "rgb24": "RGB", "bgr24": "BGR", "rgba": "RGB.", "bgra": "BGR.", "argb": ".RGB", "abgr": ".BGR",
    "rgb0": "RGB.", "bgr0": "BGR.", "0rgb": ".RGB", "0bgr": ".BGR", "rgb48": "RGB", "bgr48": "BGR",
    "rgba64": "RGB.", "bgra64": "BGR.", "ya8": "Y.", "ya16": "Y.", "yuyv422": "YUYV",
    "uyvy422": "UYVY", "yvyu422": "YVYU", "y210": "YUYV", "y212": "YUYV", "y216": "YUYV",
    "vuya": "VUY.", "vuyx": "VUY.", "ayuv": ".YUV", "uyva": "UYV.", "vyu444": "VYU",
    "ayuv64": ".YUV", "xv36": "UYV.", "xv48": "UYV.",
}  # fmt: skip
_DEEP = {"y210": 10, "y212": 12, "xv36": 12} | dict.fromkeys(
    ("rgb48", "bgr48", "rgba64", "bgra64", "ya16", "y216", "ayuv64", "xv48"), 16
)
# Bits of one word: its size in bytes, then lowest bit and number of bits of each sample.
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
    """Read a format with one plane of whole pixels."""
    if base in _IN_A_WORD:
        kind, size, fields = _IN_A_WORD[base]
        packed = tuple(Component(shift=shift, bits=bits) for shift, bits in fields)
        return Layout(kind, f"{order if size > 1 else '='}u{size}", packed)
    if base not in _SIDE_BY_SIDE:
        return None
    pixels = _SIDE_BY_SIDE[base]
    bits = _DEEP.get(base, 8)
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
