"""Where one frame lies against another."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.field.block_kriging import area_means, invert_positive_definite
from skry_dask.kernels.field.covariance import distances, unit_covariance
from skry_dask.kernels.matching.image_correlation import correlate_at_shifts
from skry_dask.options import AlignOptions
from skry_dask.phases.alignment.anchor_blocks import (
    N_CELLS,
    place_blocks,
)
from skry_dask.phases.alignment.anchor_template import AnchorTemplate
from skry_dask.phases.alignment.bright_objects import (
    find_brightest_object,
    is_on_dark_sky,
    measure_disc,
)
from skry_dask.phases.alignment.disc_template import CentroidTemplate, DiscTemplate
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.thumbnails import (
    BLANK_RANGE,
    MIN_OVERLAP,
    are_blank,
    coarse_shifts,
    make_thumbnails,
    search_all_shifts,
    spectrum,
)
from skry_dask.phases.rating.noise import local_noise_variance, noise_variance

HEIGHT, WIDTH = 240, 320
SURE = AlignOptions().min_confidence


def texture(height, width, seed=0, scale=1.5):
    """Draw a scene with detail everywhere, 0 to 1."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), scale)
    return (image - image.min()) / np.ptp(image)


def expose(light, seed=0, *, white=255, noise=1.5):
    """Turn light from 0 to 1 into a frame with read noise, in grey levels of 8 bits."""
    level = 10 + 220 * light + np.random.default_rng(seed).normal(size=light.shape) * noise
    dtype = np.uint8 if white == 255 else np.uint16
    return np.clip(np.rint(level * white / 255), 0, white).astype(dtype)


@pytest.fixture(scope="module")
def sky():
    """Three by three frames; the frame in the middle is the reference."""
    return texture(3 * HEIGHT, 3 * WIDTH)


def cut(sky, shift, *, height=HEIGHT, width=WIDTH):
    """Light of a frame in which the reference's scene shows shifted."""
    return sky[HEIGHT - shift[0] :, WIDTH - shift[1] :][:height, :width]


@pytest.fixture(scope="module")
def template(sky):
    return AnchorTemplate.of_frame(expose(cut(sky, (0, 0))), 255, AlignOptions(anchor_size=32))


# --- anchors -------------------------------------------------------------------------------------


def test_the_template_finds_itself_with_full_confidence(sky, template):
    placement = template.align(expose(cut(sky, (0, 0))))
    assert placement.offset == pytest.approx((0, 0), abs=0.01)
    assert placement.confidence == 1.0
    assert placement.reason is Reason.ACTIVE


@pytest.mark.parametrize("shift", [(0, 0), (1, -1), (7, 12), (-33, 5), (-51, -64), (90, 100)])
def test_shifts_are_found_to_a_twentieth_of_a_pixel(sky, template, shift):
    placement = template.align(expose(cut(sky, shift), seed=1))
    assert placement.offset == pytest.approx(shift, abs=0.05)
    assert placement.confidence >= 0.8


@pytest.mark.parametrize("fraction", [0.5, 0.6])
@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_shifts_by_more_than_half_a_frame_are_found(sky, template, direction, fraction):
    shift = tuple(round(d * fraction * n) for d, n in zip(direction, (HEIGHT, WIDTH), strict=True))
    placement = template.align(expose(cut(sky, shift), seed=1))
    assert placement.offset == pytest.approx(shift, abs=0.05)
    assert placement.confidence >= 0.8


@pytest.mark.parametrize("shift", [(0.5, -0.5), (-12.3, 20.8)])
def test_shifts_by_fractions_are_found(sky, template, shift):
    light = ndimage.shift(sky, shift, order=5, mode="nearest")
    placement = template.align(expose(np.clip(cut(light, (0, 0)), 0, 1), seed=1))
    assert placement.offset == pytest.approx(shift, abs=0.05)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_the_depth_of_samples_does_not_matter(sky, bits):
    white = 2**bits - 1
    frame = expose(cut(sky, (0, 0)), white=white)
    deep = AnchorTemplate.of_frame(frame, white, AlignOptions(anchor_size=32))
    placement = deep.align(expose(cut(sky, (9, -14)), seed=1, white=white))
    assert placement.offset == pytest.approx((9, -14), abs=0.05)


