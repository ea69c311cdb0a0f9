"""Dark, flat and bad pixels of a capture, and masters made from videos."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.capture.calibrate import calibrate, master_dark, master_flat, sampled_mean
from skry_dask.capture.develop import Developer
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.io.images.write import write_image
from skry_dask.options import CalibrationOptions
from skry_dask.types import CHANNEL

SHAPE = (60, 74)
CFA = "GRBG"
RNG = np.random.default_rng(5)
KINDS = pytest.mark.parametrize("kind", ["mono", "mosaic", "colour"])


def capture_of(frames, **attrs):
    """A capture as `open_capture` gives it."""
    frames = np.asarray(frames)
    dims = ("frame", "y", "x", "channel")[: frames.ndim]
    chunks = (2, *(-1,) * (frames.ndim - 1))
    coords = {dim: np.arange(n) for dim, n in zip(dims[:3], frames.shape[:3], strict=True)}
    if frames.ndim > 3:
        coords["channel"] = CHANNEL
    attrs = {"bits": 8, "digest": "d", "problems": ["Old."], "source": "moon.ser", **attrs}
    return xr.Dataset({"frames": (dims, da.from_array(frames, chunks=chunks))}, coords, attrs)


def of_kind(kind, image, n_frames=5, **attrs):
    """A still capture of an image (y, x), in colour as well."""
    if kind == "colour":
        image = np.stack([image, image, image], axis=-1)
    if kind == "mosaic":
        attrs["cfa"] = CFA
    dtype = np.uint8 if attrs.get("bits", 8) == 8 else np.uint16
    return capture_of(np.stack([np.rint(image).astype(dtype)] * n_frames), **attrs)


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Write masters into the working directory, so that messages name them as they are."""
    monkeypatch.chdir(tmp_path)

    def write(name, image):
        kind = "tiff32" if name.endswith(".tif") else "png16"
        write_image(name, np.asarray(image), kind=kind, metadata={})
        return name

    return write


def vignetting(shape=SHAPE):
    y, x = np.indices(shape)
    return 1 - 0.8 * ((y / shape[0] - 0.5) ** 2 + (x / shape[1] - 0.4) ** 2)


def failing(capture, **options):
    with pytest.raises(OptionsError) as error:
        calibrate(capture, CalibrationOptions(**options))
    return str(error.value)


# --- what frames become ------------------------------------------------------------------------


def test_without_options_a_capture_stays_as_it_is():
    capture = of_kind("mono", np.full(SHAPE, 100))
    assert calibrate(capture) is capture
    assert calibrate(capture, CalibrationOptions(hot_pixels="none")) is capture


@KINDS
def test_a_flat_makes_an_even_field_even_and_keeps_its_colours(kind, save):
    filters = np.ones(SHAPE)
    if kind == "mosaic":
        filters[::2, 1::2], filters[1::2, ::2] = 0.7, 0.4
    light = 60000 * vignetting() * filters
    capture = of_kind(kind, light, bits=16)
    flat = (0.5 * vignetting() * filters).astype(np.float32)
    if kind == "colour":
        flat = flat[..., None] * np.array([1, 0.9, 0.5], np.float32)
    calibrated = calibrate(capture, CalibrationOptions(flat=save("flat.tif", flat)))
    assert set(calibrated.data_vars) == {"frames", "gain"}
    assert calibrated["gain"].dtype == np.float32
    assert calibrated["gain"].dims == capture["frames"].dims[1:]
    even = Developer.of(calibrated).calibrated(capture["frames"].to_numpy()[0]).astype(float)
    for value in np.unique(filters):
        # Rounding the gain to 1/4096 and levels to whole ones is all that is left.
        of_colour = even[filters == value]
        expected = light[filters == value].mean()
        np.testing.assert_allclose(of_colour, expected, atol=expected / 4096 + 2)


