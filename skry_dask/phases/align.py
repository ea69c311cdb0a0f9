"""Align (video stabilisation): where the scene lies in each frame.

    key frames ──▶ reference ──▶ aligned key frames ──▶ templates ──▶ aligned frames ──▶ overlap

Every frame is aligned against one reference frame, independently of all others, so chunks run in
parallel and no error accumulates. Key frames at fixed intervals are the candidates for the
reference (`choose_reference`). They also connect frames that no longer overlap with it: a key frame
is aligned against the reference or, where that fails, against its neighbours, and a frame that
cannot be aligned against the reference is aligned against its nearest key frame. The method of
alignment is a template (`alignment.anchor_template`, `alignment.disc_template`,
`alignment.limb_template`).

Cost: 0.8 ms for a frame of 840 x 612 on one core. Memory: a few frames, and one chunk of frames per
thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.graph.datasets import About, damaged_frames, result, variable, whole_frames
from skry_dask.graph.frame_passes import FrameSource, map_frames
from skry_dask.graph.frame_tables import call_each
from skry_dask.graph.parcels import share
from skry_dask.graph.phase_inputs import Given, check_inputs
from skry_dask.graph.task_names import phase_tasks
from skry_dask.options import AlignOptions, Canvas
from skry_dask.options.given import options_of
from skry_dask.phases.alignment.aligner import Aligner
from skry_dask.phases.alignment.chosen_reference import ChosenReference, chosen_reference
from skry_dask.phases.alignment.foreground import N_CELLS, ForegroundGauge
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.frame_records import (
    RECORD,
    align_frames,
    drop_frames,
    pack_foreground,
    stored_records,
)
from skry_dask.phases.alignment.key_frames import nearest_key_frames
from skry_dask.phases.alignment.likeness import LikenessGauge
from skry_dask.phases.alignment.thumbnails import shrink_factor
from skry_dask.phases.reference import choose_reference

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.graph.kept.pieces import Pieces
    from skry_dask.graph.kept.rows import KeptRows
    from skry_dask.phases.alignment.frame_alignment import Template
    from skry_dask.types import IntArray

ABOUT = About("where the scene lies in each frame", "estimate_quality(capture, alignment)")
"""What results say of themselves."""


@phase_tasks("align")
def align(
    capture: xr.Dataset,
    options: AlignOptions | None = None,
    *,
    key_frames: xr.Dataset | None = None,
    pieces: Pieces | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Find where the scene lies in each frame.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16; see `open_capture`.
    options
        See `AlignOptions`.
    key_frames
        From `choose_reference`, with the same options; None: chosen in the same graph. If it is
        lazy it is computed here where rows are kept, else with the frames.
    pieces
        Rows that are known from before, and where others are kept, given the reference; None:
        neither.
    **choices
        Options by name, such as ``method="disc"``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        - ``offset`` float64 (frame, axis), px: the scene at canvas point p shows at p + offset;
        - ``confidence`` float32 (frame), 0 to 1: the probability that the offset lies within 1 px
          of the mean motion of what is followed;
        - ``agreement`` float32 (frame), 0 to 1: share of the frame that agrees with the offset,
          which decides whether it is used;
        - ``active`` bool (frame), whether the frame is used;
        - ``reason`` uint8 (frame), why it is inactive; its attributes name the values;
        - ``across_only`` bool (frame), whether the offset is known across a limb only, because
          nothing tells where the frame lies along it;
        - ``brightness`` float32 (frame), mean of the frame, fraction of full scale;
        - ``likeness`` int8 (frame, block), correlation of the frame with 8 x 8 blocks of the
          reference frame, numbered row by row, percent; -128 for blocks that it does not show;
        - ``light`` float32 (frame), light relative to the reference frame; NaN where not known;
        - ``difference`` int8 (frame, value, cell), what is left of the difference to the reference
          frame in 24 x 24 cells of it, numbered row by row: of the darkest and brightest pixel and
          of the mean, in quarters of what seeing explains; -128 for cells that it does not show;
        - ``foreground`` uint8 (frame, byte), one bit for each cell (as `numpy.packbits` packs
          them): whether something hides the scene there;
        - ``tear`` float32 (frame), px: greatest shift of rows against those above, see `tears`;
        - ``reference`` int64, number of the frame whose pixel grid is the canvas;
        - ``union`` bool, whether results cover all that is seen in any active frame.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be, or of another capture; or if the reference frame is
        not in the capture, or an anchor lies outside the frame.
    ReaderError
        If the capture has no frames of the dims and dtypes above, or they are too small for an
        anchor's block.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", frames=8, height=160, width=200)
    >>> alignment = skry.align(capture)
    >>> alignment["offset"].shape
    (8, 2)
    """
    options = options_of(AlignOptions, options, choices, "align")
    check_inputs("align", capture, *_given(key_frames, kept=pieces is not None))
    reference = choose_reference(capture, options) if key_frames is None else key_frames
    frames = whole_frames(capture)
    indices = np.searchsorted(capture["frame"].to_numpy(), reference["key_frame"].to_numpy())
    keys = indices.tolist()
    developer = Developer.of(capture)
    chosen = chosen_reference(reference)
    aligner = dask.delayed(Aligner(options, developer, FrameSource(frames)), traverse=False)
    aligner = dask.delayed(Aligner.with_method)(aligner, chosen)
    template = dask.delayed(_template_of_reference)(aligner, chosen, keys)
    gauges = dask.delayed(_gauges_of_reference)(aligner, chosen, keys)
    nearest = nearest_key_frames(indices, len(frames))
    records = map_frames(
        align_frames,
        frames,
        nearest,
        developer=share(developer),
        shared=[
            aligner,
            template,
            gauges,
            call_each(Aligner.far_template, [aligner, chosen], list(enumerate(keys))),
        ],
        dtype=RECORD,
        kept=None if pieces is None else _kept(capture, options, reference, nearest, pieces),
    )
    records = records.rechunk(-1).map_blocks(
        drop_frames,
        damaged_frames(capture),
        frames.shape[1:3],
        0.0 if options.canvas is Canvas.UNION else options.min_overlap,
        dtype=RECORD,
    )
    union = options.canvas is Canvas.UNION
    return result(
        capture,
        options,
        _variables(
            records, reference["reference"], union=union, pixel_px=shrink_factor(frames.shape[1:3])
        ),
        about=ABOUT,
    )


