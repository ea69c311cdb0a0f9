"""A record for each frame: its offset, how sure that is, and why it is inactive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.matching.cell_light import N_VALUES
from skry_dask.phases.alignment.foreground import N_CELLS, foreground_cells
from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason
from skry_dask.phases.alignment.likeness import N_BLOCKS, unlike_frames
from skry_dask.phases.alignment.tears import tears_of, torn_frames
from skry_dask.phases.alignment.thumbnails import make_thumbnails

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.phases.alignment.aligner import Aligner
    from skry_dask.phases.alignment.foreground import ForegroundGauge
    from skry_dask.phases.alignment.frame_alignment import Template
    from skry_dask.phases.alignment.likeness import LikenessGauge
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

RECORD = np.dtype(
    [
        *(("y", "f8"), ("x", "f8"), ("confidence", "f4"), ("agreement", "f4"), ("reason", "u1")),
        ("across_only", "?"),
        *(("brightness", "f4"), ("likeness", "i1", (N_BLOCKS,))),
        *(("light", "f4"), ("difference", "i1", (N_VALUES, N_CELLS)), ("tear", "f4")),
    ]
)
"""Offset (px), confidence and agreement (0 to 1; see `FrameAlignment`), reason (see `Reason`),
whether the offset is known across a limb only, mean brightness (fraction of full scale), likeness
of its blocks (percent, see `likeness`), light relative to the reference and what is left of the
difference to it (see `foreground`), and greatest shift of its rows (px, see `tears`) of a frame."""

MEASURED = (
    *("confidence", "agreement", "reason", "across_only", "brightness"),
    *("likeness", "light", "difference", "tear"),
)
"""Fields of a record that are variables of the result, under the same names."""

DROPPED = (Reason.TOO_LITTLE_OVERLAP, Reason.DAMAGED, Reason.UNLIKE)
"""Reasons of `drop_frames`, which are known only once all frames are aligned."""

MAX_CENTRES = 64
"""Largest number of frames, evenly spaced, around which the largest set that overlaps is sought."""


def align_frames(
    frames: Frames,
    nearest: IntArray,
    aligner: Aligner,
    template: Template,
    gauges: tuple[LikenessGauge, ForegroundGauge],
    far_templates: list[tuple[FrameAlignment, Template] | None],
) -> AnyArray:
    """Align each frame of a chunk.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.
    nearest
        int64 (frame), position of the nearest key frame.
    aligner
        Options and levels.
    template
        Of the reference.
    gauges
        Of the reference.
    far_templates
        For each key frame, see `Aligner.far_template`.

    Returns
    -------
    `RECORD` (frame)
    """
    options, developer = aligner.options, aligner.developer
    records = np.zeros(len(frames), RECORD)
    thumbnails = make_thumbnails(frames)
    direct = template.align_all(frames, thumbnails)
    brightness = thumbnails.mean(axis=(1, 2)) - developer.black
    records["brightness"] = brightness / developer.white
    for record, frame, thumbnail, alignment, key in zip(
        records, frames, thumbnails, direct, nearest, strict=True
    ):
        best = alignment
        far_template = far_templates[key]
        too_little = best.agreement < options.min_agreement
        if too_little and far_template is not None and best.reason != Reason.NOTHING_TO_SEE:
            through_key = _align_through(far_template, frame, thumbnail)
            if through_key.agreement > best.agreement:
                best = through_key
        if best.agreement < options.min_agreement and best.reason == Reason.ACTIVE:
            best = best._replace(reason=Reason.NOT_RECOGNISED)
        record["y"], record["x"] = best.offset
        record["confidence"], record["agreement"] = best.confidence, best.agreement
        record["reason"] = best.reason
        record["across_only"] = best.across_only
    offset = np.stack([records["y"], records["x"]], axis=1)
    likeness, foreground = gauges
    records["likeness"] = likeness.measure(thumbnails, offset)
    records["light"], records["difference"] = foreground.measure(thumbnails, offset)
    records["tear"] = tears_of(frames)
    return records


def _align_through(
    far_template: tuple[FrameAlignment, Template], frame: Frames, thumbnail: Float32Array
) -> FrameAlignment:
    """Align a frame against a key frame, and so against the reference."""
    of_key, template = far_template
    return of_key.plus(template.align(frame, thumbnail))


def stored_records(alignment: xr.Dataset) -> AnyArray:
    """Take the records from a result of align, as they were before `drop_frames`.

    Parameters
    ----------
    alignment
        From `align`, computed.

    Returns
    -------
    `RECORD` (frame)
    """
    records = np.zeros(alignment.sizes["frame"], RECORD)
    records["y"], records["x"] = alignment["offset"].to_numpy().T
    for name in MEASURED:
        records[name] = alignment[name].to_numpy()
    records["reason"][np.isin(records["reason"], DROPPED)] = Reason.ACTIVE
    return records


def drop_frames(
    records: AnyArray, damaged: BoolArray, frame_shape: tuple[int, int], min_overlap: float
) -> AnyArray:
    """Make frames inactive that are damaged, torn, unlike the others, or too far off.

    Parameters
    ----------
    records
        `RECORD` (frame), all frames.
    damaged
        bool (frame).
    frame_shape, min_overlap
        As for `drop_far_frames`.

    Returns
    -------
    `RECORD` (frame), with a reason of `DROPPED` for those dropped.
    """
    kept = records.copy()
    active = records["reason"] == Reason.ACTIVE
    if (active & ~damaged).any():
        kept["reason"][active & damaged] = Reason.DAMAGED
        active &= ~damaged
    torn = torn_frames(records["tear"], active)
    kept["reason"][torn | unlike_frames(records["likeness"], active & ~torn)] = Reason.UNLIKE
    return drop_far_frames(kept, frame_shape, min_overlap)


def pack_foreground(records: AnyArray) -> AnyArray:
    """Find what hides the scene in frames: uint8 (frame, byte), one bit for each cell.

    Parameters
    ----------
    records
        `RECORD` (frame), all frames, after `drop_frames`.
    """
    active = records["reason"] == Reason.ACTIVE
    return np.packbits(foreground_cells(records["difference"], active), axis=1)


def drop_far_frames(
    records: AnyArray, frame_shape: tuple[int, int], min_overlap: float
) -> AnyArray:
    """Make frames inactive that lie so far off that the rest would overlap too little.

    The frames kept are those nearest to a centre: the median of all, or one of the frames, if more
    of them overlap enough. In a drift through several fields the median may lie where the
    telescope hardly stayed.

    Parameters
    ----------
    records
        `RECORD` (frame), all frames.
    frame_shape
        Height and width of a frame, px.
    min_overlap
        Least fraction of a frame that all active frames must have in common, 0 to 1.

    Returns
    -------
    `RECORD` (frame), with ``Reason.TOO_LITTLE_OVERLAP`` for the frames dropped.
    """
    kept = records.copy()
    active = np.flatnonzero(records["reason"] == Reason.ACTIVE)
    if not len(active) or min_overlap <= 0:
        return kept
    offset = np.stack([records["y"], records["x"]], axis=1)[active]
    near = _overlapping(offset, np.median(offset, axis=0), frame_shape, min_overlap)
    if not near.all():
        evenly = np.unique(np.linspace(0, len(offset) - 1, MAX_CENTRES).astype(int))
        for centre in offset[evenly]:
            others = _overlapping(offset, centre, frame_shape, min_overlap)
            if others.sum() > near.sum():
                near = others
    kept["reason"][active[~near]] = Reason.TOO_LITTLE_OVERLAP
    return kept


def _overlapping(
    offset: FloatArray, centre: FloatArray, frame_shape: tuple[int, int], min_overlap: float
) -> BoolArray:
    """Find the frames nearest to a centre that overlap enough: bool (frame)."""
    order = np.argsort(np.hypot(*(offset - centre).T), kind="stable")
    nearest_first = offset[order]
    extent = np.maximum.accumulate(nearest_first) - np.minimum.accumulate(nearest_first)
    sides = np.maximum(np.array(frame_shape) - extent, 0.0)
    enough = np.zeros(len(offset), bool)
    enough[order] = sides.prod(axis=1) >= min_overlap * frame_shape[0] * frame_shape[1]
    return enough
