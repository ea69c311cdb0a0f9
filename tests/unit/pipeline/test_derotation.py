"""Images of a globe in files, derotated to one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import write_image
from skry_dask.options.rotation import Body
from skry_dask.simulation.globe import VIEWS, TurningGlobe
from skry_dask.simulation.simulate import START

if TYPE_CHECKING:
    from pathlib import Path

TURN = 4.0
"""Degrees before and after the middle."""

GLOBES = {body: TurningGlobe.of(body, 150, 170, 0, np.random.default_rng(7)) for body in VIEWS}


def stack_file(
    folder: Path, name: str, turn: float, body: Body = Body.JUPITER, **metadata: Any
) -> Path:
    moment = START + np.timedelta64(
        round((turn + TURN) / VIEWS[body].degrees_per_day * 86400e9), "ns"
    )
    known = {"time": {"middle": f"{moment}Z"}, **metadata}
    path = folder / f"{name}.tif"
    write_image(path, GLOBES[body].picture(turn), kind="tiff32", metadata=known)
    return path


@pytest.mark.parametrize(
    ("body", "how", "left"),
    [
        (Body.JUPITER, "found by what moves", 0.4),
        (Body.SATURN, "found by what moves", 0.4),
        (Body.MARS, "found by where its light ends", 0.5),  # its middle is less well known
    ],
)
def test_stacks_are_derotated_to_the_middle_between_them(
    body: Body, how: str, left: float, tmp_path: Path
) -> None:
    globe = GLOBES[body]
    inputs = [stack_file(tmp_path, f"in{turn:g}", turn, body) for turn in (-TURN, TURN)]
    outputs = [tmp_path / f"out{i}.tif" for i in range(2)]
    options = skry.DerotateOptions(body=body)
    done = skry.derotate_images(inputs, outputs, output_format="tiff32", options=options)
    assert [one.turned for one in done] == pytest.approx([-TURN, TURN], abs=0.01)
    assert all(how in one.note for one in done)
    grid = np.moveaxis(np.indices(globe.shape, float), 0, -1)
    inner = np.minimum(globe.disc.cosine_of_view(grid), globe.disc.cosine_of_light(grid)) > 0.4
    inner &= globe.disc.behind_rings(grid) == 0
    first, second = (read_image(path) for path in outputs)
    before = [read_image(path).data[inner] for path in inputs]
    assert (first.data - second.data)[inner].std() < left * (before[0] - before[1]).std()
    assert first.metadata["time"]["middle"] == second.metadata["time"]["middle"] == done[0].time


def test_a_stack_says_when_it_was_taken_and_how_its_globe_is_turned(tmp_path: Path) -> None:
    middle = {"rotation": {"body": "jupiter", "pole_angle": -22.8, "mirrored": False}}
    image = stack_file(tmp_path, "in", TURN, **middle)
    options = skry.DerotateOptions(to=str(START))
    (done,) = skry.derotate_images([image], [tmp_path / "out.fits"], options=options)
    assert done.turned == pytest.approx(2 * TURN, abs=0.01)
    assert "pole -22.8 degrees from up: as the stacks say" in done.note


@pytest.mark.parametrize(
    ("metadata", "options", "message"),
    [
        ({"time": None}, {"body": "jupiter"}, "in.tif does not say when it was taken: give --time"),
        ({}, {}, "in.tif does not say which globe it shows: give --body"),
    ],
)
def test_what_is_not_known_is_asked_for(
    tmp_path: Path, metadata: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    image = stack_file(tmp_path, "in", 0.0, **metadata)
    with pytest.raises(skry.OptionsError, match=message):
        skry.derotate_images(
            [image], [tmp_path / "out.tif"], options=skry.DerotateOptions(**options)
        )


def test_an_input_is_not_overwritten(tmp_path: Path) -> None:
    image = stack_file(tmp_path, "in", 0.0)
    with pytest.raises(skry.StoreError, match=r"in\.tif is"):
        skry.derotate_images([image], [image])
