"""Align (video stabilisation): where the scene lies in each frame.

Every frame is placed against one reference frame, independently, so chunks run in parallel and no
error accumulates. Key frames at fixed frame numbers are candidates for the reference (the one with
most detail is taken), and they are the bridge for frames that no longer overlap with it: each key
frame is placed against the reference or, where that fails, against its neighbours, and a frame that
cannot be placed against the reference is placed against its nearest key frame. Key frames do not
depend on chunks, so neither does the result.

Memory: a few frames and one chunk of frames per thread. Key frames are read anew for each purpose
rather than held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.develop import Developer
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.graph.datasets import result, variable, whole_frames
from skry_dask.graph.frame_passes import call_each, map_frames, single_frames
from skry_dask.kernels.frame.detail import frame_detail, sample_bits
from skry_dask.options import AlignMethod, AlignOptions
from skry_dask.phases.alignment.anchors import SMALLEST
from skry_dask.phases.alignment.templates import (
    AnchorTemplate,
    CentroidTemplate,
    DiscTemplate,
    Placement,
    Reason,
    find_disc,
)
from skry_dask.phases.alignment.thumbnails import (
    UNLIKE,
    brightest_object,
    coarse_shifts,
    on_dark_sky,
    shows_nothing,
    spectrum,
    thumbnail,
)

if TYPE_CHECKING:
    import xarray as xr
    from dask.delayed import Delayed

    from skry_dask.graph.frame_passes import FrameChunk
    from skry_dask.phases.alignment.templates import Template
    from skry_dask.types import AnyArray, Float32Array, Frames, IntArray

KEY_SPACING = 64
"""Every so many frames there is a key frame, more often in captures so short that there would be
fewer than"""

MIN_KEYS = 16

MAX_CANDIDATES = 16
"""The reference is chosen among at most so many key frames, evenly spread."""

FAR = 0.25
"""Key frames whose offset is at least this fraction of the frame serve as templates themselves."""

TEMPLATES: dict[AlignMethod, type[AnchorTemplate | CentroidTemplate | DiscTemplate]] = {
    AlignMethod.ANCHORS: AnchorTemplate,
    AlignMethod.CENTROID: CentroidTemplate,
    AlignMethod.DISC: DiscTemplate,
}

ANCHOR_MARGIN = 8
"""Around an anchor's block there must be so much frame for it to move in, px."""

RECORD = np.dtype(
    [("y", "f8"), ("x", "f8"), ("confidence", "f4"), ("reason", "u1"), ("brightness", "f4")]
)


class Survey(NamedTuple):
    """A key frame's thumbnail and how much detail the frame has; 0 if it cannot be a reference.

    ``on_sky`` tells whether it shows an object on a dark sky; and ``cut``, whether its brightest
    object is cut by the border.
    """

    small: Float32Array
    detail: float
    on_sky: bool = False
    cut: bool = False


class KeyPlace(NamedTuple):
    """Where a key frame lies against the reference and, if that is unsure, its neighbours in it."""

    direct: Placement
    before: Placement | None = None
    after: Placement | None = None


