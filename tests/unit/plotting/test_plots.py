"""Pictures show what their titles say, in the axes that are given."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask import plotting as plots
from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes

N_FRAMES = 6
INACTIVE = 2
"""Position of the inactive frame; its number is 12, as frames count from 10."""

NUMBERS = np.arange(10, 10 + N_FRAMES)


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.fixture
def alignment() -> xr.Dataset:
    offset = np.stack([NUMBERS * 1.0, NUMBERS * -2.0], axis=1)
    return xr.Dataset(
        {
            "offset": (("frame", "axis"), offset),
            "active": ("frame", np.arange(N_FRAMES) != INACTIVE),
        },
        {"frame": NUMBERS, "axis": ["y", "x"]},
    )


@pytest.fixture
def quality() -> xr.Dataset:
    values = np.array([0.3, 0.1, np.nan, 0.5, 0.2, 0.4], np.float32)
    reference = np.linspace(0, 1, 30 * 40, dtype=np.float32).reshape(30, 40)
    return xr.Dataset(
        {
            "frame_quality": ("frame", values),
            "reference": (("y", "x"), reference),
            "mean": ("area", [0.1, 0.2]),
        },
        {
            "frame": NUMBERS,
            "y": np.arange(5, 35),
            "x": np.arange(7, 47),
            "area_y": ("area", [19.5, 19.5]),
            "area_x": ("area", [16.5, 36.5]),
        },
        {"options": {"area_size": 20}},
    )


@pytest.fixture
def points() -> xr.Dataset:
    position = np.array([[10.0, 12.0], [20.0, 30.0], [25.0, 40.0]])
    displacement = np.zeros((N_FRAMES, 3, 2), np.float32)
    displacement[1] = [[0.5, -1.0], [0.25, 0.0], [0.0, 2.0]]
    displacement[INACTIVE] = np.nan
    valid = np.ones((N_FRAMES, 3), bool)
    valid[:3, 1] = False
    return xr.Dataset(
        {
            "position": (("point", "axis"), position),
            "displacement": (("frame", "point", "axis"), displacement),
            "mean_displacement": (("point", "axis"), [[0.5, 0.0], [0.0, -0.5], [0.25, 0.25]]),
            "valid": (("frame", "point"), valid),
        },
        {"frame": NUMBERS, "axis": ["y", "x"]},
    )


def legend_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def lines_of(ax: Axes) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]


def test_drift_is_the_offset_of_active_frames_along_both_axes(alignment: xr.Dataset) -> None:
    ax = plots.plot_drift(alignment)
    used = [10, 11, 13, 14, 15]
    assert lines_of(ax) == [(used, used), (used, [-2 * n for n in used])]
    assert legend_of(ax) == ["y", "x"]
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("Drift", "frame", "offset, px")


def test_quality_is_drawn_over_time_and_from_best_to_worst(quality: xr.Dataset) -> None:
    ax = plots.plot_quality(quality)
    (time, in_time), (rank, best_first) = lines_of(ax)
    assert time == list(NUMBERS)
    np.testing.assert_array_equal(in_time, quality["frame_quality"])
    assert rank == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(best_first, [0.5, 0.4, 0.3, 0.2, 0.1])
    assert legend_of(ax) == ["in time", "best first"]


@pytest.mark.parametrize("resolved", [False, True])
def test_steps_are_drawn_against_the_number_of_frames(resolved: bool) -> None:
    values = np.array([0.004, 0.002, 0.001])
    steps = xr.Dataset(
        {"noise": ("step", values), "sharpness": ("step", 2 * values)},
        {"number": ("step", [5, 20, 80])},
    )
    if resolved:
        steps["resolution"] = (("step", "threshold"), np.stack([values, 3 * values], axis=1))
    axes = plots.plot_steps(steps)
    drawn = [[y for x, y in lines_of(ax) if x == [5, 20, 80]] for ax in axes]
    np.testing.assert_allclose(drawn[0] + drawn[1], [100 * values, 2 * values])
    assert len(drawn) == 2 + resolved
    if resolved:
        np.testing.assert_allclose(drawn[2], [values, 3 * values])
        assert legend_of(axes[2]) == ["correlation 1/2", "correlation 1/7"]
    axes[0].figure.draw_without_rendering()
    assert "20" in [label.get_text() for label in axes[0].get_xticklabels()]


@pytest.mark.parametrize("colours", [(), ("red", "green", "blue")])
def test_resolution_and_noise_are_drawn_over_the_stack(colours: tuple[str, ...]) -> None:
    random = np.random.default_rng(0)
    last = ("channel",) if colours else ()
    shape = (60, 80, 3) if colours else (60, 80)
    halves = random.random(shape) + 0.2 * random.random((2, *shape))
    stacked = xr.Dataset(
        {
            "half_stack": (("half", "y", "x", *last), halves.astype(np.float32)),
            "stack": (("y", "x", *last), halves.mean(axis=0)),
            "noise": (("y", "x", *last), np.full(halves.shape[1:], 0.003)),
        },
        {"y": np.arange(60), "x": np.arange(80) + 5},
    )
    resolution = skry.measure_resolution(stacked)
    curves = plots.plot_ring_correlation(resolution)
    assert legend_of(curves) == list(colours) if colours else curves.get_legend() is None
    of_regions = plots.plot_region_resolution(stacked, resolution)
    (dots,) = of_regions.collections
    assert np.asarray(dots.get_offsets()).tolist() == [[34.5, 29.5], [54.5, 29.5]]
    (image,) = plots.plot_noise(stacked).images
    np.testing.assert_allclose(image.get_array(), 0.3)
    of_regions.figure.draw_without_rendering()


def test_points_are_drawn_at_their_positions_coloured_by_how_often_they_were_measured(
    quality: xr.Dataset, points: xr.Dataset
) -> None:
    ax = plots.plot_points(quality, points)
    (drawn,) = ax.collections
    assert np.asarray(drawn.get_offsets()).tolist() == [[12, 10], [30, 20], [40, 25]]
    np.testing.assert_allclose(drawn.get_array(), [1.0, 0.5, 1.0])
    assert len(ax.images) == 1
    colorbar = next(other for other in ax.figure.axes if other is not ax)
    assert colorbar.get_ylabel() == "valid, fraction of frames"


def test_warp_is_an_arrow_at_each_point_in_the_frame_of_that_number(
    quality: xr.Dataset, points: xr.Dataset
) -> None:
    ax = plots.plot_warp(quality, points, 11, magnified=3)
    (arrows,) = ax.collections
    assert arrows.get_offsets().tolist() == [[12, 10], [30, 20], [40, 25]]
    assert arrows.U.tolist() == [-1.0, 0.0, 2.0]
    assert arrows.V.tolist() == [0.5, 0.25, 0.0]
    assert arrows.scale == pytest.approx(1 / 3)
    assert ax.get_title() == "Warp of frame 11, 3 times enlarged"


def test_warp_of_an_inactive_frame_has_no_arrows(quality: xr.Dataset, points: xr.Dataset) -> None:
    ax = plots.plot_warp(quality, points, int(NUMBERS[INACTIVE]))
    (arrows,) = ax.collections
    assert arrows.Umask.all()
    ax.figure.draw_without_rendering()


def test_an_image_is_drawn_at_its_canvas_coordinates_with_y_downwards(quality: xr.Dataset) -> None:
    ax = plots.plot_image(quality["reference"], "a title")
    (image,) = ax.images
    assert tuple(image.get_extent()) == (6.5, 46.5, 34.5, 4.5)
    assert ax.get_ylim() == (34.5, 4.5)
    np.testing.assert_array_equal(image.get_array(), quality["reference"])
    assert image.get_clim() == (0, pytest.approx(0.999, abs=1e-3))
    assert ax.get_title() == "a title"


def test_an_image_without_coordinates_begins_at_zero() -> None:
    ax = plots.plot_image(xr.DataArray(np.eye(4), dims=("y", "x")), "", white=2.0)
    (image,) = ax.images
    assert tuple(image.get_extent()) == (-0.5, 3.5, 3.5, -0.5)
    assert image.get_clim() == (0, 2)


def test_colour_is_drawn_in_colour_on_one_scale_for_all_channels() -> None:
    image = xr.DataArray(np.full((4, 5, 3), [0.1, 0.2, 0.4]), dims=("y", "x", "channel"))
    shown = plots.plot_image(image, "", white=0.4).images[0].get_array()
    np.testing.assert_allclose(shown[0, 0], [0.25, 0.5, 1.0])
    axes = plots.plot_comparison({"one": image, "half": image / 2})
    np.testing.assert_allclose(axes[1].images[0].get_array()[0, 0], [0.125, 0.25, 0.5])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_image_without_light_or_values_is_drawn_too(
    shape: tuple[int, ...], value: float
) -> None:
    dims = ("y", "x", "channel")[: len(shape)]
    image = xr.DataArray(np.full(shape, value), dims=dims)
    for ax in plots.plot_comparison({"one": image, "other": image}):
        assert ax.images[0].get_clim() == (0, 1)
        ax.figure.draw_without_rendering()


def test_the_best_frames_come_first_and_those_left_out_are_marked(quality: xr.Dataset) -> None:
    stacked = NUMBERS > 10
    ax = plots.plot_sorted_quality(quality, stacked)
    used, left_out = (np.asarray(drawn.get_offsets()).tolist() for drawn in ax.collections)
    assert [rank for rank, _ in used] == [0, 1, 3, 4]
    assert [rank for rank, _ in left_out] == [2]


def test_areas_are_coloured_where_they_lie(quality: xr.Dataset) -> None:
    (drawn,) = plots.plot_area_quality(quality).collections
    np.testing.assert_allclose(drawn.get_array(), [0.5, 1.0])
    assert drawn.get_paths()[1].vertices[0].tolist() == [26.5, 9.5]


def test_the_mesh_shows_how_far_points_move_from_their_mean(
    quality: xr.Dataset, points: xr.Dataset
) -> None:
    still = points.assign(displacement=points["displacement"].fillna(0) * 0 + 1)
    still["mean_displacement"] = points["mean_displacement"] * 0
    (drawn,) = plots.plot_mesh(quality, still).collections
    np.testing.assert_allclose(drawn.get_array(), np.sqrt([2, 2, 2]))
    (arrows,) = plots.plot_mean_warp(quality, points).collections
    assert arrows.V.tolist() == [0.5, 0.0, 0.25]


def test_images_are_compared_on_one_grey_scale(quality: xr.Dataset) -> None:
    bright = quality["reference"]
    axes = plots.plot_comparison({"dark": bright / 4, "bright": bright, "darker": bright / 8})
    assert [ax.get_title() for ax in axes] == ["dark", "bright", "darker"]
    scales = {ax.images[0].get_clim() for ax in axes}
    assert len(scales) == 1
    assert scales.pop() == axes[1].images[0].get_clim() == (0, pytest.approx(0.999, abs=1e-3))
    axes[0].set_xlim(10, 20)
    assert axes[2].get_xlim() == (10, 20)


def test_a_comparison_is_drawn_into_the_axes_given(quality: xr.Dataset) -> None:
    given = plt.subplots(2, 1)[1]
    images = {"left": quality["reference"], "right": quality["reference"]}
    assert plots.plot_comparison(images, given) is given
    assert [len(ax.images) for ax in given] == [1, 1]


DRAWINGS: list[Any] = [
    pytest.param(lambda a, q, p, **ax: plots.plot_drift(a, **ax), id="drift"),
    pytest.param(lambda a, q, p, **ax: plots.plot_quality(q, **ax), id="quality"),
    pytest.param(lambda a, q, p, **ax: plots.plot_points(q, p, **ax), id="points"),
    pytest.param(lambda a, q, p, **ax: plots.plot_warp(q, p, 11, **ax), id="warp"),
    pytest.param(lambda a, q, p, **ax: plots.plot_image(q["reference"], "", **ax), id="image"),
    pytest.param(lambda a, q, p, **ax: plots.plot_path(a, **ax), id="path"),
    pytest.param(lambda a, q, p, **ax: plots.plot_sorted_quality(q, **ax), id="sorted"),
    pytest.param(lambda a, q, p, **ax: plots.plot_area_quality(q, **ax), id="areas"),
    pytest.param(lambda a, q, p, **ax: plots.plot_mesh(q, p, **ax), id="mesh"),
    pytest.param(lambda a, q, p, **ax: plots.plot_mean_warp(q, p, **ax), id="mean warp"),
    pytest.param(
        lambda a, q, p, **ax: plots.plot_count(xr.Dataset({"count": q["reference"]}), **ax),
        id="count",
    ),
]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_axes_given_are_drawn_into_and_returned(
    draw: Callable[..., Axes], alignment: xr.Dataset, quality: xr.Dataset, points: xr.Dataset
) -> None:
    other, ax = plt.subplots(1, 2)[1]
    assert draw(alignment, quality, points, ax=ax) is ax
    assert ax.has_data()
    assert not other.has_data()
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("draw", DRAWINGS)
def test_without_matplotlib_one_line_says_what_to_install(
    draw: Callable[..., Axes],
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(SkryError, match=r"pip install 'skry_dask\[plot\]'") as caught:
        draw(alignment, quality, points)
    assert "\n" not in str(caught.value)


def test_importing_the_module_does_not_import_matplotlib() -> None:
    code = "import sys, skry_dask.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
