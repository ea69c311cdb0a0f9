"""Pixel formats: where samples lie, against what FFmpeg itself makes of known colours."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest

from skry_dask.io.video.colour import has_colour, to_rgb
from skry_dask.io.video.grey import to_grey
from skry_dask.io.video.pixel_layout import layout_of
from skry_dask.io.video.samples import (
    convert_format,
    sample_dtype,
    view_samples,
    with_known_layout,
)

# Higher than a band of rows; smooth, so that little is lost where pixels share colour.
Y, X = np.mgrid[:72, :52]
COLOURS = np.rint(
    257
    * np.stack(
        [
            120 + 100 * np.sin(X / 19 + Y / 17),
            120 + 90 * np.cos(X / 21),
            128 + 80 * np.sin(Y / 18 + 1),
        ],
        axis=2,
    )
).astype(np.uint16)
SOURCE = av.VideoFrame.from_ndarray(COLOURS, format="rgb48le")
LUMA = np.array([0.299, 0.587, 0.114])

NAMES = sorted(av.video.format.names)
KNOWN = {name: layout for name in NAMES if (layout := layout_of(name)) is not None}

# Formats to which not every FFmpeg converts; PyAV 13 crashes if asked to.
NOT_WRITTEN = re.compile(
    "ayuv64be|bayer_.*|(bgr|rgb)4|nv20[bl]e|pal8|.*f16[bl]e|(rgb|rgba|ya)f32[bl]e|rgba128.*|rgb96.*|"
    "gray32.*|gbrap32.*|uyyvyy411|(v30x|x2bgr10|x2rgb10|xv30|xv36|xv48|y210|y212|y216)be"
)
HARDWARE = {
    "amf", "cuda", "d3d11", "d3d11va_vld", "d3d12", "drm_prime", "dxva2_vld", "mediacodec", "mmal",
    "ohcodec", "opencl", "qsv", "vaapi", "vdpau", "videotoolbox_vld", "vulkan", "xvmc",
}  # fmt: skip


def test_all_formats_but_a_few_are_known() -> None:
    others = set(NAMES) - set(KNOWN) - HARDWARE
    unknown = {
        name
        for name in others
        if "f16" not in name
        and "f32" not in name
        and max(c.bits for c in av.VideoFormat(name, 2, 2).components) <= 16
    }
    assert unknown <= {
        "bgr4", "monob", "monow", "pal8", "rgb4", "uyyvyy411", "xyz12be", "xyz12le",
    }  # fmt: skip


def test_bits_and_sharing_are_those_that_ffmpeg_states() -> None:
    for name, layout in KNOWN.items():
        if layout.cfa is not None:
            assert layout.cfa.lower() in name
            continue
        theirs = [c for c in av.VideoFormat(name, 64, 32).components if not c.is_alpha]
        assert [c.bits for c in layout.components] == [c.bits for c in theirs], name
        assert [c.plane for c in layout.components] == [c.plane for c in theirs], name
        sizes = [(32 // c.factor[0], 64 // c.factor[1]) for c in layout.components]
        assert sizes == [(c.height, c.width) for c in theirs], name


def converted(name: str) -> av.VideoFrame | None:
    """The source in another format, or None: some formats FFmpeg only knows by name."""
    if NOT_WRITTEN.fullmatch(name):
        return None
    try:
        return convert_format(SOURCE, name)
    except (OSError, ValueError):
        return None


def test_colours_of_every_format_come_out_as_they_went_in() -> None:
    n_formats = 0
    for name in NAMES:
        frame = converted(name)
        if frame is None:
            continue
        n_formats += 1
        assert frame.format.name == name
        dtype = sample_dtype(frame)
        full = int(np.iinfo(dtype).max)
        rgb, grey = to_rgb(frame, dtype) / full, to_grey(frame, dtype) / full
        assert rgb.shape == (72, 52, 3)
        source = COLOURS / 65535
        if not has_colour(frame):
            source = (source @ LUMA)[..., None]
        bits = min(c.bits for c in frame.format.components if not c.is_alpha)
        if bits >= 4:
            # About a step of the coarsest sample, three where four columns share colour, which
            # FFmpeg does not place exactly. A wrong place in memory gives far larger errors.
            steps = 4.2 if "410" in name or "411" in name else 1.4
            allowed = steps / (2 ** min(bits, 8) - 1)
            assert np.abs(rgb - source).mean() <= allowed, name
            assert np.abs(rgb - source).max() <= 6 * allowed, name
        else:  # dithered: only the mean is right
            assert np.abs(rgb.mean((0, 1)) - source.mean((0, 1))).max() <= 0.05, name
        # What is grey is the luma of what is in colour.
        assert np.abs(rgb @ LUMA - grey).max() <= 1.2 / 255, name
    assert n_formats > 130


def test_views_stay_within_their_planes() -> None:
    for name, layout in KNOWN.items():
        frame = av.VideoFrame(5, 3, name)
        for number, component in enumerate(layout.components):
            values = view_samples(frame, layout, number)
            fy, fx = component.factor
            assert values.shape == (-(-3 // fy), -(-5 // fx)), name
            values.max()  # reads them all


def test_rows_that_are_stored_from_the_bottom_are_turned_round() -> None:
    # The decoder of raw bitmaps returns such frames: rows in memory go backwards.
    frame = SOURCE.reformat(format="bgr24")
    expected = to_rgb(frame, "uint8")
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(width=52, height=72, format=frame.format, time_base=1, name="in"),
        graph.add("vflip"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    frame.pts = 0
    graph.push(frame)
    flipped = graph.pull()
    assert flipped.planes[0].line_size < 0
    assert np.array_equal(to_rgb(flipped, "uint8"), expected[::-1])
    assert np.array_equal(to_grey(flipped, "uint8"), to_grey(frame, "uint8")[::-1])


def test_a_palette_is_looked_up_exactly() -> None:
    colours = np.random.default_rng(2).integers(0, 256, (256, 3), np.uint8)
    indices = np.arange(6 * 40, dtype=np.uint8).reshape(6, 40)
    frame = av.VideoFrame(40, 6, "pal8")
    rows = np.zeros((6, frame.planes[0].line_size), np.uint8)
    rows[:, :40] = indices
    frame.planes[0].update(rows.tobytes())
    entries = np.full((256, 4), 255, np.uint8)
    entries[:, :3] = colours[:, ::-1]
    frame.planes[1].update(entries.tobytes())
    assert has_colour(frame)
    assert np.array_equal(to_rgb(frame, "uint8"), colours[indices])
    luma = (colours @ np.array([19595, 38470, 7471]) + 32768) >> 16
    assert np.array_equal(to_grey(frame, "uint8"), luma[indices])
    frame.planes[1].update(np.repeat(colours[:, :1], 4, axis=1).tobytes())
    assert not has_colour(frame)
    assert np.array_equal(to_grey(frame, "uint8"), colours[indices, 0])


def test_one_bit_a_pixel_is_black_or_white() -> None:
    bits = np.array([1, 0, 1, 0, 0, 0, 0, 0] * 2)
    for name, white in (("monob", bits), ("monow", 1 - bits)):
        frame = av.VideoFrame(16, 2, name)
        for plane in frame.planes:
            plane.update(bytes([0b10100000]) * plane.buffer_size)
        assert not has_colour(frame)
        assert (to_grey(frame, "uint8") == 255 * white).all()


def test_floating_point_is_read_as_16_bits() -> None:
    frame = convert_format(SOURCE, "gbrpf32le")
    assert sample_dtype(frame) == "uint16"
    assert with_known_layout(frame)[1] == layout_of("rgb48le")
    assert np.abs(to_rgb(frame, "uint16").astype(int) - COLOURS).max() <= 64


def test_a_format_that_nothing_is_known_of_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing is known of the pixel format uyyvyy411"):
        to_rgb(av.VideoFrame(8, 4, "uyyvyy411"), "uint8")
