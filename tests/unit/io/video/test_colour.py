"""YUV to RGB, against the formulas of the standards in floating point."""

from __future__ import annotations

from itertools import product

import av
import numpy as np
import pytest

from skry_dask.io.video.colour import has_colour, luma_weights, to_rgb, unknown_matrix
from skry_dask.io.video.grey import to_grey

LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
UNKNOWN, BT709, BT601, BT2020 = 2, 1, 6, 9  # AVCOL_SPC_*
RED_BLUE = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593)}
RANDOM = np.random.default_rng(5)


def yuv_frame(
    planes: list[np.ndarray], pixel_format: str, color_range: int = 0, colorspace: int = UNKNOWN
) -> av.VideoFrame:
    """Make a frame of given samples."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    frame.color_range, frame.colorspace = color_range, colorspace
    for plane, samples in zip(frame.planes, planes, strict=True):
        word = np.dtype("u1" if samples.dtype == np.uint8 else "<u2")
        content = np.zeros((plane.height, plane.line_size // word.itemsize), word)
        content[:, : samples.shape[1]] = samples
        plane.update(content.tobytes())
    return frame


def by_formula(
    planes: list[np.ndarray], bits: int, limited: bool, weights: tuple[float, float], full: int
) -> np.ndarray:
    """Red, green and blue before rounding, of samples that are not shared."""
    kr, kb = weights
    unit = 2 ** (bits - 8)
    y, u, v = (plane.astype(float) for plane in planes)
    y = (y - 16 * unit) / (219 * unit) if limited else y / (2**bits - 1)
    u, v = ((c - 2 ** (bits - 1)) / (224 * unit if limited else 2**bits - 1) for c in (u, v))
    red = y + 2 * (1 - kr) * v
    blue = y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return (np.stack([red, green, blue], axis=-1) * full).clip(0, full)


NAME = {8: "yuv444p", 10: "yuv444p10le", 12: "yuv444p12le", 16: "yuv444p16le"}


@pytest.mark.parametrize("limited", [False, True], ids=["full", "limited"])
@pytest.mark.parametrize("matrix", RED_BLUE)
@pytest.mark.parametrize("bits", NAME)
def test_colours_are_those_of_the_formulas(bits: int, matrix: int, limited: bool) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    full = int(np.iinfo(dtype).max)
    planes = list(RANDOM.integers(0, 2**bits, (3, 37, 41), dtype, endpoint=False))
    planes[0][0], planes[1][1], planes[2][2] = 0, 0, 2**bits - 1
    frame = yuv_frame(planes, NAME[bits], LIMITED if limited else FULL, matrix)
    expected = by_formula(planes, bits, limited, RED_BLUE[matrix], full)
    # Half a level of rounding, and what the tables' fractions of a level may add.
    assert np.abs(to_rgb(frame, dtype.__name__) - expected).max() <= 0.51


@pytest.mark.parametrize("limited", [False, True], ids=["full", "limited"])
@pytest.mark.parametrize("matrix", RED_BLUE)
@pytest.mark.parametrize("name", [*NAME.values(), "yuv420p", "yuv422p10le", "yuv420p16le"])
def test_without_colour_red_green_and_blue_are_the_grey_value_exactly(
    name: str, matrix: int, limited: bool
) -> None:
    frame = av.VideoFrame(256, 256, name)
    bits = frame.format.components[0].bits
    dtype = np.uint8 if bits == 8 else np.uint16
    luma = np.arange(256 * 256).reshape(256, 256) % 2**bits
    shapes = [(plane.height, plane.width) for plane in frame.planes]
    neutral = [np.full(shape, 2 ** (bits - 1), dtype) for shape in shapes[1:]]
    frame = yuv_frame([luma.astype(dtype), *neutral], name, LIMITED if limited else FULL, matrix)
    grey, rgb = to_grey(frame, dtype.__name__), to_rgb(frame, dtype.__name__)
    assert (rgb == grey[..., None]).all()
    black, white = (16 << (bits - 8), 235 << (bits - 8)) if limited else (0, 2**bits - 1)
    assert (rgb[luma == black] == 0).all()
    assert (rgb[luma == white] == np.iinfo(dtype).max).all()


def upsampled(samples: np.ndarray, factor: int, first: bool) -> np.ndarray:
    """Interpolate along the last axis at the places of `factor` times as many pixels."""
    n = samples.shape[-1]
    place = (np.arange(n * factor) - (0 if first else (factor - 1) / 2)) / factor
    return np.apply_along_axis(lambda row: np.interp(place, np.arange(n), row), -1, samples)


SHARING = {"yuv420p": (2, 2), "yuv422p": (1, 2), "yuv440p": (2, 1), "yuv411p": (1, 4),
           "yuv410p": (4, 4)}  # fmt: skip


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", [(50, 37), (1, 1), (3, 2), (33, 64)])
@pytest.mark.parametrize("name", SHARING)
def test_shared_colour_is_interpolated_linearly(
    name: str, shape: tuple[int, int], centred: bool
) -> None:
    fy, fx = SHARING[name]
    luma = RANDOM.integers(0, 256, shape, np.uint8)
    small = (-(-shape[0] // fy), -(-shape[1] // fx))
    u, v = RANDOM.integers(0, 256, (2, *small), np.uint8)
    frame = yuv_frame([luma, u, v], name, LIMITED, BT601)
    whole = []
    for samples in (u, v):
        down = upsampled(samples.astype(float).T, fy, first=False).T
        whole.append(upsampled(down, fx, first=not centred)[: shape[0], : shape[1]])
    expected = by_formula([luma, *whole], 8, True, RED_BLUE[BT601], 255)
    assert np.abs(to_rgb(frame, "uint8", centred_chroma=centred) - expected).max() <= 0.51


@pytest.mark.parametrize(
    ("colorspace", "height", "expected"),
    [
        (BT709, 480, RED_BLUE[BT709]),
        (5, 1080, RED_BLUE[BT601]),
        (BT601, 1080, RED_BLUE[BT601]),
        (BT2020, 480, RED_BLUE[BT2020]),
        (UNKNOWN, 719, RED_BLUE[BT601]),
        (UNKNOWN, 720, RED_BLUE[BT709]),
    ],
)
def test_the_matrix_is_the_stated_one_or_that_of_players(
    colorspace: int, height: int, expected: tuple[float, float]
) -> None:
    frame = av.VideoFrame(16, height, "yuv420p")
    frame.colorspace = colorspace
    assert luma_weights(frame) == expected
    assert unknown_matrix(frame) is None


def test_a_matrix_that_nobody_knows_is_named() -> None:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.colorspace = 8  # YCgCo
    assert unknown_matrix(frame) == 8
    assert luma_weights(frame) == RED_BLUE[BT601]
    grey = av.VideoFrame(16, 16, "gray")
    grey.colorspace = 8
    assert unknown_matrix(grey) is None


@pytest.mark.parametrize("limited", [False, True], ids=["full", "limited"])
def test_luma_of_the_colours_is_the_grey_value(limited: bool) -> None:
    # Colours within the range: what is clipped has lost its luma.
    luma = np.arange(60, 200, dtype=np.uint8).repeat(9).reshape(60, 21)
    u, v = RANDOM.integers(105, 152, (2, 60, 21), np.uint8)
    frame = yuv_frame([luma, u, v], "yuv444p", LIMITED if limited else FULL, BT601)
    rgb = to_rgb(frame, "uint8")
    found = (rgb @ np.array([19595, 38470, 7471]) + 32768) >> 16
    assert np.abs(found - to_grey(frame, "uint8").astype(int)).max() <= 1


@pytest.mark.parametrize("matrix", RED_BLUE)
def test_the_tint_of_chroma_127_is_within_3_levels(matrix: int) -> None:
    # One real capture has 127 for neutral throughout.
    luma = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tinted = np.full((8, 8), 127, np.uint8)
    frame = yuv_frame([luma, tinted, tinted], "yuv420p", LIMITED, matrix)
    rgb, grey = to_rgb(frame, "uint8").astype(int), to_grey(frame, "uint8").astype(int)
    assert np.abs(rgb - grey[..., None]).max() <= 3
    found = (rgb @ np.array([19595, 38470, 7471]) + 32768) >> 16
    assert np.abs(found - grey).max() <= 1


def test_what_has_colour() -> None:
    names = {
        name: has_colour(av.VideoFrame(4, 4, name))
        for name in ("gray", "gray16le", "ya8", "monob", "bayer_rggb8", "yuv420p", "rgb24", "gbrp")
    }
    assert [name for name, colour in names.items() if colour] == ["yuv420p", "rgb24", "gbrp"]


def test_a_grey_frame_in_a_colour_video_is_grey_in_all_channels() -> None:
    luma = RANDOM.integers(0, 256, (6, 40), np.uint8)
    frame = yuv_frame([luma], "gray")
    assert (to_rgb(frame, "uint8") == luma[..., None]).all()
    assert (to_rgb(frame, "uint16") == luma[..., None].astype("u2") * 257).all()


@pytest.mark.parametrize(("bits", "dtype"), list(product((8, 10), ("uint8", "uint16"))))
def test_depth_may_change_within_a_video(bits: int, dtype: str) -> None:
    planes = [
        np.full((4, 4), v << (bits - 8), "u1" if bits == 8 else "u2") for v in (235, 128, 128)
    ]
    frame = yuv_frame(planes, NAME[bits], LIMITED)
    assert (to_rgb(frame, dtype) == np.iinfo(dtype).max).all()