def align(capture: xr.Dataset, options: AlignOptions | None = None) -> xr.Dataset:
    """Find where the scene lies in each frame.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16; see `open_capture`.
    options
        See `AlignOptions`.

    Returns
    -------
    xarray.Dataset, lazy
        ``offset`` float64 (frame, axis), px: the scene at canvas point p shows at p + offset;
        ``confidence`` float32 (frame), 0 to 1; ``active`` bool (frame); ``reason`` uint8 (frame),
        why a frame is inactive; ``brightness`` float32 (frame), fraction of full scale;
        ``reference`` int64, number of the frame whose grid is the canvas.

    Raises
    ------
    OptionsError
        If the reference frame is not in the capture or an anchor lies outside the frame.
    ReaderError
        If frames are too small for an anchor's block.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> alignment = skry.align(capture)
    >>> alignment["offset"].shape
    (8, 2)
    """
    options = options or AlignOptions()
    frames = whole_frames(capture)
    _check(capture, options)
    developer = Developer.of(capture)
    aligner = dask.delayed(Aligner(options, developer, frames.shape[1:3]), traverse=False)
    numbers = key_numbers(len(frames))
    if options.reference is not None:
        numbers = np.union1d(numbers, _index_of(capture, options.reference))
    keys = single_frames(frames, numbers)
    candidates = np.unique(np.linspace(0, len(keys) - 1, MAX_CANDIDATES).round().astype(int))
    surveys = call_each(Aligner.survey, [aligner], [(keys[i],) for i in candidates])
    aligner = dask.delayed(Aligner.settle)(aligner, surveys)
    if options.reference is None:
        reference = dask.delayed(Aligner.choose)(aligner, surveys, candidates)
    else:
        at = int(np.searchsorted(numbers, _index_of(capture, options.reference)))
        reference = dask.delayed(at)
    template = dask.delayed(Aligner.template)(aligner, reference, keys)
    neighbours = zip(keys, [None, *keys[:-1]], [*keys[1:], None], strict=True)
    placements = call_each(Aligner.place_key, [aligner, template], neighbours)
    chained = dask.delayed(Aligner.chain)(aligner, reference, placements)
    bridges = call_each(Aligner.bridge, [aligner, chained], enumerate(keys))
    halfway = (numbers[:-1] + numbers[1:]) / 2
    nearest = np.searchsorted(halfway, np.arange(len(frames)))
    records = map_frames(
        align_chunk,
        frames,
        nearest,
        developer=dask.delayed(developer, traverse=False),
        shared=[aligner, template, bridges],
        dtype=RECORD,
    )
    records = records.rechunk(-1).map_blocks(
        leave_out_far, frames.shape[1:3], options.min_overlap, dtype=RECORD
    )
    numbers_of_keys = capture["frame"].to_numpy()[numbers]
    return result(capture, options, _variables(records, reference, numbers_of_keys))


def _variables(records: da.Array, reference: Delayed, numbers: IntArray) -> dict[str, xr.Variable]:
    """Label the results; the reference is an index of these frame numbers."""
    index = da.from_delayed(reference, (), np.int64)
    return {
        "offset": variable(
            ("frame", "axis"),
            da.stack([records["y"], records["x"]], axis=1),
            "px",
            "place of the scene in the frame, less its place on the canvas",
        ),
        "confidence": variable(("frame",), records["confidence"], "1", "how sure the alignment is"),
        "active": variable(
            ("frame",), records["reason"] == Reason.ACTIVE, "1", "whether the frame is used"
        ),
        "reason": variable(
            ("frame",),
            records["reason"],
            "1",
            "why a frame is inactive",
            flag_values=[int(r) for r in Reason],
            flag_meanings=" ".join(r.name.lower() for r in Reason),
        ),
        "brightness": variable(
            ("frame",), records["brightness"], "1", "mean brightness, fraction of full scale"
        ),
        "reference": variable(
            (),
            index.map_blocks(lambda i: numbers[i], dtype=np.int64),
            "1",
            "frame whose grid is the canvas",
        ),
    }


def _check(capture: xr.Dataset, options: AlignOptions) -> None:
    """Refuse what cannot work before anything is read."""
    n_frames, height, width = capture["frames"].shape[:3]
    where = capture.attrs.get("source", "the capture")
    if n_frames == 0:
        raise ReaderError(f"{where} has no frames: record it again or choose another file")
    size = options.anchor_size or SMALLEST
    needed = size + 2 * ANCHOR_MARGIN
    if options.method is not AlignMethod.CENTROID and min(height, width) < needed:
        raise ReaderError(
            f"{where}: frames of {width} x {height} px are too small for an anchor block of "
            f"{size} px, which needs {needed} px: give a smaller --anchor-size (16 "
            "or more), or --method centroid"
        )
    for y, x in options.anchors:
        if not (0 <= y < height and 0 <= x < width):
            raise OptionsError(
                f"anchor ({y:g}, {x:g}) lies outside the frame: y must be below {height}, "
                f"x below {width}, and neither below 0"
            )


def _index_of(capture: xr.Dataset, number: int) -> int:
    """Place of a frame number among the frames."""
    known = capture["frame"].to_numpy()
    at = np.flatnonzero(known == number)
    if not len(at):
        raise OptionsError(
            f"reference is {number}: the capture has no such frame (its frames are numbered "
            f"{known[0]} to {known[-1]})"
        )
    return int(at[0])


