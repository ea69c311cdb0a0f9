"""Confidence is the probability that a frame's offset lies within 1 px of the truth."""

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.options import AlignOptions
from skry_dask.phases.alignment.limb_template import LimbTemplate
from tests import limbs
from tests.benchmarks.confidence import Judged, judge

pytestmark = pytest.mark.usefixtures("one_thread")


def test_of_the_frames_that_are_said_to_be_right_nine_tenths_are():
    # Of another seed than those of the calibration.
    judged = Judged.joined(
        judge(
            skry.simulate(
                scene,
                skry.SimulateOptions(
                    frames=18, height=144, width=176, warp=warp, photons=photons, seed=77
                ),
            )
        )
        for scene, warp, photons in (("moon", 1.0, 100.0), ("sun", 2.4, 20.0))
    )
    sure = judged.confidence >= 0.9
    assert sure.sum() >= 15
    assert judged.right[sure].mean() >= 0.9
    # In little light and strong seeing few are.
    assert sure[-16:].mean() < 0.5


def test_a_limb_with_texture_is_sure_and_a_blank_one_is_not():
    for kind, low, high in (("textured", 0.9, 1.0), ("blank", 0.0, 0.4)):
        frames = limbs.frames(kind, np.array([(0, 0), (3.3, -2.6)]))
        found = LimbTemplate.of_frame(frames[0], 255, AlignOptions()).align(frames[1])
        assert low <= found.confidence <= high
