"""Objects on a dark sky are aligned by their centre of brightness and by what they show."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.options import AlignOptions
from skry_dask.phases.alignment.disc_template import CentroidTemplate, DiscTemplate
from skry_dask.phases.alignment.frame_alignment import Reason
from tests.small_captures import disc, expose, texture

OPTIONS = AlignOptions()
SURE = OPTIONS.min_agreement


@pytest.mark.parametrize("white", [255, 4095])
def test_the_shift_of_a_disc_is_found_to_a_twentieth_of_a_pixel(white):
    template = CentroidTemplate.of_frame(expose(disc((80, 100)), white=white), white, OPTIONS)
    for shift in ((0, 0), (0.4, -0.7), (13.25, 21.5), (-33.1, 40.2)):
        moved = disc((80 + shift[0], 100 + shift[1]))
        found = template.align(expose(moved, seed=1, white=white))
        assert found.offset == pytest.approx(shift, abs=0.05)
        assert found.agreement == 1.0
        assert found.reason is Reason.ACTIVE


@pytest.mark.parametrize("kind", [CentroidTemplate, DiscTemplate])
def test_a_disc_cut_by_the_border_is_not_aligned(kind):
    template = kind.of_frame(expose(disc((80, 100))), 255, OPTIONS)
    for centre in ((5, 100), (80, 190), (150, 100), (80, 12)):
        found = template.align(expose(disc(centre)))
        assert found.reason is Reason.CUT_BY_BORDER
        assert found.agreement == 0.0


@pytest.mark.parametrize("kind", [CentroidTemplate, DiscTemplate])
def test_a_sky_without_a_disc_shows_nothing(kind):
    template = kind.of_frame(expose(disc((80, 100))), 255, OPTIONS)
    for level in (0.0, 0.5):
        found = template.align(expose(np.full((160, 200), level), noise=1.0))
        assert found.reason is Reason.NOTHING_TO_SEE
        assert found.agreement == 0.0


def test_a_disc_of_another_size_is_not_recognised():
    template = CentroidTemplate.of_frame(expose(disc((80, 100))), 255, OPTIONS)
    for radius, reason in ((12, Reason.NOT_RECOGNISED), (27, Reason.ACTIVE)):
        found = template.align(expose(disc((70, 90), radius=radius)))
        assert found.reason is reason
        assert found.agreement == (reason is Reason.ACTIVE)


@pytest.mark.parametrize("shift", [(0, 0), (13, -21), (-30, 60)])
def test_a_disc_is_aligned_by_what_its_face_shows(shift):
    shape = (160, 240)
    face = 0.4 + 0.6 * texture(*shape, seed=4, scale=2)
    whole = disc((80, 100), shape=shape, radius=40) * face
    # Seeing bends the limb, so the centre of brightness is off; most of the face is not bent.
    bent = whole.copy()
    bent[:50] = ndimage.shift(whole, (-3, 0), order=1)[:50]
    template = DiscTemplate.of_frame(expose(whole), 255, OPTIONS)
    assert len(template.anchors.corners) > 10
    found = template.align(expose(np.roll(bent, shift, axis=(0, 1)), seed=1))
    # A fifth of the anchors moved by 3 px, and weigh no more than that.
    assert found.offset == pytest.approx((shift[0] - 0.6, shift[1]), abs=0.6)
    assert found.agreement >= SURE


def test_a_disc_with_an_empty_face_is_aligned_by_its_centre_of_brightness():
    y, x = np.indices((160, 200))
    light = 0.3 * np.exp(-((y - 80.0) ** 2 + (x - 100.0) ** 2) / (2 * 12**2))
    template = DiscTemplate.of_frame(expose(light), 255, OPTIONS)
    found = template.align(expose(np.roll(light, (20, -15), axis=(0, 1)), seed=1))
    assert found.offset == pytest.approx((20, -15), abs=0.3)
    assert found.agreement >= SURE
