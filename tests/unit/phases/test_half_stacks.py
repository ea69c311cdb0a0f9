"""Half stacks: even frames and odd ones, which together are the stack to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.phases.stacking.half_stacks import is_odd
from tests.phase_results import known_results
from tests.small_captures import texture

pytestmark = pytest.mark.usefixtures("one_thread")

N = 9
OFFSETS = np.array([(0, 0), (1.3, -2.6), (-3, 2), (0.5, 4), (-1, -3.5), (2, 2), (0.2, 0.7)] * 2)[:N]


def stacked(case: Any, **options: Any) -> Any:
    return skry.stack(*case, skry.StackOptions(**options)).compute()


def noisy_case(n: int, *, sigma: float, shape: tuple[int, ...] = (96, 120), **about: Any) -> Any:
    """Make frames of one scene with noise of their own, in grey levels of 16 bits."""
    random = np.random.default_rng(4)
    scene = 20000 + 20000 * texture(*shape[:2], scale=2)
    scene = scene.reshape(*shape[:2], *(1 for _ in shape[2:]))
    frames = np.rint(scene + random.normal(0, sigma, (n, *shape))).astype(np.uint16)
    return known_results(frames, np.zeros((n, 2)), bits=16, **about)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("plain", {"percent": 40}),
        ("plain", {"choose": "frames", "interpolation": "lanczos3"}),
        ("plain", {"normalise": True, "percent": 100}),
        ("weighted", {}),
        ("weighted", {"drizzle": 2}),
        ("mosaic", {"drizzle": 1.5, "drop": 0.3}),
        ("mosaic", {}),
        ("union", {"percent": 30}),
    ],
)
def test_the_stack_has_the_same_bits_with_halves(kind: str, options: dict[str, Any]) -> None:
    random = np.random.default_rng(1)
    frames = random.integers(0, 200, (N, 50, 64)).astype(np.uint8)
    about = {"mosaic": {"cfa": "GRBG"}, "union": {"canvas": "union"}}.get(kind, {})
    *before, points = known_results(frames, OFFSETS, quality=random.random((N, 1)), **about)
    if kind == "weighted":
        weight = random.integers(0, 256, (N, points.sizes["point"])).astype(np.uint8)
        points = points.assign(weight=(("frame", "point"), weight))
    plain, halves = (stacked((*before, points), halves=h, **options) for h in (False, True))
    for name in plain.data_vars:
        assert plain[name].values.tobytes() == halves[name].values.tobytes(), name
    assert halves["half_stack"].dims == ("half", *plain["stack"].dims)
    assert halves["noise"].dims == plain["stack"].dims


@pytest.mark.parametrize("options", [{}, {"drizzle": 2}, {"interpolation": "cubic"}])
def test_a_half_is_the_stack_of_its_frames_alone(options: dict[str, Any]) -> None:
    random = np.random.default_rng(2)
    frames = random.integers(0, 200, (N, 50, 64)).astype(np.uint8)
    warp = random.normal(0, 0.5, (N, 3, 2)).astype(np.float32)

    def case(active: Any) -> Any:
        *before, points = known_results(frames, np.zeros((N, 2)), active=active)
        return *before, points.assign(displacement=(("frame", "point", "axis"), warp))

    halves = stacked(case(np.ones(N, bool)), percent=100, halves=True, **options)["half_stack"]
    for name, first in (("even", 0), ("odd", 1)):
        alone = stacked(case(np.arange(N) % 2 == first), percent=100, **options)["stack"]
        np.testing.assert_array_equal(halves.sel(half=name), alone)


@pytest.mark.parametrize(
    ("numbers", "odd"),
    [
        ([0, 1, 2, 3], [0, 1, 0, 1]),
        ([7, 8, 9, 10], [1, 0, 1, 0]),  # as in the whole capture
        ([0, 1, 3, 4, 9], [0, 1, 1, 0, 1]),  # others are left out
        ([0, 2, 4, 6], [0, 1, 0, 1]),  # every second one
        ([3, 6, 12], [1, 0, 0]),
        ([5], [1]),
        ([], []),
    ],
)
def test_a_frame_stays_in_its_half_whatever_others_there_are(
    numbers: list[int], odd: list[int]
) -> None:
    np.testing.assert_array_equal(is_odd(np.array(numbers, np.int64)), odd)


@pytest.mark.parametrize("shape", [(96, 120), (96, 120, 3)])
@pytest.mark.parametrize(
    "active",
    [np.arange(24) >= 0, (np.arange(24) % 2 == 0) | (np.arange(24) < 6)],  # 12 and 3 of a half
    ids=["equal halves", "unequal halves"],
)
def test_noise_is_the_standard_deviation_of_the_stack(
    shape: tuple[int, ...], active: np.ndarray
) -> None:
    sigma = 800.0
    case = noisy_case(24, sigma=sigma, shape=shape, active=active)
    noise = stacked(case, percent=100, halves=True)["noise"]
    expected = sigma / 65535 / np.sqrt(active.sum())
    assert float(noise.mean()) == pytest.approx(expected, rel=0.03)
    assert float(noise.std()) < 0.1 * expected


def test_noise_is_that_of_its_place() -> None:
    random = np.random.default_rng(5)
    sigma = np.where(np.arange(160) < 80, 200.0, 1000.0)
    frames = np.rint(30000 + sigma * random.normal(0, 1, (16, 60, 160))).astype(np.uint16)
    noise = stacked(known_results(frames, np.zeros((16, 2)), bits=16), percent=100, halves=True)[
        "noise"
    ].to_numpy()
    for columns, expected in ((slice(0, 60), 200), (slice(100, 160), 1000)):
        assert noise[:, columns].mean() == pytest.approx(expected / 4 / 65535, rel=0.05)


def test_a_half_without_frames_is_nan_and_the_stack_is_there() -> None:
    case = noisy_case(6, sigma=100, shape=(40, 50), active=np.arange(6) % 2 == 0)
    found = stacked(case, percent=100, halves=True)
    assert found["half_stack"].sel(half="odd").isnull().all()
    assert found["noise"].isnull().all()
    np.testing.assert_array_equal(found["half_stack"].sel(half="even"), found["stack"])
