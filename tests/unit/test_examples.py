"""Every public name has an example; examples in docstrings run and show what they say.

They run in a folder with small captures, of which jobs have been done: examples of later phases use
stored results of earlier ones, as users do.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import numpy as np
import pytest

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(skry.__file__).parent
TEXTS = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
MODULES = [name for name, text in TEXTS.items() if ">>>" in text]


@pytest.fixture(scope="session")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    sizes = {"a": (6, 96, 128), "b": (6, 96, 128), "moon": (16, 160, 200)}
    for name, (frames, height, width) in sizes.items():
        capture = skry.simulate("moon", frames=frames, height=height, width=width)
        write_capture(folder / f"{name}.ser", capture)
    dark = np.random.default_rng(1).integers(0, 3, (4, 160, 200), np.uint8)
    covered = capture.isel(frame=slice(4)).assign(frames=(("frame", "y", "x"), dark))
    write_capture(folder / "covered.ser", covered.chunk({"frame": 4}))
    globe = skry.simulate("jupiter", frames=2, height=112, width=128)
    write_capture(folder / "jupiter.ser", globe)
    with dask.config.set(scheduler="sync"):
        skry.run(folder / "moon.ser", output=folder / "r.tif")
        skry.run(folder / "jupiter.ser", output=folder / "jupiter.tif", quick=True)
    for name in ("g", "b"):
        shutil.copy(folder / "r.tif", folder / f"{name}.tif")
    return folder


@pytest.fixture
def in_their_folder(captures: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run there, and draw nothing on a screen."""
    monkeypatch.chdir(captures)
    monkeypatch.setenv("MPLBACKEND", "agg")
    with dask.config.set(scheduler="sync"):
        yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.usefixtures("in_their_folder")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    # A function of the package hides the module of the same name from `import a.b as c`.
    module = importlib.import_module(name)
    outcome = doctest.testmod(module)
    assert outcome.failed == 0


def public_objects() -> dict[str, object]:
    """Functions and classes of the public interface, by name."""
    of_package = {name: getattr(skry, name) for name in skry.__all__}
    of_plots = {f"plotting.{name}": getattr(skry.plotting, name) for name in skry.plotting.__all__}
    named = {**of_package, **of_plots}
    return {name: value for name, value in named.items() if callable(value)}


@pytest.mark.parametrize("name", public_objects())
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(public_objects()[name]) or "")


def test_no_example_is_left_out() -> None:
    skipped = [name for name, text in TEXTS.items() if "doctest: +SKIP" in text]
    assert not skipped
