"""What a user can choose: one dataclass for each phase, and for what happens before the first.

Each says which phase it is for, and the version of that phase's algorithm: to be raised whenever
the same options give another result, so that results of older versions are not reused.

The same fields are keyword arguments in Python, flags of the command line, the part of a digest
that says which stored result may be reused, and the provenance written into the output. This module
imports neither numpy nor dask: the command line needs it before it knows whether to start them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeAlias

from skry_dask.errors import OptionsError

Positions: TypeAlias = tuple[tuple[float, float], ...]
"""Points (y, x) on the canvas, px."""


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


class AlignMethod(StrEnum):
    """How a frame is aligned with the reference frame."""

    AUTO = "auto"
    ANCHORS = "anchors"
    CENTROID = "centroid"
    DISC = "disc"


class Choose(StrEnum):
    """What is chosen by its quality: each triangle's own frames, or frames as a whole."""

    FRAGMENTS = "fragments"
    FRAMES = "frames"


class Interpolation(StrEnum):
    """How light between a frame's pixels is found."""

    BILINEAR = "bilinear"
    CUBIC = "cubic"
    SHARP_CUBIC = "sharp-cubic"
    LANCZOS3 = "lanczos3"


class Canvas(StrEnum):
    """How far the image reaches."""

    OVERLAP = "overlap"
    UNION = "union"


DRIZZLE = (1.0, 1.5, 2.0, 3.0)
"""How much finer than the camera's an image's pixels can be."""


class PhaseOptions(Protocol):
    """What the options of every phase have."""

    phase: ClassVar[str]
    version: ClassVar[int]


def as_json(options: Any) -> dict[str, Any]:
    """Options as JSON-compatible values, field by field in their order."""

    def plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
        return {k: v.value if isinstance(v, StrEnum) else v for k, v in items}

    return dataclasses.asdict(options, dict_factory=plain)


def _check_range(name: str, value: float, low: float, high: float, *, above: bool = False) -> None:
    """Refuse a value outside [low, high], or (low, high] with ``above``.

    Between whole numbers only whole numbers are accepted.
    """
    inside = low < value <= high if above else low <= value <= high
    if not inside:
        bound = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
        raise OptionsError(f"{name} is {value!r}: it must be {bound}")
    if isinstance(low, int) and isinstance(high, int) and not isinstance(value, int):
        raise OptionsError(f"{name} is {value!r}: it must be a whole number")


def _check_even(name: str, value: int) -> None:
    """Refuse an odd number: blocks are matched at half resolution first."""
    if value % 2:
        raise OptionsError(f"{name} is {value}: it must be even, such as {value + 1}")


def _positions(name: str, values: Any) -> Positions:
    """Positions as a tuple of pairs of numbers."""
    try:
        pairs = tuple((float(y), float(x)) for y, x in values)
    except (TypeError, ValueError):
        pairs = ((math.nan, math.nan),)
    if not all(math.isfinite(v) for pair in pairs for v in pair):
        raise OptionsError(f"{name} is {values!r}: it must be pairs of numbers y, x")
    return pairs