def test_a_blurred_dimmed_and_noisy_frame_is_still_found(sky, template):
    light = ndimage.gaussian_filter(cut(sky, (6, -11)), 1.5) * 0.8
    placement = template.align(expose(light, seed=1, noise=4))
    assert placement.offset == pytest.approx((6, -11), abs=0.15)
    assert placement.confidence >= SURE


def test_overexposed_parts_do_not_mislead(sky):
    light = 1.9 * sky
    frame = np.clip(expose(cut(light, (0, 0))), 0, 255)
    bright = AnchorTemplate.of_frame(frame, 255, AlignOptions(anchor_size=32))
    assert (frame == 255).mean() > 0.15
    placement = bright.align(expose(cut(light, (-13, 21)), seed=1))
    assert placement.offset == pytest.approx((-13, 21), abs=0.05)
    assert placement.confidence >= 0.8


def test_local_seeing_of_some_anchors_does_not_move_the_frame(sky, template):
    light = cut(sky, (4, 3)).copy()
    light[60:180, :110] = cut(sky, (9, 8))[60:180, :110]
    placement = template.align(expose(light, seed=1))
    assert placement.offset == pytest.approx((4, 3), abs=1.5)
    light[60:180, :110] = cut(sky, (120, -77))[60:180, :110]
    placement = template.align(expose(light, seed=1))
    assert placement.offset == pytest.approx((4, 3), abs=0.1)
    assert placement.confidence < 1.0


@pytest.mark.parametrize("level", [0, 40, 255])
def test_a_black_white_or_grey_frame_shows_nothing(template, level):
    noise = np.random.default_rng(1).normal(size=(HEIGHT, WIDTH)) * 1.2
    frame = np.clip(np.rint(level + noise), 0, 255).astype(np.uint8)
    placement = template.align(frame)
    assert placement.reason is Reason.NOTHING_TO_SEE
    assert placement.confidence == 0.0


@pytest.mark.parametrize("size", [32, 64])
def test_unrelated_noise_is_not_recognised(sky, size):
    options = AlignOptions(anchor_size=size)
    template = AnchorTemplate.of_frame(expose(cut(sky, (0, 0))), 255, options)
    frames = (
        np.random.default_rng(k).integers(0, 255, (HEIGHT, WIDTH), np.uint8) for k in range(8)
    )
    assert max(template.align(frame).confidence for frame in frames) < SURE


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_another_scene_is_not_recognised(scale):
    scenes = [texture(HEIGHT, WIDTH, seed, scale) for seed in range(7)]
    template = AnchorTemplate.of_frame(expose(scenes[0]), 255, AlignOptions(anchor_size=32))
    confidence = [template.align(expose(scene, seed=1)).confidence for scene in scenes[1:]]
    assert max(confidence) < SURE


def test_places_on_a_frame_do_not_depend_on_its_memory_layout(sky, template):
    frame = expose(cut(sky, (5, 7)), seed=1)
    strided = np.repeat(frame, 2, axis=1)[:, ::2]
    assert template.align(strided) == template.align(frame)


def test_the_users_anchors_are_used():
    sky = np.full((3 * HEIGHT, 3 * WIDTH), 0.5)
    # Detail in two places; they move differently.
    patch = texture(120, 120, 2)
    before, after = sky.copy(), sky.copy()
    before[HEIGHT + 20 : HEIGHT + 140, WIDTH + 20 : WIDTH + 140] = patch
    before[HEIGHT + 100 : HEIGHT + 220, WIDTH + 180 : WIDTH + 300] = patch[::-1]
    after[HEIGHT + 24 : HEIGHT + 144, WIDTH + 17 : WIDTH + 137] = patch
    after[HEIGHT + 101 : HEIGHT + 221, WIDTH + 182 : WIDTH + 302] = patch[::-1]
    for anchor, shift in (((80, 80), (4, -3)), ((160, 240), (1, 2))):
        options = AlignOptions(anchors=(anchor,), anchor_size=48)
        template = AnchorTemplate.of_frame(expose(cut(before, (0, 0))), 255, options)
        np.testing.assert_array_equal(template.corners, [np.array(anchor) - 24])
        placement = template.align(expose(cut(after, (0, 0)), seed=1))
        assert placement.offset == pytest.approx(shift, abs=0.1)