def _given(key_frames: xr.Dataset | None, *, kept: bool) -> list[Given]:
    """Check key frames; rows that are kept depend on all of them, others on their number alone."""
    if key_frames is None:
        return []
    needed = ("key_frame", "key_offset", "reference", "method")
    return [Given("key_frames", key_frames, needed, needed if kept else needed[:1])]


def _kept(
    capture: xr.Dataset,
    options: AlignOptions,
    reference: xr.Dataset,
    nearest: IntArray,
    pieces: Pieces,
) -> KeptRows:
    """Find known records; one depends on its frame, the reference, and a far key frame if any."""
    chosen = ChosenReference.of(reference)
    frame_shape = capture["frames"].shape[1:3]
    far = [
        (number, *alignment.offset, alignment.agreement, alignment.error)
        if chosen.is_far(i, options.min_agreement, frame_shape)
        else (-1.0, 0.0, 0.0, 0.0, 0.0)
        for i, (number, alignment) in enumerate(
            zip(reference["key_frame"].to_numpy().tolist(), chosen.alignments, strict=True)
        )
    ]
    return pieces.rows(
        capture,
        [np.array(far, np.float64)[nearest]],
        np.ones(len(nearest), bool),
        [
            *(options.version, options.anchors, options.anchor_size, options.min_agreement),
            *(Developer.of(capture), chosen.method, int(reference["reference"])),
        ],
        stored=stored_records,
        blank=0.0,
        shape=(),
        dtype=RECORD,
    )


def _template_of_reference(aligner: Aligner, chosen: ChosenReference, keys: list[int]) -> Template:
    return aligner.template(chosen.position, keys)


def _gauges_of_reference(
    aligner: Aligner, chosen: ChosenReference, keys: list[int]
) -> tuple[LikenessGauge, ForegroundGauge]:
    frame = aligner.read(keys[chosen.position])
    black = int(aligner.developer.black)
    return LikenessGauge.of_frame(frame), ForegroundGauge.of_frame(frame, black)


def _variables(
    records: da.Array, reference: xr.DataArray, *, union: bool, pixel_px: int
) -> dict[str, xr.Variable]:
    """Label the results."""
    return {
        "offset": variable(
            ("frame", "axis"),
            da.stack([records["y"], records["x"]], axis=1),
            "px",
            "position of the scene in the frame, relative to the canvas",
        ),
        "confidence": variable(
            ("frame",), records["confidence"], "1", "probability that the offset is right to 1 px"
        ),
        "agreement": variable(
            ("frame",), records["agreement"], "1", "share of the frame that agrees with the offset"
        ),
        "active": variable(
            ("frame",), records["reason"] == Reason.ACTIVE, "1", "whether the frame is used"
        ),
        "reason": variable(
            ("frame",),
            records["reason"],
            "1",
            "why the frame is inactive",
            flag_values=[int(r) for r in Reason],
            flag_meanings=" ".join(r.name.lower() for r in Reason),
        ),
        "across_only": variable(
            ("frame",),
            records["across_only"],
            "1",
            "whether the offset is known across a limb only",
        ),
        "brightness": variable(
            ("frame",), records["brightness"], "1", "mean brightness, fraction of full scale"
        ),
        "likeness": variable(
            ("frame", "block"),
            records["likeness"],
            "percent",
            "likeness of the frame to the reference in 8 x 8 blocks of it, -128 where not shown",
        ),
        **_foreground_variables(records, pixel_px),
        "tear": variable(
            ("frame",), records["tear"], "px", "greatest shift of rows against those above"
        ),
        "reference": reference.variable,
        "union": variable(
            (), np.array(union), "1", "whether results cover all that is seen in any active frame"
        ),
    }


def _foreground_variables(records: da.Array, pixel_px: int) -> dict[str, xr.Variable]:
    """Label what tells where something hides the scene."""
    chunks = records.chunks[0], (N_CELLS // 8,)
    foreground = records.map_blocks(pack_foreground, dtype=np.uint8, new_axis=1, chunks=chunks)
    return {
        "light": variable(
            ("frame",), records["light"], "1", "light relative to the reference frame"
        ),
        "difference": variable(
            ("frame", "value", "cell"),
            records["difference"],
            "1",
            "difference to the reference in 24 x 24 cells of it, in quarters of what seeing "
            "explains, -128 where not shown",
        ),
        "foreground": variable(
            ("frame", "byte"),
            foreground,
            "1",
            "whether something hides the scene in each cell, one bit for each",
            pixel_px=pixel_px,
        ),
    }
