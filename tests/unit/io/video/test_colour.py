"""Colours and grey values of decoded frames, against the formulas of the standards."""

from __future__ import annotations

import av
import numpy as np

from skry_dask.io.video.colour import has_colour, luma_weights, to_rgb, unknown_matrix
from skry_dask.io.video.grey import to_grey
from tests.encoded_videos import FULL, LIMITED, frame_of

UNSPECIFIED, BT709, BT601, BT2020 = 2, 1, 6, 9  # AVCOL_SPC_*
WEIGHTS = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593)}
RANGES = {FULL: False, LIMITED: True}
NAMES = {8: "yuv444p", 10: "yuv444p10le", 12: "yuv444p12le", 16: "yuv444p16le"}
LUMA = np.array([19595, 38470, 7471])  # 0.299, 0.587, 0.114 times 2**16
RNG = np.random.default_rng(5)


def by_formula(
    planes: list[np.ndarray], bits: int, is_limited: bool, weights: tuple[float, float], full: int
) -> np.ndarray:
    """Red, green and blue of samples that are not shared, before rounding."""
    kr, kb = weights
    unit = 2 ** (bits - 8)
    y, u, v = (plane.astype(float) for plane in planes)
    y = (y - 16 * unit) / (219 * unit) if is_limited else y / (2**bits - 1)
    scale = 224 * unit if is_limited else 2**bits - 1
    u, v = ((chroma - 2 ** (bits - 1)) / scale for chroma in (u, v))
    red = y + 2 * (1 - kr) * v
    blue = y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return (np.stack([red, green, blue], axis=-1) * full).clip(0, full)


def test_colours_are_those_of_the_formulas() -> None:
    for bits, name in NAMES.items():
        dtype = np.uint8 if bits == 8 else np.uint16
        full = int(np.iinfo(dtype).max)
        planes = list(RNG.integers(0, 2**bits, (3, 37, 41), dtype, endpoint=False))
        planes[0][0], planes[1][1], planes[2][2] = 0, 0, 2**bits - 1
        for matrix, weights in WEIGHTS.items():
            for color_range, is_limited in RANGES.items():
                frame = frame_of(planes, name, color_range, matrix)
                expected = by_formula(planes, bits, is_limited, weights, full)
                # Half a level of rounding, and what the fractions of the tables may add.
                error = np.abs(to_rgb(frame, dtype.__name__) - expected).max()
                assert error <= 0.51, (bits, matrix, color_range)


def test_without_colour_red_green_and_blue_are_exactly_the_grey_value() -> None:
    for name in (*NAMES.values(), "yuv420p", "yuv422p10le", "yuv420p16le"):
        bits = av.VideoFormat(name).components[0].bits
        dtype = np.uint8 if bits == 8 else np.uint16
        luma = (np.arange(256 * 256).reshape(256, 256) % 2**bits).astype(dtype)
        for matrix in WEIGHTS:
            for color_range, is_limited in RANGES.items():
                frame = frame_of([luma], name, color_range, matrix)
                grey, rgb = to_grey(frame, dtype.__name__), to_rgb(frame, dtype.__name__)
                assert (rgb == grey[..., None]).all(), (name, matrix, color_range)
                limited = (16 << (bits - 8), 235 << (bits - 8))
                black, white = limited if is_limited else (0, 2**bits - 1)
                assert (rgb[luma == black] == 0).all(), (name, matrix, color_range)
                assert (rgb[luma == white] == np.iinfo(dtype).max).all()


def upsampled(samples: np.ndarray, factor: int, first: bool) -> np.ndarray:
    """Interpolate along the last axis at `factor` times as many places."""
    n = samples.shape[-1]
    places = (np.arange(n * factor) - (0 if first else (factor - 1) / 2)) / factor
    return np.apply_along_axis(lambda row: np.interp(places, np.arange(n), row), -1, samples)