@KINDS
def test_a_grey_flat_or_dark_serves_every_kind_of_frames(kind, save):
    capture = of_kind(kind, 100 + np.zeros(SHAPE))
    flat, dark = 0.5 * vignetting(), 0.02 * vignetting()
    options = CalibrationOptions(
        flat=save("flat.tif", flat), dark=save("dark.tif", dark), hot_pixels="none"
    )
    calibrated = calibrate(capture, options)
    for name in ("dark", "gain"):
        assert calibrated[name].shape == capture["frames"].shape[1:]
    levels = dark if kind != "colour" else np.repeat(dark[..., None], 3, axis=-1)
    np.testing.assert_allclose(calibrated["dark"], 255 * levels, rtol=1e-6)


def test_the_pattern_of_a_dark_vanishes(save):
    pattern = RNG.integers(0, 30, SHAPE)
    capture = of_kind("mono", 100 + pattern)
    options = CalibrationOptions(dark=save("dark.tif", pattern / 255), hot_pixels="none")
    calibrated = calibrate(capture, options)
    assert set(calibrated.data_vars) == {"frames", "dark"}
    developer = Developer.of(calibrated)
    even = developer.calibrated(capture["frames"].to_numpy()[0])
    np.testing.assert_array_equal(even, (100 << developer.shift) + developer.black)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_dark_of_any_depth_is_in_grey_levels_of_the_capture(bits, save):
    white = 2**bits - 1
    dark = save("dark.png", np.full(SHAPE, 1000 / 65535))
    capture = of_kind("mono", np.full(SHAPE, white // 2), bits=bits)
    calibrated = calibrate(capture, CalibrationOptions(dark=dark))
    np.testing.assert_allclose(calibrated["dark"], 1000 / 65535 * white, rtol=1e-6)
    assert calibrated["dark"].attrs["units"] == "grey level"


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (2, 3), (5, 6)])
@KINDS
def test_calibrating_a_crop_is_cropping_what_is_calibrated(kind, corner, save):
    capture = of_kind(kind, 90 + RNG.integers(0, 90, SHAPE))
    dark = 0.05 + 0.01 * RNG.random(SHAPE)
    dark[9, 10] = dark[20, 31] = 0.3
    options = CalibrationOptions(
        dark=save("dark.tif", dark), flat=save("flat.tif", 0.5 * vignetting())
    )
    part = {"y": slice(corner[0], corner[0] + 40), "x": slice(corner[1], corner[1] + 50)}
    cropped_first = calibrate(capture.isel(part), options)
    cropped_last = calibrate(capture, options).isel(part)
    assert {"dark", "gain", "bad"} < set(cropped_first.data_vars)
    for name in ("gain", "bad", "dark"):
        xr.testing.assert_identical(cropped_first[name], cropped_last[name])
    assert cropped_first["bad"].sum() == (6 if kind == "colour" else 2)


@pytest.mark.parametrize("corner", [(1, 0), (2, 3), (5, 6)])
def test_masters_of_the_region_of_interest_alone_have_its_colours(corner, save):
    filters = np.ones(SHAPE)
    filters[::2, 1::2], filters[1::2, ::2] = 0.7, 0.4
    flat = 0.5 * vignetting() * filters
    flat *= 1 + 0.01 * np.sin(np.arange(SHAPE[1]))
    capture = of_kind("mosaic", 200 * flat)
    part = (slice(corner[0], corner[0] + 40), slice(corner[1], corner[1] + 50))
    save("flat.tif", flat[part])
    cropped = capture.isel(y=part[0], x=part[1])
    gain = calibrate(cropped, CalibrationOptions(flat="flat.tif"))["gain"].to_numpy()
    even = gain * flat[part]
    for value in np.unique(filters):
        of_colour = even[filters[part] == value]
        np.testing.assert_allclose(of_colour, of_colour.mean(), rtol=1e-5)
        np.testing.assert_allclose(of_colour.mean(), flat[part][filters[part] == value].mean())


# --- bad pixels --------------------------------------------------------------------------------

HOT = [(10, 10), (10, 21), (31, 40), (31, 51)]  # one of each colour, and both greens