def test_blocks_of_the_users_anchors_stay_inside_the_frame(sky):
    options = AlignOptions(anchors=((0, 0), (239, 319), (120, 5.4)), anchor_size=32)
    template = AnchorTemplate.of_frame(expose(cut(sky, (0, 0))), 255, options)
    assert (template.corners >= 0).all()
    assert (template.corners + 32 <= [HEIGHT, WIDTH]).all()
    placement = template.align(expose(cut(sky, (0, 0))))
    assert placement.offset == pytest.approx((0, 0), abs=0.01)
    assert placement.confidence >= SURE


def test_a_frame_without_detail_has_no_anchors_and_says_so(sky):
    blank = expose(np.full((HEIGHT, WIDTH), 0.4))
    template = AnchorTemplate.of_frame(blank, 255, AlignOptions())
    assert len(template.corners) == 0
    assert template.align(expose(cut(sky, (0, 0)))).reason is Reason.NO_ANCHORS


# --- where anchors are placed --------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("shape", [(132, 132), (133, 250), (300, 200)])
def test_blocks_of_anchors_lie_inside_the_frame(shape, size):
    frame = expose(texture(*shape))
    corners = place_blocks(frame, size, local_noise_variance(frame, size))
    assert corners.dtype == np.int64
    assert len(corners) >= 1
    assert (corners >= 0).all()
    assert (corners + size <= shape).all()


def test_anchors_lie_apart_and_where_there_is_detail():
    light = np.full((240, 320), 0.3)
    light[:, 160:] = texture(240, 160)
    frame = expose(light)
    corners = place_blocks(frame, 32, local_noise_variance(frame, 32))
    assert (corners[:, 1] + 32 > 160).all()
    assert len(np.unique(corners, axis=0)) == len(corners)
    assert len(corners) <= 0.6 * N_CELLS
    assert np.hypot(*(corners[1:] - corners[:-1]).T).min() >= 10


def test_a_straight_edge_is_no_place_for_an_anchor():
    light = ndimage.gaussian_filter(np.where(np.arange(320) < 150, 0.1, 0.9), 1.2)
    frame = expose(np.tile(light, (240, 1)), noise=0)
    assert len(place_blocks(frame, 32, local_noise_variance(frame, 32))) == 0


# --- thumbnails ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "small"), [((100, 160), (100, 160)), ((100, 161), (50, 80)), ((612, 840), (76, 105))]
)
def test_thumbnails_are_at_most_160_px_wide(shape, small):
    image = make_thumbnails(np.full(shape, 255, np.uint8))
    assert image.shape == small
    assert image.dtype == np.float32
    assert (image == 255).all()


SMALL = texture(270, 330, seed=5).astype(np.float32) * 200


def part(shift):
    """Cut a thumbnail of 90 x 110 px out of a scene that shows shifted."""
    return SMALL[90 - shift[0] :, 110 - shift[1] :][:90, :110]


@pytest.mark.parametrize("shift", [(0, 0), (4, -7), (-45, 0), (0, 66), (54, 0), (30, -50)])
def test_thumbnails_are_found_at_any_shift_that_leaves_a_fifth_in_common(shift):
    assert search_all_shifts(part((0, 0)), part(shift)) == shift
    one, others = part((0, 0)), part(shift)[None]
    shifts, alike = coarse_shifts(one, spectrum(one), others, spectrum(others))
    assert shifts.tolist() == [list(shift)]
    assert alike[0] == pytest.approx(1.0, abs=1e-6)


def test_likeness_is_the_correlation_of_what_both_show():
    one, other = part((0, 0)), part((5, -9))

    def after(shift, other):
        shifts, least = np.array([[shift]]), MIN_OVERLAP * one.size
        return correlate_at_shifts(one, other[None], shifts, least)[0, 0]

    assert after((5, -9), other) == pytest.approx(1.0, abs=1e-6)
    assert after((5, -9), (250 - other)) == pytest.approx(-1.0, abs=1e-6)
    assert abs(after((0, 0), other)) < 0.2
    assert after((0, 0), np.zeros_like(other)) == -1.0
    assert after((0, 100), one) == -1.0
    assert after((95, 0), one) == -1.0


def test_a_small_bright_planet_is_something_to_see():
    light = np.zeros((240, 320))
    light[100:112, 150:162] = 0.5
    assert not are_blank(make_thumbnails(expose(light))[None], 255)[0]
    assert are_blank(make_thumbnails(expose(light * BLANK_RANGE / 4))[None], 255)[0]


