"""Anchors: a frame is found at any shift, in spite of noise, blur and local seeing."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.options import AlignOptions
from skry_dask.phases.alignment.anchor_template import AnchorTemplate
from skry_dask.phases.alignment.frame_alignment import Reason
from tests.small_captures import expose, texture

HEIGHT, WIDTH = 240, 320
OPTIONS = AlignOptions(anchor_size=32)
SURE = OPTIONS.min_agreement


@pytest.fixture(scope="module")
def scene():
    """Three by three frames; the one in the middle is the reference."""
    return texture(3 * HEIGHT, 3 * WIDTH)


@pytest.fixture(scope="module")
def template(scene):
    return AnchorTemplate.of_frame(expose(cut(scene, (0, 0))), 255, OPTIONS)


def cut(scene, shift):
    """Cut out the light of a frame in which the reference's scene shows shifted."""
    return scene[HEIGHT - shift[0] :, WIDTH - shift[1] :][:HEIGHT, :WIDTH]


# --- shifts --------------------------------------------------------------------------------------


def test_a_frame_finds_itself_in_full(scene, template):
    found = template.align(expose(cut(scene, (0, 0))))
    assert found.offset == pytest.approx((0, 0), abs=0.01)
    assert found.agreement == 1.0
    assert found.reason is Reason.ACTIVE


HALF_A_FRAME = [
    (round(y * share * HEIGHT), round(x * share * WIDTH))
    for share in (0.5, 0.6)
    for y, x in ((1, 0), (-1, 0), (0, 1), (0, -1))
]


@pytest.mark.parametrize(
    "shifts",
    [
        pytest.param([(0, 0), (1, -1), (7, 12), (-33, 5), (-51, -64), (90, 100)], id="any"),
        pytest.param(HALF_A_FRAME, id="half a frame and more"),
    ],
)
def test_shifts_are_found_to_a_twentieth_of_a_pixel(scene, template, shifts):
    for shift in shifts:
        found = template.align(expose(cut(scene, shift), seed=1))
        assert found.offset == pytest.approx(shift, abs=0.05)
        assert found.agreement >= 0.8


def test_shifts_by_fractions_of_a_pixel_are_found(scene, template):
    for shift in ((0.5, -0.5), (-12.3, 20.8)):
        light = ndimage.shift(scene, shift, order=5, mode="nearest")
        found = template.align(expose(np.clip(cut(light, (0, 0)), 0, 1), seed=1))
        assert found.offset == pytest.approx(shift, abs=0.05)


# --- difficult frames ----------------------------------------------------------------------------


def test_the_depth_of_samples_does_not_matter(scene):
    for bits in (8, 12, 16):
        white = 2**bits - 1
        deep = AnchorTemplate.of_frame(expose(cut(scene, (0, 0)), white=white), white, OPTIONS)
        found = deep.align(expose(cut(scene, (9, -14)), seed=1, white=white))
        assert found.offset == pytest.approx((9, -14), abs=0.05)


def test_the_memory_layout_of_a_frame_does_not_matter(scene, template):
    frame = expose(cut(scene, (5, 7)), seed=1)
    strided = np.repeat(frame, 2, axis=1)[:, ::2]
    assert template.align(strided) == template.align(frame)


def test_a_blurred_dimmed_and_noisy_frame_is_still_found(scene, template):
    light = ndimage.gaussian_filter(cut(scene, (6, -11)), 1.5) * 0.8
    found = template.align(expose(light, seed=1, noise=4))
    assert found.offset == pytest.approx((6, -11), abs=0.15)
    assert found.agreement >= SURE


def test_overexposed_areas_do_not_mislead(scene):
    light = 1.9 * scene
    frame = expose(cut(light, (0, 0)))
    assert (frame == 255).mean() > 0.15
    bright = AnchorTemplate.of_frame(frame, 255, OPTIONS)
    found = bright.align(expose(cut(light, (-13, 21)), seed=1))
    assert found.offset == pytest.approx((-13, 21), abs=0.05)
    assert found.agreement >= 0.8