def _choice(name: str, value: Any, kind: type[StrEnum]) -> Any:
    """Turn a value into one of an enumeration."""
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(kind)
        raise OptionsError(f"{name} is {value!r}: choose one of {choices}") from None


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
            order = _choice("byte_order", self.byte_order, ByteOrder)
            object.__setattr__(self, "byte_order", order)
        if self.cfa is not None:
            object.__setattr__(self, "cfa", _choice("cfa", self.cfa, Cfa))
        if self.bits is not None:
            _check_range("bits", self.bits, 1, 16)


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
        object.__setattr__(self, "hot_pixels", _choice("hot_pixels", hot, HotPixels))
        if self.hot_pixels is HotPixels.DARK and self.dark is None:
            raise OptionsError("hot_pixels is 'dark' without a dark: give one, or 'capture'")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignOptions:
    """Options of the align phase.

    Parameters
    ----------
    method
        "anchors" matches blocks all over the frame (Sun, Moon); "disc" finds an object on a dark
        sky (planets) by its centre of brightness, then matches blocks on it; "centroid" follows
        the centre of brightness alone; "auto" sees from the key frames whether to take "disc" or
        "anchors".
    reference
        Number of the frame whose grid becomes the canvas; none = the key frame with most detail.
    anchors
        Anchor positions (y, x) on the reference frame, px; none = placed automatically.
    anchor_size
        Side of an anchor's block, px [default: 32, more in strong noise].
    min_confidence
        Frames whose alignment is less sure than this (0 to 1) become inactive.
    min_overlap
        Frames are left out, farthest first, until the rest overlap in at least this fraction of
        the frame.
    """

    phase: ClassVar[str] = "align"
    version: ClassVar[int] = 2

    method: AlignMethod = AlignMethod.AUTO
    reference: int | None = None
    anchors: Positions = ()
    anchor_size: int | None = None
    min_confidence: float = 0.5
    min_overlap: float = 0.4

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "method", _choice("method", self.method, AlignMethod))
        object.__setattr__(self, "anchors", _positions("anchors", self.anchors))
        if self.anchor_size is not None:
            _check_range("anchor_size", self.anchor_size, 16, 128)
            _check_even("anchor_size", self.anchor_size)
        _check_range("min_confidence", self.min_confidence, 0.0, 1.0)
        _check_range("min_overlap", self.min_overlap, 0.01, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityOptions:
    """Options of the quality phase.

    Parameters
    ----------
    detail_scale
        Radius of the box blurs against which detail is measured, px.
    area_size
        Side of the square areas in which quality is estimated, px.
    blending
        Radius within which areas share their quality, in areas (standard deviation of a Gaussian
        window; 0 = each area for itself).
    reference_percent
        Percentage of frames, the best of each area, averaged into the reference image.
    """

    phase: ClassVar[str] = "quality"
    version: ClassVar[int] = 2

    detail_scale: int = 3
    area_size: int = 40
    blending: float = 0.6
    reference_percent: float = 5.0

    def __post_init__(self) -> None:
        """Check every value."""
        _check_range("detail_scale", self.detail_scale, 1, 20)
        _check_range("area_size", self.area_size, 8, 1000)
        _check_range("blending", self.blending, 0.0, 2.0)
        _check_range("reference_percent", self.reference_percent, 0.01, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOptions:
    """Options of the track phase.

    Parameters
    ----------
    points
        Reference points (y, x) on the canvas, px; none = placed automatically.
    spacing
        Side of the grid cells that get at most one reference point each, px.
    block_size
        Side of the block matched around a reference point, px.
    search_radius
        How far from its aligned place a reference point may be found, px.
    brightness
        A point must be at least this bright, as a fraction of the reference image's range.
    structure
        How much the block around a point must change when shifted by twice the structure scale,
        against once.
    structure_scale
        Radius of the shifts with which structure is tested, px.
    gradient_spread
        How much of the gradient must lie across the main direction (0 = a straight edge will do,
        0.5 = no direction prevails).
    align_channels
        Measure by how much red and blue lie off green (atmospheric dispersion), and stack them
        onto each other.
    """

    phase: ClassVar[str] = "track"
    version: ClassVar[int] = 2

    points: Positions = ()
    spacing: int = 24
    block_size: int = 32
    search_radius: int = 20
    brightness: float = 0.1
    structure: float = 1.2
    structure_scale: int = 1
    gradient_spread: float = 0.05
    align_channels: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "points", _positions("points", self.points))
        _check_range("spacing", self.spacing, 8, 1000)
        _check_range("block_size", self.block_size, 8, 128)
        _check_even("block_size", self.block_size)
        _check_range("search_radius", self.search_radius, 2, 200)
        _check_range("brightness", self.brightness, 0.0, 1.0)
        _check_range("structure", self.structure, 1.0, 4.0)
        _check_range("structure_scale", self.structure_scale, 1, 20)
        _check_range("gradient_spread", self.gradient_spread, 0.0, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Options of the stack phase: which fragments are averaged (one criterion at most), and how.

    Parameters
    ----------
    percent
        The best percentage of each triangle's fragments [default: 30, without another criterion].
    number
        This many of each triangle's best fragments.
    min_quality
        Fragments of at least this quality, 0 being the worst and 1 the best of their triangle.
    choose
        "fragments" takes the best frames of each triangle; "frames" takes the frames that are best
        as a whole, everywhere the same ones.
    interpolation
        How frames are resampled: "bilinear" is softest, "cubic" (Catmull-Rom) keeps contrast up to
        0.15 cycles per px, "sharp-cubic" up to 0.25, "lanczos3" up to 0.3 in half as much time
        again [default: sharp-cubic, without drizzle].
    drizzle
        Pixels of the image are so much finer than the camera's: 1 (interpolate), 1.5, 2 or 3
        (drizzle: each pixel's light is dropped onto the finer grid, where it lies). Raw colour is
        drizzled without demosaicing.
    drop
        Side of a drop, as a fraction of the camera's pixel: small drops are sharp but need many
        frames [default: 0.7, with drizzle].
    canvas
        "overlap" is the region seen in all active frames; "union" is all that is seen in any of
        them, where each pixel is the mean of the chosen fragments that show it.
    normalise
        Scale frames to equal brightness: no patches where thin clouds passed.
    """

    phase: ClassVar[str] = "stack"
    version: ClassVar[int] = 2

    percent: float | None = None
    number: int | None = None
    min_quality: float | None = None
    choose: Choose = Choose.FRAGMENTS
    interpolation: Interpolation | None = None
    drizzle: float = 1.0
    drop: float | None = None
    canvas: Canvas = Canvas.OVERLAP
    normalise: bool = False

    def __post_init__(self) -> None:
        """Check every value; without a criterion, take the best 30 percent."""
        given = {
            name: getattr(self, name)
            for name in ("percent", "number", "min_quality")
            if getattr(self, name) is not None
        }
        if len(given) > 1:
            values = " and ".join(f"{name} {value}" for name, value in given.items())
            raise OptionsError(f"{values} contradict each other: give one of them")
        if not given:
            object.__setattr__(self, "percent", 30.0)
        if self.percent is not None:
            _check_range("percent", self.percent, 0.0, 100.0, above=True)
        if self.number is not None:
            _check_range("number", self.number, 1, 2**31 - 1)
        if self.min_quality is not None:
            _check_range("min_quality", self.min_quality, 0.0, 1.0)
        object.__setattr__(self, "choose", _choice("choose", self.choose, Choose))
        object.__setattr__(self, "canvas", _choice("canvas", self.canvas, Canvas))
        if not isinstance(self.normalise, bool):
            raise OptionsError(f"normalise is {self.normalise!r}: it must be true or false")
        self._check_resampling()

    def _check_resampling(self) -> None:
        """Check drizzle, or interpolation without it, and fill in what goes with either."""
        if self.drizzle not in DRIZZLE:
            choices = ", ".join(f"{scale:g}" for scale in DRIZZLE)
            raise OptionsError(f"drizzle is {self.drizzle!r}: choose one of {choices}")
        object.__setattr__(self, "drizzle", float(self.drizzle))
        if self.drizzle > 1:
            if self.interpolation is not None:
                raise OptionsError(
                    f"interpolation {self.interpolation} and drizzle {self.drizzle:g} contradict "
                    "each other: give one of them"
                )
            object.__setattr__(self, "drop", 0.7 if self.drop is None else self.drop)
            _check_range("drop", self.drop or 0.0, 0.1, 1.0)
            return
        if self.drop is not None:
            raise OptionsError(
                f"drop is {self.drop!r} without drizzle: give drizzle 1.5, 2 or 3 too"
            )
        chosen = Interpolation.SHARP_CUBIC if self.interpolation is None else self.interpolation
        chosen = _choice("interpolation", chosen, Interpolation)
        object.__setattr__(self, "interpolation", chosen)


_KINDS = (
    ReadOptions,
    SelectOptions,
    CalibrationOptions,
    AlignOptions,
    QualityOptions,
    TrackOptions,
    StackOptions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a whole job."""

    read: ReadOptions = ReadOptions()
    select: SelectOptions = SelectOptions()
    calibrate: CalibrationOptions = CalibrationOptions()
    align: AlignOptions = AlignOptions()
    quality: QualityOptions = QualityOptions()
    track: TrackOptions = TrackOptions()
    stack: StackOptions = StackOptions()

    @classmethod
    def of(cls, **options: Any) -> Options:
        """Sort flat options to the phases they belong to.

        Raises
        ------
        OptionsError
            If a name belongs to no phase, or a value is out of range.
        """
        phases: dict[str, Any] = {}
        for kind in _KINDS:
            names = {f.name for f in dataclasses.fields(kind)}
            phases[kind.phase] = kind(**{k: options.pop(k) for k in names & options.keys()})
        if options:
            known = sorted(f.name for p in phases.values() for f in dataclasses.fields(p))
            raise OptionsError(
                f"no option is called {', '.join(sorted(options))}: there are {', '.join(known)}"
            )
        return cls(**phases)