@pytest.mark.parametrize("sigma", [0.0, 1.0, 5.0])
def test_noise_is_measured_in_spite_of_structure(sigma):
    light = 20 + 60 * ndimage.gaussian_filter(texture(200, 200), 6)
    noisy = light + np.random.default_rng(3).normal(size=light.shape) * sigma
    assert noise_variance(noisy) ** 0.5 == pytest.approx(sigma, rel=0.05, abs=0.05)


# --- centroid ------------------------------------------------------------------------------------


def disc(centre, *, radius=30.0, shape=(160, 200), level=0.8):
    """Light of a disc with a soft limb."""
    y, x = np.indices(shape)
    return level * np.clip(radius + 0.5 - np.hypot(y - centre[0], x - centre[1]), 0, 1)


@pytest.mark.parametrize("white", [255, 4095])
@pytest.mark.parametrize("shift", [(0, 0), (0.4, -0.7), (13.25, 21.5), (-33.1, 40.2)])
def test_the_shift_of_a_disc_is_found_to_a_twentieth_of_a_pixel(shift, white):
    template = CentroidTemplate.of_frame(
        expose(disc((80, 100)), white=white), white, AlignOptions(method="centroid")
    )
    moved = disc((80 + shift[0], 100 + shift[1]))
    placement = template.align(expose(moved, seed=1, white=white))
    assert placement.offset == pytest.approx(shift, abs=0.05)
    assert placement.confidence == 1.0
    assert placement.reason is Reason.ACTIVE


def test_the_centroid_is_where_the_disc_is():
    found = measure_disc(expose(disc((71.3, 88.8))), 255)
    assert found.centre == pytest.approx((71.3, 88.8), abs=0.05)
    assert found.diameter == pytest.approx(60, abs=0.5)
    large = measure_disc(expose(disc((201.0, 333.3), radius=90, shape=(480, 640))), 255)
    assert large.centre == pytest.approx((201.0, 333.3), abs=0.05)


@pytest.mark.parametrize("kind", [CentroidTemplate, DiscTemplate])
@pytest.mark.parametrize("centre", [(5, 100), (80, 190), (150, 100), (80, 12)])
def test_a_disc_cut_by_the_border_is_told_apart(kind, centre):
    template = kind.of_frame(expose(disc((80, 100))), 255, AlignOptions())
    placement = template.align(expose(disc(centre)))
    assert placement.reason is Reason.CUT_BY_BORDER
    assert placement.confidence == 0.0


@pytest.mark.parametrize("centre", [(31.5, 100), (80, 168)])
def test_a_disc_that_just_touches_the_border_is_whole(centre):
    found = measure_disc(expose(disc(centre)), 255)
    assert found.reason is Reason.ACTIVE
    assert found.centre == pytest.approx(centre, abs=0.05)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_sky_without_a_disc_shows_nothing(level):
    frame = expose(np.full((160, 200), level), noise=1.0)
    template = CentroidTemplate.of_frame(expose(disc((80, 100))), 255, AlignOptions())
    placement = template.align(frame)
    assert placement.reason is Reason.NOTHING_TO_SEE
    assert placement.confidence == 0.0


def test_a_disc_of_another_size_is_not_recognised():
    template = CentroidTemplate.of_frame(expose(disc((80, 100))), 255, AlignOptions())
    for radius, reason in ((12, Reason.NOT_RECOGNISED), (27, Reason.ACTIVE)):
        placement = template.align(expose(disc((70, 90), radius=radius)))
        assert placement.reason is reason
        assert placement.confidence == (reason is Reason.ACTIVE)


def test_stars_moons_and_hot_pixels_do_not_pull():
    frame = expose(disc((60, 70)) + disc((60, 120), radius=5) + disc((110, 40), radius=3))
    frame[150, 190] = frame[10, 180] = 250
    assert measure_disc(frame, 255).centre == pytest.approx((60, 70), abs=0.05)


@pytest.mark.parametrize("shift", [(0, 0), (13, -21), (-30, 60)])
def test_a_disc_is_placed_by_what_its_face_shows(shift):
    shape = (160, 240)
    face = 0.4 + 0.6 * texture(*shape, seed=4, scale=2)
    whole = disc((80, 100), shape=shape, radius=40) * face
    # The limb is bent by seeing, so the centre of brightness lies; most of the face is not.
    bent = whole.copy()
    bent[:50] = ndimage.shift(whole, (-3, 0), order=1)[:50]
    template = DiscTemplate.of_frame(expose(whole), 255, AlignOptions())
    assert len(template.anchors.corners) > 10
    placement = template.align(expose(np.roll(bent, shift, axis=(0, 1)), seed=1))
    # A fifth of the anchors moved by 3 px; weights make no more of them than they are.
    assert placement.offset == pytest.approx((shift[0] - 0.6, shift[1]), abs=0.6)
    assert placement.confidence >= SURE


