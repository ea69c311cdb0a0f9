"""Derotate: where a globe is in the frames, and by how much it has turned in each.

    alignment ──▶ limb in some frames ──▶ disc ──▶ rotation, offsets of the disc

How the globe is turned towards the Earth follows from the time (`geometry.globe.ephemeris`), where
its disc lies from the limb in evenly spaced frames (`rotation.outline`), and where its pole points
from the oblate limb, from what moves between these frames, or from the user. Frames are aligned by
what they show, which turns: the offset of the disc drifts in proportion to the rotation, which the
limbs tell, too, and which is corrected.

Cost: 20 ms for each of 32 frames of 640 x 480 px. Memory: a frame, and 160 kB of
each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.errors import AlignmentError, OptionsError
from skry_dask.geometry.globe.direction import SeenDiscs, find_direction
from skry_dask.geometry.globe.disc_image import DiscImage
from skry_dask.geometry.globe.outline import find_outline, fit_disc, shows_pole
from skry_dask.geometry.globe.rotation import N_DISC, Direction, Globe
from skry_dask.geometry.globe.turning import Turning
from skry_dask.graph.datasets import stacked_frames, variable, whole_frames
from skry_dask.graph.frame_passes import FrameSource
from skry_dask.graph.phase_inputs import aligned, check_inputs
from skry_dask.graph.task_names import phase_tasks
from skry_dask.options import RotationOptions, as_json
from skry_dask.options.given import options_of
from skry_dask.options.rotation import Body, body_named
from skry_dask.phases.rotation.frame_times import frame_times

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry.globe.disc import Disc
    from skry_dask.types import AnyArray, FloatArray

N_SEEN = 32
"""Number of frames, evenly spaced, in which the limb is looked for."""

MIN_SEEN = 0.5
"""Fraction of them in which it must be found."""


@phase_tasks("derotate")
def derotate(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    options: RotationOptions | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Add to an alignment the rotation of the globe that frames show, which later phases undo.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16, and times, if the options do not
        tell them.
    alignment
        From `align`. If it is lazy, it is computed here, by a pass over the frames; this is logged
        at level INFO.
    options
        See `RotationOptions`; ``derotate`` names the globe.
    **choices
        Options by name, such as ``derotate="jupiter"``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        The alignment, with offsets of the disc, and

        - ``turn`` float64 (frame), degrees: by how much the globe has turned since the middle of
          the capture;
        - ``elapsed`` float64 (frame), days since then;
        - ``globe`` float64 (globe_value): see `Globe`;
        - ``direction`` uint8, how the direction of its pole is known; its attributes name the
          values.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be, or of another capture; or if the times of frames
        are not known, or astropy is not installed.
    AlignmentError
        When it is computed: if there is no disc, or the border cuts it.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("jupiter", frames=8, height=112, width=128, rotation=6).compute()
    >>> alignment = skry.align(capture)
    >>> alignment = skry.derotate(capture, alignment, derotate="jupiter")
    >>> alignment["turn"].to_numpy().round(2)
    array([-3.  , -2.14, -1.29, -0.43,  0.43,  1.29,  2.14,  3.  ])
    """
    options = options_of(RotationOptions, options, choices, "derotate")
    check_inputs("derotate", capture, aligned(alignment))
    if options.derotate is None:
        raise OptionsError(f"derotate is None: name the globe, {', '.join(Body)}")
    turning = Turning.of(
        frame_times(capture, options),
        body_named(options.derotate),
        north_angle=options.north_angle or 0.0,
        mirrored=options.mirrored,
        system=options.system,
    )
    offset = alignment["offset"].to_numpy()
    active = np.flatnonzero(stacked_frames(alignment, capture))
    seen = active[np.unique(np.linspace(0, len(active) - 1, N_SEEN).astype(int))]
    found = dask.delayed(_find_globe)(
        dask.delayed(FrameSource(whole_frames(capture)), traverse=False),
        dask.delayed(Developer.of(capture), traverse=False),
        capture["frame"].to_numpy()[seen],
        seen,
        offset[seen],
        turning,
        options,
    )
    n_values = N_DISC + len(turning.flow)
    values = da.from_delayed(found, (n_values + 3,), np.float64)
    drift = values[n_values : n_values + 2]
    return alignment.assign(
        offset=alignment["offset"].copy(data=offset + turning.turned[:, :1] * drift[None]),
        turn=variable(("frame",), turning.turned[:, 0], "degree", "how far the globe has turned"),
        elapsed=variable(("frame",), turning.turned[:, 1], "day", "time since the middle"),
        globe=variable(("globe_value",), values[:n_values], "1", "disc and flow: see Globe"),
        direction=variable(
            (),
            values[-1].astype(np.uint8),
            "1",
            "how the direction of the pole is known",
            flag_values=[int(d) for d in Direction],
            flag_meanings=" ".join(d.name.lower() for d in Direction),
        ),
    ).assign_attrs(
        title="where the scene lies in each frame, and how far the globe has turned",
        phase=options.phase,
        version=options.version,
        options=as_json(options),
    )


def _find_globe(
    source: FrameSource,
    developer: Developer,
    numbers: AnyArray,
    seen: AnyArray,
    offset: FloatArray,
    turning: Turning,
    options: RotationOptions,
) -> FloatArray:
    """Find the globe in some frames.

    Returns
    -------
    float64 (value): those of the globe, the drift of offsets along y and x for each degree, px, and
    the `Direction`.
    """
    images, limbs, failures, kept = [], [], [], []
    for i, (number, index) in enumerate(zip(numbers.tolist(), seen.tolist(), strict=True)):
        image = developer.grey(source[index : index + 1])[0]
        try:
            ringed = turning.disc.ring_outer > 0
            limb = find_outline(image, f"frame {number}", ringed=ringed)
        except AlignmentError as error:
            failures.append(error)
            continue
        limbs.append(limb - offset[i])
        images.append(DiscImage.of_frame(image, limb))
        kept.append(i)
    if failures and len(kept) < MIN_SEEN * len(seen):
        raise failures[0]
    turned = turning.turned[seen[kept]]
    given = options.north_angle is not None
    turns = shows_pole(turning.disc) and not given
    disc, drift = _fit(limbs, turned[:, 0], turning.disc, turns=turns)
    places = offset[kept] + turned[:, :1] * drift
    globe, direction = Globe(disc, turning.flow), Direction.GIVEN
    if turns and not disc.is_oblate:
        direction = Direction.LIT
    elif not given:
        seen_discs = SeenDiscs(images, places, turned)
        globe, known = find_direction(seen_discs, globe, oblate=disc.is_oblate)
        direction = Direction.FOUND if known else Direction.ASSUMED
    return np.array([*globe.values, *drift, direction])


def _fit(
    limbs: list[FloatArray], turn: FloatArray, known: Disc, *, turns: bool
) -> tuple[Disc, FloatArray]:
    """Fit one disc to the limbs of all frames, and the drift of frames for each degree of turn.

    Returns
    -------
    The disc, and float64 (axis), px.
    """
    disc = fit_disc(np.concatenate(limbs), known, turns=turns)
    fixed = [fit_disc(limb, disc, turns=False, near=True) for limb in limbs]
    centres = np.array([[of_frame.y, of_frame.x] for of_frame in fixed])
    around = turn - turn.mean()
    spread = float((around**2).sum())
    drift = np.zeros(2) if spread < 1e-6 else around @ centres / spread
    moved = [limb - t * drift for limb, t in zip(limbs, turn.tolist(), strict=True)]
    return fit_disc(np.concatenate(moved), disc, turns=turns, near=True), drift
