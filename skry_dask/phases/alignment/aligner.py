"""The tasks of the align phase: survey key frames, choose the reference, align every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.frame.detail import frame_detail, sample_bits
from skry_dask.options import AlignMethod
from skry_dask.phases.alignment.anchor_template import AnchorTemplate
from skry_dask.phases.alignment.bright_objects import (
    find_brightest_object,
    is_on_dark_sky,
    measure_disc,
)
from skry_dask.phases.alignment.chosen_reference import CHAINED
from skry_dask.phases.alignment.disc_template import CentroidTemplate, DiscTemplate
from skry_dask.phases.alignment.foreground import hides_scene
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.key_frames import (
    KeyAlignment,
    Survey,
    chain_key_frames,
    rank_references,
)
from skry_dask.phases.alignment.limb_level import Gradients, levels_of
from skry_dask.phases.alignment.limb_template import LimbTemplate
from skry_dask.phases.alignment.tears import tears_of
from skry_dask.phases.alignment.thumbnails import are_blank, make_thumbnails, shrink_factor

if TYPE_CHECKING:
    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.graph.frame_passes import FrameSource
    from skry_dask.options import AlignOptions
    from skry_dask.phases.alignment.chosen_reference import ChosenReference
    from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Template
    from skry_dask.types import Frames, IntArray

DETAIL_RADIUS = 3
"""Radius of the box blurs against which the detail of a key frame is measured, px."""

LIMB_SHARE = 0.88
"""A frame shows little more than a limb where this share of its gradients has one direction at each
place; see `Gradients.one_direction_share`."""

N_TRIED = 3
"""Number of frames that are aligned to a reference before it is chosen."""

TEMPLATES: dict[
    AlignMethod, type[AnchorTemplate | CentroidTemplate | DiscTemplate | LimbTemplate]
] = {
    AlignMethod.ANCHORS: AnchorTemplate,
    AlignMethod.CENTROID: CentroidTemplate,
    AlignMethod.DISC: DiscTemplate,
    AlignMethod.LIMB: LimbTemplate,
}
"""Template of each method but ``AUTO``, which `Aligner.settle_method` replaces."""


@dataclass(frozen=True, slots=True)
class Aligner:
    """Aligns frames; it travels to workers as options, levels and the graph that leads to frames.

    Parameters
    ----------
    options
        Of the align phase.
    developer
        Of the frames.
    source
        The frames, raw, from which single ones are read.
    """

    options: AlignOptions
    developer: Developer
    source: FrameSource

    def read(self, key: int) -> Frames:
        """Read a key frame as grey, by its index in the capture: uint8 or uint16 (y, x)."""
        return self.developer.grey(self.source[key : key + 1])[0]

    def survey(self, key: int) -> Survey:
        """Find out what a key frame shows, and rate it as a reference."""
        frame = self.read(key)
        thumbnail = make_thumbnails(frame)
        white = self.developer.white
        if are_blank(thumbnail[None], white)[0]:
            return Survey(thumbnail, 0.0)
        bits = sample_bits(frame.dtype, int(frame.max()))
        detail = frame_detail(frame, DETAIL_RADIUS, bits)
        found = find_brightest_object(thumbnail, white)
        on_dark_sky = found is not None and is_on_dark_sky(thumbnail, found)
        disc = measure_disc(frame, white, thumbnail)
        cut = disc.reason is not Reason.ACTIVE
        tear = float(tears_of(frame[None])[0])
        return Survey(thumbnail, detail, on_dark_sky, cut, _one_direction_share(frame), tear)

    def settle_method(self, surveys: list[Survey]) -> Aligner:
        """Replace the method "auto" by the one that suits what the key frames show.

        The border cuts a planet that leaves the frame in many frames, but the limb in a close-up of
        the Moon in all. Where nearly all gradients have one direction at each place, blocks would
        slide along a limb.
        """
        if self.options.method is not AlignMethod.AUTO:
            return self
        shown = [survey for survey in surveys if survey.detail > 0]
        on_sky = [survey for survey in shown if survey.on_dark_sky]
        disc = len(on_sky) > len(shown) / 2 and not all(survey.cut_by_border for survey in on_sky)
        limbs = sum(survey.one_direction_share > LIMB_SHARE for survey in shown)
        method = AlignMethod.ANCHORS
        if not self.options.anchors and (disc or limbs > len(shown) / 2):
            method = AlignMethod.DISC if disc else AlignMethod.LIMB
        return replace(self, options=replace(self.options, method=method))

    def with_method(self, chosen: ChosenReference) -> Aligner:
        """Use the method that was settled when the reference was chosen."""
        return replace(self, options=replace(self.options, method=chosen.method))

    def choose_reference(self, surveys: list[Survey], candidates: IntArray, keys: list[int]) -> int:
        """Choose the first reference, as `rank_references` ranks them, that others are aligned to.

        A damaged frame may show the scene, but with so much detail of its own that no block of it
        is found in others. A frame in which a bird or the edge of a cloud hides part of the scene
        is taken only if all do.
        """
        if self.options.method in (AlignMethod.DISC, AlignMethod.CENTROID):
            surveys = [s._replace(detail=0.0) if s.cut_by_border else s for s in surveys]
        factor = shrink_factor(self.source.shape[1:3])
        ranked = rank_references(surveys, factor, candidates)
        shown = zip(candidates.tolist(), surveys, strict=True)
        thumbnails = {index: survey.thumbnail for index, survey in shown}
        sound: int | None = None
        for i, index in enumerate(ranked):
            others = [*ranked[i + 1 :], *ranked[:i]]
            template = self.template(index, keys)
            tried = [self.read(keys[other]) for other in others[:N_TRIED]]
            agreeing = [template.align(frame).agreement for frame in tried]
            if 2 * sum(one >= self.options.min_agreement for one in agreeing) < len(agreeing):
                continue
            sound = index if sound is None else sound
            if not others:
                return index
            of_others = np.stack([thumbnails[other] for other in others])
            if not hides_scene(thumbnails[index], of_others, self.developer.black, factor):
                return index
        return ranked[0] if sound is None else sound

    def template(self, index: int, keys: list[int]) -> Template:
        """Make a template of the key frame at a position among the key frames."""
        kind = TEMPLATES[self.options.method]
        return kind.of_frame(self.read(keys[index]), self.developer.white, self.options)

    def align_key(
        self,
        template: Template,
        key: int,
        previous: int | None,
        following: int | None,
    ) -> KeyAlignment:
        """Align a key frame against the reference or, if too little agrees, its neighbours."""
        direct = template.align(self.read(key))
        if direct.agreement >= self.options.min_agreement:
            return KeyAlignment(direct)
        if self.options.method not in CHAINED or direct.reason is Reason.NOTHING_TO_SEE:
            return KeyAlignment(direct)
        own = self.template(0, [key])
        return KeyAlignment(
            direct,
            None if previous is None else own.align(self.read(previous)),
            None if following is None else own.align(self.read(following)),
        )

    def chain(self, reference: int, keys: list[KeyAlignment]) -> list[FrameAlignment]:
        """Align key frames through their neighbours; see `key_frames.chain_key_frames`."""
        return chain_key_frames(reference, keys, self.options.min_agreement)

    def far_template(
        self, chosen: ChosenReference, index: int, key: int
    ) -> tuple[FrameAlignment, Template] | None:
        """Make a template of a key frame far from the reference, which its neighbours may need.

        Parameters
        ----------
        chosen
            With the alignment of each key frame.
        index
            Position of this one among them.
        key
            The key frame.

        Returns
        -------
        Its alignment and its template; None where it is near the reference, too little of it
        agrees, or the method needs none.
        """
        if not chosen.is_far(index, self.options.min_agreement, self.source.shape[1:3]):
            return None
        return chosen.alignments[index], self.template(0, [key])


def _one_direction_share(frame: Frames) -> float:
    """Find how much a frame is like a limb; see `Gradients.one_direction_share`."""
    (level,) = levels_of(frame, 1)
    return Gradients.of(*level).one_direction_share()