def test_a_disc_with_an_empty_face_is_placed_by_its_centroid():
    y, x = np.indices((160, 200))
    light = 0.3 * np.exp(-((y - 80.0) ** 2 + (x - 100.0) ** 2) / (2 * 12**2))
    template = DiscTemplate.of_frame(expose(light), 255, AlignOptions())
    placement = template.align(expose(np.roll(light, (20, -15), axis=(0, 1)), seed=1))
    assert placement.offset == pytest.approx((20, -15), abs=0.3)
    assert placement.confidence >= SURE


# --- objects on a dark sky -----------------------------------------------------------------------


def seen_alone(light, noise=1.5):
    small = make_thumbnails(expose(light, noise=noise))
    glimpse = find_brightest_object(small, 255)
    return glimpse is not None and is_on_dark_sky(small, glimpse)


@pytest.mark.parametrize("radius", [4, 15, 50])
def test_planets_stand_on_a_dark_sky(radius):
    light = disc((80, 100), radius=radius)
    assert seen_alone(light)
    assert seen_alone(light + disc((20, 30), radius=2))
    assert seen_alone(light * (np.indices(light.shape)[1] < 100))


def test_landscapes_do_not():
    assert not seen_alone(texture(160, 200))
    assert not seen_alone(np.clip(texture(160, 200, scale=6), 0, 1))
    assert not seen_alone(disc((80, 100), radius=90))
    assert not seen_alone(0.5 * texture(160, 200) + disc((80, 100), radius=15) / 2)
    assert not seen_alone(np.full((160, 200), 0.3))


# --- the mean over the frame ---------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0, 1, 30, 44])
def test_weights_of_what_was_found_are_those_of_kriging_from_it_alone(missing):
    rng = np.random.default_rng(8)
    places, area = rng.uniform(0, 200, (45, 2)), rng.uniform(0, 200, (60, 2))
    own = unit_covariance(distances(places, places), 40.0) + 0.1 * np.eye(45)
    toward = unit_covariance(distances(places, area), 40.0).mean(axis=1)
    values = rng.normal(size=(45, 2))
    found = np.ones(45, bool)
    found[rng.permutation(45)[:missing]] = False
    there = own[np.ix_(found, found)]
    system = np.block([[there, np.ones((len(there), 1))], [np.ones((1, len(there))), 0]])
    weights = np.linalg.solve(system, [*toward[found], 1.0])[:-1]
    values[~found] = np.nan
    np.testing.assert_allclose(
        area_means(values[None], found[None], invert_positive_definite(own), toward)[0],
        weights @ values[found],
        atol=1e-9,
    )


def test_correlation_falls_like_a_gaussian():
    away = np.stack([np.linspace(0, 300, 61), np.zeros(61)], axis=1)
    found = unit_covariance(distances(np.zeros((1, 2)), away), 60.0)[0]
    np.testing.assert_allclose(found, np.exp(-0.5 * (away[:, 0] / 60) ** 2), atol=0.05)
    assert found[0] == 1
    assert found[-1] == 0


def test_a_field_that_changes_evenly_has_its_mean_in_spite_of_a_gap():
    # Half of the frame has four times as many anchors; its plain mean would lie at x = 68.
    dense = np.stack(np.meshgrid(np.arange(10, 200, 10), np.arange(5, 100, 10)), -1).reshape(-1, 2)
    sparse = np.stack(np.meshgrid(np.arange(10, 200, 20), np.arange(110, 200, 20)), -1)
    places = np.concatenate([dense, sparse.reshape(-1, 2)]).astype(float)
    area = np.stack(np.meshgrid(np.arange(0, 201, 10.0), np.arange(0, 201, 10.0)), -1)
    own = unit_covariance(distances(places, places), 60.0) + 0.1 * np.eye(len(places))
    toward = unit_covariance(distances(places, area.reshape(-1, 2)), 60.0).mean(axis=1)
    found = np.ones(len(places), bool)
    found[::7] = False
    (mean,) = area_means(places[None], found[None], invert_positive_definite(own), toward)
    assert mean == pytest.approx((100, 100), abs=4)
    assert places[found].mean(axis=0)[1] < 72
