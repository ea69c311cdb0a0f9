"""Options of the phases: align, quality, track, refine, stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.values import (
    Percentages,
    Positions,
    check_even,
    check_range,
    check_switch,
    choice,
    percentages,
    positions,
)


class AlignMethod(StrEnum):
    """How a frame is aligned with the reference frame."""

    AUTO = "auto"
    ANCHORS = "anchors"
    CENTROID = "centroid"
    DISC = "disc"
    LIMB = "limb"


class Choose(StrEnum):
    """What is chosen by quality: fragments triangle by triangle, whole frames, or all by weight."""

    FRAGMENTS = "fragments"
    FRAMES = "frames"
    WEIGHTS = "weights"


class Interpolation(StrEnum):
    """How brightness between the pixels of a frame is computed."""

    BILINEAR = "bilinear"
    SHARP_BILINEAR = "sharp-bilinear"
    CUBIC = "cubic"
    SHARP_CUBIC = "sharp-cubic"
    LANCZOS3 = "lanczos3"


class Demosaic(StrEnum):
    """How the two colours are found that a pixel of raw colour lacks."""

    MALVAR = "malvar"
    BILINEAR = "bilinear"


class Canvas(StrEnum):
    """Which area the image covers."""

    OVERLAP = "overlap"
    UNION = "union"


DRIZZLE = (1.0, 1.5, 2.0, 3.0)
"""Possible ratios of the camera's pixel size to the image's."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AlignOptions(NamedOptions):
    """Options of the align phase.

    Parameters
    ----------
    method
        "anchors" matches blocks all over the frame (Sun, Moon); "disc" finds an object on a dark
        sky (planets) by its centre of brightness, then matches blocks on it; "centroid" follows
        the centre of brightness alone; "limb" compares all pixels of frames at once, where a limb
        leaves little else to see, and follows it across where nothing tells how it moves along;
        "auto" chooses "disc", "limb" or "anchors" from a few frames.
    reference
        Number of the frame whose grid becomes the canvas [default: a frame with much detail].
    anchors
        Anchor positions y x on the reference frame, px, such as --anchors 120 200 --anchors 80 95
        [default: placed automatically].
    anchor_size
        Side of an anchor's block, px [default: 32, more in strong noise].
    min_agreement
        Frames of which a smaller share than this, 0 to 1, agrees with the offset are not used.
    min_overlap
        Frames are left out, the farthest first, until the others overlap in at least this fraction
        of the frame; of no account to the canvas "union".
    canvas
        "overlap" is the region seen in all active frames; "union" is everything seen in any of
        them, where each pixel is the mean of the chosen fragments that show it: a mosaic, where
        the telescope moved on.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.AlignOptions(method="disc", reference=17)
    AlignOptions(method='disc', reference=17)
    """

    phase: ClassVar[str] = "align"
    version: ClassVar[int] = 14

    method: AlignMethod = AlignMethod.AUTO
    reference: int | None = None
    anchors: Positions = ()
    anchor_size: int | None = None
    min_agreement: float = 0.5
    min_overlap: float = 0.4
    canvas: Canvas = Canvas.OVERLAP

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "method", choice("method", self.method, AlignMethod))
        if self.reference is not None:
            check_range("reference", self.reference, 0, 2**63 - 1)
        object.__setattr__(self, "anchors", positions("anchors", self.anchors))
        if self.anchor_size is not None:
            check_range("anchor_size", self.anchor_size, 16, 128)
            check_even("anchor_size", self.anchor_size)
        check_range("min_agreement", self.min_agreement, 0.0, 1.0)
        check_range("min_overlap", self.min_overlap, 0.01, 1.0)
        object.__setattr__(self, "canvas", choice("canvas", self.canvas, Canvas))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class QualityOptions(NamedOptions):
    """Options of the quality phase.

    Parameters
    ----------
    detail_scale
        Radius of the blur that removes the detail that is measured, px.
    area_size
        Side of the square areas in which quality is estimated, px.
    blending
        Radius within which areas share their quality with their neighbours, in areas (standard
        deviation of a Gaussian window; 0 = not at all).
    reference_percent
        Percentage of frames, the best ones of each area, averaged into the reference image.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.QualityOptions(area_size=60)
    QualityOptions(area_size=60)
    """

    phase: ClassVar[str] = "quality"
    version: ClassVar[int] = 5

    detail_scale: int = 3
    area_size: int = 40
    blending: float = 0.7
    reference_percent: float = 5.0

    def __post_init__(self) -> None:
        """Check every value."""
        check_range("detail_scale", self.detail_scale, 1, 20)
        check_range("area_size", self.area_size, 8, 1000)
        check_range("blending", self.blending, 0.0, 2.0)
        check_range("reference_percent", self.reference_percent, 0.01, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrackOptions(NamedOptions):
    """Options of the track phase.

    Parameters
    ----------
    points
        Reference points y x on the canvas (the reference frame's grid), px, such as --points 120
        200 --points 80.5 95 [default: placed automatically].
    spacing
        Side of the grid cells that get at most one reference point each, px.
    block_size
        Side of the block that is matched around a reference point, px.
    search_radius
        Largest distance from its aligned place at which a reference point is looked for, px.
    brightness
        Least brightness of a reference point, as a fraction of the reference image's range.
    structure
        Least ratio of the change of a point's block when shifted by twice the structure scale to
        its change when shifted by once.
    structure_scale
        Radius of the shifts with which structure is tested, px.
    gradient_spread
        Least fraction of the gradient that lies across its main direction (0 = a straight edge is
        enough, 0.5 = no direction prevails). The curved limb of a planet passes by default.
    align_channels
        Measure the shift of red and blue against green (atmospheric dispersion), which changes
        slowly, and undo it in each frame.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.TrackOptions(points=[(120, 200), (80.5, 95)])
    TrackOptions(points=((120.0, 200.0), (80.5, 95.0)))
    """

    phase: ClassVar[str] = "track"
    version: ClassVar[int] = 5

    points: Positions = ()
    spacing: int = 24
    block_size: int = 32
    search_radius: int = 20
    brightness: float = 0.1
    structure: float = 1.2
    structure_scale: int = 1
    gradient_spread: float = 0.004
    align_channels: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "points", positions("points", self.points))
        check_range("spacing", self.spacing, 8, 1000)
        check_range("block_size", self.block_size, 8, 128)
        check_even("block_size", self.block_size)
        check_range("search_radius", self.search_radius, 2, 200)
        check_range("brightness", self.brightness, 0.0, 1.0)
        check_range("structure", self.structure, 1.0, 4.0)
        check_range("structure_scale", self.structure_scale, 1, 20)
        check_range("gradient_spread", self.gradient_spread, 0.0, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RefineOptions(NamedOptions):
    """Options of the refine phase.

    Parameters
    ----------
    quick
        Leave out the second pass, which measures frames against a first stack and weighs them: this
        takes less time, and shows less detail.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.RefineOptions(quick=True)
    RefineOptions(quick=True)
    """

    phase: ClassVar[str] = "refine"
    version: ClassVar[int] = 8

    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StackOptions(NamedOptions):
    """Options of the stack phase: which fragments are averaged, by one criterion, and how.

    Parameters
    ----------
    percent
        Percentage of the frames to average, the best ones of each triangle between reference
        points; or several, such as 5,15,30: an image for each, from one pass over the frames
        [default: 30, where frames have no weights and there is no other criterion].
    number
        Number of the frames to average, the best ones of each triangle.
    min_quality
        Least quality of the frames to average, where 0 is the worst and 1 the best of a triangle.
    choose
        "fragments" takes the best frames of each triangle; "frames" takes the frames that are best
        as a whole, the same ones everywhere; "weights" averages all frames, each with its weight at
        every pixel, or with a criterion those that weigh most in each triangle [default: weights if
        the second pass made some, else fragments].
    interpolation
        How frames are resampled: "bilinear" is softest; "sharp-bilinear" restores the contrast
        that this loses; "cubic" (Catmull-Rom) keeps contrast up to 0.15 cycles per px,
        "sharp-cubic" up to 0.25, "lanczos3" up to 0.3, in two, two and three times the time
        [default: sharp-bilinear, without drizzle].
    drizzle
        Number of pixels of the image per pixel of the camera, along each axis: 1 (interpolation),
        1.5, 2 or 3 (drizzle: the light of each pixel is dropped onto the finer grid). Raw colour is
        drizzled without demosaicing.
    drop
        Side of a drop, as a fraction of the camera's pixel: small drops are sharp but need many
        frames [default: 0.7, with drizzle].
    normalise
        Scale frames to equal brightness, so that thin clouds leave no patches. Weighted frames are
        scaled where their light differs by more than 15 %.
    halves
        Also stack frames with even numbers and the others apart, in the same pass: OUTPUT-even.tif
        and OUTPUT-odd.tif. How much they differ shows how noisy the image is, and how fine the
        detail is that it resolves: both are in the summary. So is the seeing, which is measured
        too, by comparing some of the frames with the image.
    demosaic
        How raw colour becomes colour: "malvar" keeps detail (Malvar, He & Cutler 2004), "bilinear"
        takes means of the nearest pixels, softer and with less noise [default: malvar, without
        drizzle].

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.StackOptions(percent=20, drizzle=1.5)
    StackOptions(percent=20, drizzle=1.5)
    >>> skry.StackOptions(percent=120)
    Traceback (most recent call last):
    ...
    skry_dask.errors.OptionsError: percent is 120: it must be above 0 and at most 100
    """

    phase: ClassVar[str] = "stack"
    version: ClassVar[int] = 8

    percent: Percentages | None = None
    number: int | None = None
    min_quality: float | None = None
    choose: Choose | None = None
    interpolation: Interpolation | None = None
    drizzle: float = 1.0
    drop: float | None = None
    normalise: bool = False
    halves: bool = False
    demosaic: Demosaic | None = None

    def __post_init__(self) -> None:
        """Check every value; a cut without a criterion takes the best 30 percent."""
        if self.choose is not None:
            object.__setattr__(self, "choose", choice("choose", self.choose, Choose))
        given = self.criteria
        if len(given) > 1:
            values = " and ".join(f"{name} {value}" for name, value in given.items())
            raise OptionsError(f"{values} contradict each other: give one of them")
        if not given and self.choose in (Choose.FRAGMENTS, Choose.FRAMES):
            object.__setattr__(self, "percent", 30.0)
        if self.percent is not None:
            object.__setattr__(self, "percent", percentages("percent", self.percent))
        if self.number is not None:
            check_range("number", self.number, 1, 2**31 - 1)
        if self.min_quality is not None:
            check_range("min_quality", self.min_quality, 0.0, 1.0)
        check_switch("normalise", self.normalise)
        check_switch("halves", self.halves)
        self._check_resampling()

    @property
    def criteria(self) -> dict[str, Any]:
        """The criterion that is given, by its name; nothing where there is none."""
        values = {name: getattr(self, name) for name in ("percent", "number", "min_quality")}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def several(self) -> tuple[float, ...]:
        """The percentages, increasing, where there are several."""
        return self.percent if isinstance(self.percent, tuple) else ()

    @property
    def of_each(self) -> list[StackOptions]:
        """The options of each image: of several percentages one."""
        return [replace(self, percent=percent) for percent in self.several] or [self]

    def settled(self, *, weighted: bool) -> StackOptions:
        """Choose what is left open, now that it is known whether points have weights."""
        if self.choose is not None:
            return self
        return replace(self, choose=Choose.WEIGHTS if weighted else Choose.FRAGMENTS)

    def _check_resampling(self) -> None:
        """Check drizzle, or interpolation without it, and set the defaults of either."""
        if self.drizzle not in DRIZZLE:
            choices = ", ".join(f"{scale:g}" for scale in DRIZZLE)
            raise OptionsError(f"drizzle is {self.drizzle!r}: choose one of {choices}")
        object.__setattr__(self, "drizzle", float(self.drizzle))
        if self.drizzle > 1:
            for name in ("interpolation", "demosaic"):
                if (value := getattr(self, name)) is not None:
                    raise OptionsError(
                        f"{name} {value} and drizzle {self.drizzle:g} contradict each other: give "
                        "one of them"
                    )
            object.__setattr__(self, "drop", 0.7 if self.drop is None else self.drop)
            check_range("drop", self.drop or 0.0, 0.1, 1.0)
            return
        if self.drop is not None:
            raise OptionsError(
                f"drop is {self.drop!r} without drizzle: give drizzle 1.5, 2 or 3 too"
            )
        for name, default in (
            ("interpolation", Interpolation.SHARP_BILINEAR),
            ("demosaic", Demosaic.MALVAR),
        ):
            given = getattr(self, name)
            chosen = default if given is None else choice(name, given, type(default))
            object.__setattr__(self, name, chosen)