def test_shared_colour_is_interpolated_linearly() -> None:
    for name, (fy, fx) in {
        "yuv420p": (2, 2),
        "yuv422p": (1, 2),
        "yuv440p": (2, 1),
        "yuv411p": (1, 4),
        "yuv410p": (4, 4),
    }.items():
        for shape in ((50, 37), (1, 1), (3, 2), (33, 64)):
            luma = RNG.integers(0, 256, shape, np.uint8)
            u, v = RNG.integers(0, 256, (2, -(-shape[0] // fy), -(-shape[1] // fx)), np.uint8)
            frame = frame_of([luma, u, v], name, LIMITED, BT601)
            for centred in (False, True):
                planes = [luma]
                for samples in (u, v):
                    rows = upsampled(samples.astype(float).T, fy, first=False).T
                    planes.append(upsampled(rows, fx, first=not centred)[: shape[0], : shape[1]])
                expected = by_formula(planes, 8, True, WEIGHTS[BT601], 255)
                error = np.abs(to_rgb(frame, "uint8", centred_chroma=centred) - expected).max()
                assert error <= 0.51, (name, shape, centred)


def test_the_matrix_is_the_stated_one_or_that_of_video_players() -> None:
    for colorspace, height, expected in (
        (BT709, 480, BT709),
        (5, 1080, BT601),
        (BT601, 1080, BT601),
        (BT2020, 480, BT2020),
        (UNSPECIFIED, 719, BT601),
        (UNSPECIFIED, 720, BT709),
    ):
        frame = av.VideoFrame(16, height, "yuv420p")
        frame.colorspace = colorspace
        assert luma_weights(frame) == WEIGHTS[expected], (colorspace, height)
        assert unknown_matrix(frame) is None


def test_an_unknown_matrix_is_named() -> None:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.colorspace = 8  # YCgCo
    assert unknown_matrix(frame) == 8
    assert luma_weights(frame) == WEIGHTS[BT601]
    grey = av.VideoFrame(16, 16, "gray")
    grey.colorspace = 8
    assert unknown_matrix(grey) is None


def test_luma_of_the_colours_is_the_grey_value() -> None:
    # Colours within the range: clipped ones have lost their luma.
    luma = np.arange(60, 200, dtype=np.uint8).repeat(9).reshape(60, 21)
    u, v = RNG.integers(105, 152, (2, 60, 21), np.uint8)
    for color_range in RANGES:
        frame = frame_of([luma, u, v], "yuv444p", color_range, BT601)
        of_colours = (to_rgb(frame, "uint8") @ LUMA + 32768) >> 16
        assert np.abs(of_colours - to_grey(frame, "uint8").astype(int)).max() <= 1


def test_chroma_127_tints_by_at_most_3_levels() -> None:
    # One real capture has 127 for neutral throughout.
    luma = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tinted = np.full((8, 8), 127, np.uint8)
    for matrix in WEIGHTS:
        frame = frame_of([luma, tinted, tinted], "yuv420p", LIMITED, matrix)
        rgb, grey = to_rgb(frame, "uint8").astype(int), to_grey(frame, "uint8").astype(int)
        assert np.abs(rgb - grey[..., None]).max() <= 3
        assert np.abs(((rgb @ LUMA + 32768) >> 16) - grey).max() <= 1


def test_red_green_and_blue_become_luma() -> None:
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:, :4, 0] = colours[:, 4:8, 1] = colours[:, 8:12, 2] = 255
    frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
    assert to_grey(frame, "uint8")[0, ::4].tolist() == [76, 150, 29, 0]


def test_which_formats_have_colour() -> None:
    names = ("gray", "gray16le", "ya8", "monob", "bayer_rggb8", "yuv420p", "rgb24", "gbrp")
    coloured = [name for name in names if has_colour(av.VideoFrame(4, 4, name))]
    assert coloured == ["yuv420p", "rgb24", "gbrp"]


def test_a_grey_frame_in_a_colour_video_is_grey_in_all_channels() -> None:
    luma = RNG.integers(0, 256, (6, 40), np.uint8)
    frame = frame_of([luma], "gray")
    assert (to_rgb(frame, "uint8") == luma[..., None]).all()
    assert (to_rgb(frame, "uint16") == luma[..., None].astype("u2") * 257).all()


def test_depth_may_change_within_a_video() -> None:
    for bits in (8, 10):
        white = np.full((4, 4), 235 << (bits - 8), "u1" if bits == 8 else "u2")
        for dtype in ("uint8", "uint16"):
            frame = frame_of([white], NAMES[bits], LIMITED)
            assert (to_rgb(frame, dtype) == np.iinfo(dtype).max).all()