def test_local_seeing_at_some_anchors_does_not_move_the_frame(scene, template):
    light = cut(scene, (4, 3)).copy()
    light[60:180, :110] = cut(scene, (9, 8))[60:180, :110]
    found = template.align(expose(light, seed=1))
    assert found.offset == pytest.approx((4, 3), abs=1.5)


def test_anchors_that_show_something_else_do_not_move_the_frame(scene, template):
    light = cut(scene, (4, 3)).copy()
    light[60:180, :110] = cut(scene, (120, -77))[60:180, :110]
    found = template.align(expose(light, seed=1))
    assert found.offset == pytest.approx((4, 3), abs=0.1)
    assert found.agreement < 1.0


# --- frames that cannot be found -----------------------------------------------------------------


def test_a_black_white_or_grey_frame_shows_nothing(template):
    noise = np.random.default_rng(1).normal(size=(HEIGHT, WIDTH)) * 1.2
    for level in (0, 40, 255):
        found = template.align(np.clip(np.rint(level + noise), 0, 255).astype(np.uint8))
        assert found.reason is Reason.NOTHING_TO_SEE
        assert found.agreement == 0.0


@pytest.mark.parametrize("size", [32, 64])
def test_unrelated_noise_is_not_recognised(scene, size):
    options = AlignOptions(anchor_size=size)
    template = AnchorTemplate.of_frame(expose(cut(scene, (0, 0))), 255, options)
    for seed in range(8):
        noise = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), np.uint8)
        assert template.align(noise).agreement < SURE


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_another_scene_is_not_recognised(scale):
    own, *others = (texture(HEIGHT, WIDTH, seed, scale) for seed in range(7))
    template = AnchorTemplate.of_frame(expose(own), 255, OPTIONS)
    for other in others:
        assert template.align(expose(other, seed=1)).agreement < SURE


def test_a_frame_without_detail_has_no_anchors_and_says_so(scene):
    blank = expose(np.full((HEIGHT, WIDTH), 0.4))
    template = AnchorTemplate.of_frame(blank, 255, AlignOptions())
    assert len(template.corners) == 0
    assert template.align(expose(cut(scene, (0, 0)))).reason is Reason.NO_ANCHORS


# --- anchors of the user -------------------------------------------------------------------------


def test_the_anchors_of_the_user_are_used():
    grey = np.full((3 * HEIGHT, 3 * WIDTH), 0.5)
    # Detail in two places, which move differently.
    patch = texture(120, 120, 2)
    before, after = grey.copy(), grey.copy()
    before[HEIGHT + 20 : HEIGHT + 140, WIDTH + 20 : WIDTH + 140] = patch
    before[HEIGHT + 100 : HEIGHT + 220, WIDTH + 180 : WIDTH + 300] = patch[::-1]
    after[HEIGHT + 24 : HEIGHT + 144, WIDTH + 17 : WIDTH + 137] = patch
    after[HEIGHT + 101 : HEIGHT + 221, WIDTH + 182 : WIDTH + 302] = patch[::-1]
    for anchor, shift in (((80, 80), (4, -3)), ((160, 240), (1, 2))):
        options = AlignOptions(anchors=(anchor,), anchor_size=48)
        template = AnchorTemplate.of_frame(expose(cut(before, (0, 0))), 255, options)
        np.testing.assert_array_equal(template.corners, [np.array(anchor) - 24])
        found = template.align(expose(cut(after, (0, 0)), seed=1))
        assert found.offset == pytest.approx(shift, abs=0.1)


def test_blocks_of_the_users_anchors_stay_inside_the_frame(scene):
    options = AlignOptions(anchors=((0, 0), (239, 319), (120, 5.4)), anchor_size=32)
    template = AnchorTemplate.of_frame(expose(cut(scene, (0, 0))), 255, options)
    assert (template.corners >= 0).all()
    assert (template.corners + 32 <= [HEIGHT, WIDTH]).all()
    found = template.align(expose(cut(scene, (0, 0))))
    assert found.offset == pytest.approx((0, 0), abs=0.01)
    assert found.agreement >= SURE