def key_numbers(n_frames: int) -> IntArray:
    """Choose the key frames: evenly, and some even in a short capture."""
    spacing = min(KEY_SPACING, max(1, n_frames // MIN_KEYS))
    return np.arange(0, n_frames, spacing)


def choose_reference(surveys: list[Survey], candidates: IntArray) -> int:
    """Choose the key frame with most detail, of those that show the scene that others show too.

    Noise and clouds have detail of their own, but nothing in common with other frames.

    Parameters
    ----------
    surveys
        Of the candidates.
    candidates
        int64, their places among the key frames.
    """
    usable = [i for i, survey in enumerate(surveys) if survey.detail > 0] or [0]
    thumbnails = np.stack([surveys[i].small for i in usable])
    spectra = spectrum(thumbnails)
    alike = np.zeros(len(surveys))
    for n in range(1, len(usable)):
        _, likeness = coarse_shifts(thumbnails[n], spectra[n], thumbnails[:n], spectra[:n])
        same = likeness >= UNLIKE
        alike[usable[:n]] += same
        alike[usable[n]] += same.sum()
    known = [i for i in usable if 2 * alike[i] >= alike.max()]
    return int(candidates[max(known, key=lambda i: surveys[i].detail)])


@dataclass(frozen=True, slots=True)
class Aligner:
    """What the tasks do with frames; it travels to workers as its options.

    Parameters
    ----------
    options
        Of the align phase.
    developer
        Of the frames.
    shape
        Height and width of a frame, px.
    """

    options: AlignOptions
    developer: Developer
    shape: tuple[int, int]

    def frame(self, key: FrameChunk) -> Frames:
        """Read one frame (y, x), grey."""
        return self.developer.grey(key.read())[0]

    def survey(self, key: FrameChunk) -> Survey:
        """Rate a key frame as a reference."""
        frame = self.frame(key)
        small = thumbnail(frame)
        if shows_nothing(small, self.developer.white):
            return Survey(small, 0.0)
        bits = sample_bits(frame.dtype, self.developer.black + self.developer.white)
        detail = frame_detail(frame, 3, bits)
        seen = brightest_object(small, self.developer.white)
        on_sky = seen is not None and on_dark_sky(small, seen)
        cut = find_disc(frame, self.developer.white, small).reason is not Reason.ACTIVE
        return Survey(small, detail, on_sky, cut)

    def settle(self, surveys: list[Survey]) -> Aligner:
        """Decide upon the method, if that is left to us.

        A planet about to leave the frame is cut by the border in many frames, the limb in a
        close-up of the Moon in all.
        """
        if self.options.method is not AlignMethod.AUTO:
            return self
        shown = [survey for survey in surveys if survey.detail > 0]
        on_sky = [survey for survey in shown if survey.on_sky]
        disc = len(on_sky) > len(shown) / 2 and not all(survey.cut for survey in on_sky)
        disc = disc and not self.options.anchors
        method = AlignMethod.DISC if disc else AlignMethod.ANCHORS
        return replace(self, options=replace(self.options, method=method))

    def choose(self, surveys: list[Survey], candidates: IntArray) -> int:
        """Choose the reference among the candidates; see `choose_reference`."""
        if self.options.method in (AlignMethod.DISC, AlignMethod.CENTROID):
            surveys = [s._replace(detail=0.0) if s.cut else s for s in surveys]
        return choose_reference(surveys, candidates)

    def template(self, index: int, keys: list[FrameChunk]) -> Template:
        """Prepare a key frame for placing others against it."""
        kind = TEMPLATES[self.options.method]
        return kind.of_frame(self.frame(keys[index]), self.developer.white, self.options)

    def place_key(
        self,
        template: Template,
        key: FrameChunk,
        before: FrameChunk | None,
        after: FrameChunk | None,
    ) -> KeyPlace:
        """Place a key frame against the reference or, where that is not sure, its neighbours."""
        frame = self.frame(key)
        direct = template.place(frame)
        if direct.confidence >= self.options.min_confidence:
            return KeyPlace(direct)
        if self.options.method is not AlignMethod.ANCHORS or direct.reason is Reason.NOTHING_TO_SEE:
            # An object on a dark sky is found wherever it is, or not at all.
            return KeyPlace(direct)
        own = self.template(0, [key])
        return KeyPlace(
            direct,
            None if before is None else own.place(self.frame(before)),
            None if after is None else own.place(self.frame(after)),
        )

    def chain(self, reference: int, keys: list[KeyPlace]) -> list[Placement]:
        """Give each key frame a place: the direct one if it is sure, else by its neighbours."""
        sure = self.options.min_confidence
        places = [key.direct for key in keys]
        places[reference] = Placement((0.0, 0.0), 1.0)
        onward = [(i, i - 1, keys[i].before) for i in range(1, len(keys))]
        back = [(i, i + 1, keys[i].after) for i in range(len(keys) - 2, -1, -1)]
        for i, neighbour, link in onward + back:
            known = places[neighbour]
            if link is None or min(link.confidence, known.confidence) < sure:
                continue
            if places[i].confidence < sure:
                y, x = (k - d for k, d in zip(known.offset, link.offset, strict=True))
                places[i] = Placement((y, x), min(known.confidence, link.confidence))
        return places

    def bridge(
        self, chained: list[Placement], index: int, key: FrameChunk
    ) -> tuple[Placement, Template] | None:
        """Keep a key frame as a template where frames may need it: far from the reference."""
        place = chained[index]
        unsure = place.confidence < self.options.min_confidence
        if unsure or self.options.method is not AlignMethod.ANCHORS:
            return None
        far = max(abs(v) / n for v, n in zip(place.offset, self.shape, strict=True))
        return (place, self.template(0, [key])) if far >= FAR else None


def align_chunk(
    frames: Frames,
    nearest: IntArray,
    aligner: Aligner,
    template: Template,
    bridges: list[tuple[Placement, Template] | None],
) -> AnyArray:
    """Place each frame of a chunk.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.
    nearest
        int64 (frame), which key frame is nearest to each.
    aligner
        Options and levels.
    template
        Of the reference.
    bridges
        Of the key frames: where each lies, and its own template.

    Returns
    -------
    Records (frame), see `RECORD`.
    """
    options, developer = aligner.options, aligner.developer
    records = np.zeros(len(frames), RECORD)
    thumbnails = thumbnail(frames)
    places = template.place_all(frames, thumbnails)
    records["brightness"] = (thumbnails.mean(axis=(1, 2)) - developer.black) / developer.white
    for record, frame, small, place, key in zip(
        records, frames, thumbnails, places, nearest, strict=True
    ):
        bridge = bridges[key]
        sure = place.confidence >= options.min_confidence
        if not sure and bridge is not None and place.reason != Reason.NOTHING_TO_SEE:
            start, key_template = bridge
            by_key = key_template.place(frame, small)
            offset = tuple(a + b for a, b in zip(start.offset, by_key.offset, strict=True))
            confidence = min(start.confidence, by_key.confidence)
            if confidence > place.confidence:
                place = Placement((offset[0], offset[1]), confidence, by_key.reason)
        if place.confidence < options.min_confidence and place.reason == Reason.ACTIVE:
            place = place._replace(reason=Reason.NOT_RECOGNISED)
        record["y"], record["x"] = place.offset
        record["confidence"], record["reason"] = place.confidence, place.reason
    return records


def leave_out_far(records: AnyArray, shape: tuple[int, int], min_overlap: float) -> AnyArray:
    """Make frames inactive, farthest first, until the rest overlap enough.

    Parameters
    ----------
    records
        Of all frames.
    shape
        Height and width of a frame, px.
    min_overlap
        Fraction of a frame that the region must have.

    Returns
    -------
    Records (frame), with the reason set for those left out.
    """
    out = records.copy()
    active = np.flatnonzero(records["reason"] == Reason.ACTIVE)
    if not len(active):
        return out
    offset = np.stack([records["y"], records["x"]], axis=1)[active]
    distance = np.hypot(*(offset - np.median(offset, axis=0)).T)
    order = np.argsort(distance, kind="stable")
    nearest_first = offset[order]
    spread = np.maximum.accumulate(nearest_first) - np.minimum.accumulate(nearest_first)
    sides = np.maximum(np.array(shape) - spread, 0.0)
    enough = sides.prod(axis=1) >= min_overlap * shape[0] * shape[1]
    out["reason"][active[order[~enough]]] = Reason.TOO_LITTLE_OVERLAP
    return out