@KINDS
def test_hot_pixels_of_the_dark_become_their_neighbours_of_the_same_colour(kind, save):
    filters = np.full(SHAPE, 100.0)
    if kind == "mosaic":
        filters[::2, 1::2], filters[1::2, ::2] = 70, 40
    dark = np.full(SHAPE, 0.04)
    dark[tuple(np.transpose(HOT))] = 0.5
    capture = of_kind(kind, np.minimum(filters + 255 * dark, 255))
    calibrated = calibrate(capture, CalibrationOptions(dark=save("dark.tif", dark)))
    n_hot = len(HOT) * (3 if kind == "colour" else 1)
    assert np.argwhere(calibrated["bad"].to_numpy())[:, :2].tolist() == [
        list(hot) for hot in HOT for _ in range(n_hot // len(HOT))
    ]
    assert calibrated.attrs["problems"] == [
        "Old.",
        f"{n_hot} hot pixels are replaced by their neighbours.",
    ]
    # The dark of a hot pixel is that of its neighbours: the level that replaces it has theirs.
    np.testing.assert_allclose(calibrated["dark"], 0.04 * 255, atol=1e-4)
    developer = Developer.of(calibrated)
    found = developer.calibrated(capture["frames"].to_numpy()[0]).astype(float)
    clean = found - developer.black
    expected = np.rint(filters + 10.2) - 10.2
    if kind == "colour":
        expected = expected[..., None]
    np.testing.assert_allclose(
        clean / 2**developer.shift, np.broadcast_to(expected, clean.shape), atol=0.01
    )


@KINDS
def test_bad_pixels_of_the_capture_are_found_without_a_dark(kind):
    y, x = np.indices(SHAPE)
    image = 120 + 40 * np.sin(y / 9) * np.cos(x / 11)
    image[10, 10], image[31, 51] = 250, 0
    calibrated = calibrate(of_kind(kind, image), CalibrationOptions(hot_pixels="capture"))
    assert set(calibrated.data_vars) == {"frames", "bad"}
    assert calibrated["bad"].dtype == bool
    bad = np.argwhere(calibrated["bad"].to_numpy())[:, :2]
    assert np.unique(bad, axis=0).tolist() == [[10, 10], [31, 51]]
    n = 3 if kind == "colour" else 1
    assert calibrated.attrs["problems"][1:] == [
        f"{n} hot and {n} dead pixels are replaced by their neighbours."
    ]


def test_hot_pixels_that_the_dark_takes_out_are_not_bad(save):
    dark = np.full(SHAPE, 0.04)
    dark[10, 10] = 0.2
    image = 100 + 255 * dark
    image[31, 51] = 250
    options = CalibrationOptions(dark=save("dark.tif", dark), hot_pixels="capture")
    calibrated = calibrate(of_kind("mono", image), options)
    assert np.argwhere(calibrated["bad"].to_numpy()).tolist() == [[31, 51]]
    assert calibrated.attrs["problems"][1:] == ["1 hot pixel is replaced by its neighbours."]


def test_a_camera_without_bad_pixels_gets_no_variable(moon, save):
    found = calibrate(moon.chunk({"frame": 16}), CalibrationOptions(hot_pixels="capture"))
    assert "bad" not in found
    assert found.attrs["problems"] == []
    assert "digest" not in found.attrs  # no more than a simulated capture has


def test_bad_pixels_planted_in_a_simulated_capture_are_found(moon):
    frames = moon["frames"].to_numpy().copy()
    hot = RNG.choice(frames[0].size, 40, replace=False)
    frames.reshape(len(frames), -1)[:, hot] = 255
    capture = moon.assign(frames=(("frame", "y", "x"), frames)).chunk({"frame": 16})
    found = calibrate(capture, CalibrationOptions(hot_pixels="capture"))
    assert np.flatnonzero(found["bad"].to_numpy()).tolist() == sorted(hot)


# --- digests -----------------------------------------------------------------------------------


def test_the_digest_depends_on_what_masters_hold_and_not_on_where_they_are(save, tmp_path):
    capture = of_kind("mono", np.full(SHAPE, 100))
    dark, flat = np.full(SHAPE, 0.04), 0.5 * vignetting()
    (tmp_path / "elsewhere").mkdir()

    def digest(capture=capture, **options):
        return calibrate(capture, CalibrationOptions(**options)).attrs["digest"]

    first = digest(dark=save("dark.tif", dark), flat=save("flat.tif", flat))
    moved = digest(dark=save("elsewhere/d.tif", dark), flat=save("elsewhere/f.tif", flat))
    assert first == moved
    others = [
        digest(dark="dark.tif"),
        digest(dark=save("other.tif", dark + 0.001)),
        digest(dark="dark.tif", hot_pixels="none"),
        digest(dark="dark.tif", hot_pixels="capture"),
        digest(hot_pixels="capture"),
        digest(flat="flat.tif"),
        digest(capture.assign_attrs(digest="e"), flat="flat.tif"),
    ]
    assert len({first, capture.attrs["digest"], *others}) == 9


def test_calibrating_twice_gives_the_same_bits(save):
    capture = of_kind("mosaic", 90 + RNG.integers(0, 90, SHAPE))
    options = CalibrationOptions(
        dark=save("dark.tif", 0.05 * RNG.random(SHAPE)), flat=save("flat.tif", vignetting() / 2)
    )
    xr.testing.assert_identical(calibrate(capture, options), calibrate(capture, options))
    thick = capture.chunk({"frame": 5})
    for name in ("dark", "gain"):
        xr.testing.assert_identical(
            calibrate(capture, options)[name], calibrate(thick, options)[name]
        )


class Film:
    """Even frames that note which of them are read."""

    shape, dtype, ndim = (100, *SHAPE), np.dtype(np.uint8), 3
    reads: list = []  # noqa: RUF012

    def __getitem__(self, key):
        self.reads.append(range(100)[key[0]])
        return np.full(self.shape, 100, np.uint8)[key]


def test_frames_stay_lazy_and_only_a_few_are_read(save):
    meta = np.empty((0, 0, 0), np.uint8)
    film = da.from_array(Film(), chunks=(10, -1, -1), asarray=False, meta=meta)
    capture = xr.Dataset({"frames": (("frame", "y", "x"), film)}, attrs={"bits": 8})
    Film.reads.clear()
    calibrate(capture, CalibrationOptions(dark=save("dark.tif", np.full(SHAPE, 0.1))))
    assert Film.reads == [range(i, i + 1) for i in (0, 25, 50, 74, 99)]
    Film.reads.clear()
    calibrated = calibrate(capture, CalibrationOptions(hot_pixels="capture"))
    assert [len(read) for read in Film.reads] == [1] * 32
    assert calibrated["frames"].data is film


# --- masters that do not fit -------------------------------------------------------------------


def test_masters_of_another_size_are_refused(save):
    capture = of_kind("mono", np.full(SHAPE, 100))
    small = np.full((48, 64), 0.5)
    assert failing(capture, flat=save("flat.tif", small)) == (
        "flat.tif is 64 x 48 px, frames are 74 x 60 px: give a master made with the same camera "
        "settings"
    )
    crop = capture.isel(y=slice(10, 60), x=slice(7, 70))
    assert failing(crop, dark=save("dark.tif", small)) == (
        "dark.tif is 64 x 48 px, frames are 63 x 50 px, from row 10 and column 7: give a master "
        "made with the same camera settings"
    )


def test_a_larger_master_is_used_from_its_corner_with_a_word(save):
    capture = of_kind("mono", np.full(SHAPE, 100))
    dark = 0.02 + 0.01 * RNG.random((70, 80))
    options = CalibrationOptions(dark=save("dark.tif", dark), hot_pixels="none")
    calibrated = calibrate(capture, options)
    np.testing.assert_allclose(calibrated["dark"], 255 * dark[:60, :74], rtol=1e-6)
    assert calibrated.attrs["problems"][1:] == [
        "dark.tif is 80 x 70 px, larger than the frames (74 x 60 px): its upper left corner is "
        "used."
    ]


def test_masters_of_other_colours_are_refused(save, monkeypatch):
    save("flat.tif", np.full((*SHAPE, 3), 0.5))
    assert failing(of_kind("mono", np.full(SHAPE, 100)), flat="flat.tif") == (
        "flat.tif is a colour image, frames are grey: give a master made of such frames"
    )
    mosaic = of_kind("mosaic", np.full(SHAPE, 100))
    assert failing(mosaic, flat="flat.tif") == (
        "flat.tif is a colour image, frames are raw colour: give a master made of such frames"
    )
    from skry_dask.capture import masters
    from skry_dask.io.images.read import ImageFile

    raw = ImageFile(np.full(SHAPE, 0.5), 1.0, "RGGB", {})
    monkeypatch.setattr(masters, "read_image", lambda path: raw)
    assert failing(mosaic, flat="flat.fits") == (
        "flat.fits has the colour filter array RGGB, frames have GRBG there: give a master made "
        "with the same camera settings"
    )
    assert failing(of_kind("colour", np.full(SHAPE, 100)), dark="dark.fits") == (
        "dark.fits is raw colour (RGGB), frames have red, green and blue: give a master made of "
        "such frames"
    )
    # Mono frames have no pattern to compare; without its first column, the frames' is the master's.
    calibrate(of_kind("mono", np.full(SHAPE, 100)), CalibrationOptions(flat="flat.fits"))
    raw = ImageFile(np.full((60, 73), 0.5), 1.0, "RGGB", {})
    calibrate(mosaic.isel(x=slice(1, None)), CalibrationOptions(flat="flat.fits"))


def test_values_that_are_not_numbers_are_refused(save):
    image = np.full(SHAPE, 0.1)
    image[3, 4], image[5, 6] = np.nan, np.inf
    assert failing(of_kind("mono", np.full(SHAPE, 100)), dark=save("dark.tif", image)) == (
        "dark.tif: 2 of its values are not numbers: make the dark again"
    )


def test_darks_with_light_are_refused(save):
    capture = of_kind("mono", np.full(SHAPE, 100))
    assert failing(capture, dark=save("dark.tif", np.full(SHAPE, 0.4))) == (
        "dark.tif: the dark (mean 102.0 grey levels) is not darker than the frames of moon.ser "
        "(mean 100.0): give a dark of the same exposure and gain"
    )
    assert failing(capture, dark=save("dark.tif", np.full(SHAPE, 0.6))) == (
        "dark.tif: the mean of the dark is 153.0 grey levels of 255: give an image taken without "
        "light"
    )


def test_flats_that_are_none_are_refused(save):
    capture = of_kind("mono", np.full(SHAPE, 100))
    flat = 0.5 * vignetting()
    flat[:9] = 0.001
    assert failing(capture, flat=save("flat.tif", flat)) == (
        "flat.tif is not a flat: 15% of the pixels of a colour got no light: give an image of an "
        "evenly lit field"
    )
    assert "100% of the pixels" in failing(capture, flat=save("flat.tif", np.zeros(SHAPE)))
    flat = np.minimum(2 * vignetting(), 1)
    assert failing(capture, flat=save("flat.png", flat)).endswith(
        "of the pixels are white, so the flat is overexposed: record it at about half of full scale"
    )
    # As other programs write them: scaled to a mean of 1.
    calibrate(
        capture, CalibrationOptions(flat=save("flat.tif", vignetting() / vignetting().mean()))
    )


def test_a_missing_master_is_a_reader_error(save):
    with pytest.raises(ReaderError, match=r"nowhere\.tif"):
        calibrate(of_kind("mono", np.full(SHAPE, 100)), CalibrationOptions(dark="nowhere.tif"))


# --- masters from videos -----------------------------------------------------------------------


@KINDS
def test_a_master_dark_is_the_mean_of_all_frames(kind):
    shape = (7, *SHAPE, 3) if kind == "colour" else (7, *SHAPE)
    frames = RNG.integers(0, 4096, shape, np.uint16)
    capture = capture_of(frames, bits=12, **({"cfa": CFA} if kind == "mosaic" else {}))
    made = master_dark(capture)
    assert dask.is_dask_collection(made["master"].data)
    expected = (frames.astype(np.int64).sum(axis=0) / (7 * 4095)).astype(np.float32)
    assert made["master"].dtype == np.float32
    np.testing.assert_array_equal(made["master"], expected)
    assert made["master"].dims == capture["frames"].dims[1:]
    assert made["n_frames"] == 7
    for chunks in (1, 3, 7):
        other = master_dark(capture.chunk({"frame": chunks}))["master"]
        np.testing.assert_array_equal(other, expected)


@KINDS
def test_a_master_flat_is_the_mean_less_the_dark(kind, save):
    dark = 0.04 * vignetting()
    light = 140 * vignetting() + 255 * dark
    capture = of_kind(kind, light)
    made = master_flat(capture, save("dark.tif", dark))
    frame = capture["frames"].to_numpy()[0] / 255
    levels = dark[..., None] if kind == "colour" else dark
    np.testing.assert_allclose(made["master"], frame - levels, atol=1e-6)
    np.testing.assert_array_equal(made["master"], master_flat(capture, dark)["master"])
    np.testing.assert_allclose(master_flat(capture)["master"], frame, atol=1e-6)
    assert made.attrs["problems"] == []


def test_a_master_flat_of_a_bad_video_is_refused(save):
    def refused(image, dark=None):
        with pytest.raises(OptionsError) as error:
            master_flat(of_kind("mono", image, source="flat.ser"), dark)
        return str(error.value)

    assert refused(np.minimum(400 * vignetting(), 255)) == (
        "flat.ser: 98% of the pixels are white, so the flat is overexposed: record it at about "
        "half of full scale"
    )
    assert refused(np.full(SHAPE, 10)) == (
        "flat.ser: the median of the flat is 3.9% of full scale: record it at about half of full "
        "scale"
    )
    uneven = 150 * vignetting()
    uneven[:, :10] = 3
    assert refused(uneven) == (
        "flat.ser is not a flat: 14% of the pixels of a colour got no light: give an image of an "
        "evenly lit field"
    )
    assert refused(100 * vignetting(), np.full(SHAPE, 0.45, np.float32)).startswith(
        "the dark: the dark (mean 114.8 grey levels) is not darker than the frames of flat.ser"
    )
    assert refused(100 * vignetting(), np.zeros((3, 4))) == (
        "the dark is 4 x 3 px, frames are 74 x 60 px: give a master made with the same camera "
        "settings"
    )
    assert refused(100 * vignetting(), np.zeros(4)) == (
        "the dark has the shape (4,): give an image (y, x) or (y, x, 3)"
    )


def test_captures_without_frames_are_refused():
    empty = capture_of(np.empty((0, *SHAPE), np.uint8))
    for function in (master_dark, master_flat, lambda capture: sampled_mean(capture, 5)):
        with pytest.raises(ReaderError, match=r"^moon\.ser has no frames: record it again$"):
            function(empty)


def test_masters_made_from_videos_calibrate_them(save):
    """The whole way: dark and flat of a sensor with every fault, and the scene as it is."""
    rng = np.random.default_rng(11)
    offset = 12 + 6 * rng.random(SHAPE)
    offset[20, 30] = 200
    response = vignetting() * (1 + 0.05 * rng.standard_normal(SHAPE))
    y, x = np.indices(SHAPE)
    scene = 120 + 50 * np.sin(y / 9) * np.cos(x / 11)

    def record(light):
        noise = rng.normal(0, 1, (64, *SHAPE))
        levels = offset + light * response + noise
        return capture_of(np.clip(np.rint(levels), 0, 255).astype(np.uint8))

    save("dark.tif", master_dark(record(0))["master"].to_numpy())
    save("flat.tif", master_flat(record(150), "dark.tif")["master"].to_numpy())
    capture = record(scene)
    calibrated = calibrate(capture, CalibrationOptions(dark="dark.tif", flat="flat.tif"))
    developer = Developer.of(calibrated)
    frames = capture["frames"].to_numpy()
    levels = np.mean([developer.calibrated(frame) for frame in frames], axis=0)
    found = (levels - developer.black) / 2**developer.shift
    scale = response[response > 0.05].mean()
    raw_error = frames.mean(axis=0) - scene * scale
    error = found - scene * scale
    assert np.argwhere(calibrated["bad"].to_numpy()).tolist() == [[20, 30]]
    assert abs(error[20, 30]) < 8
    assert error.std() < 0.6
    assert raw_error.std() > 10


def test_calibration_options_reach_the_public_names():
    assert skry.CalibrationOptions is CalibrationOptions
