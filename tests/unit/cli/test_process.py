"""What the program leaves for later it does not need, and anyone may still ask for it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from skry_dask.cli import process

if TYPE_CHECKING:
    from pathlib import Path

IN_SKRY = "import sys\nfrom skry_dask.cli.process import LATER, prepare\nprepare()\n"


def run(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", IN_SKRY + code], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_stacking_asks_for_none_of_what_is_left_for_later(moon_ser: Path, tmp_path: Path) -> None:
    code = f"""
from skry_dask.cli.main import main
sys.argv = ["skry", "stack", {str(moon_ser)!r}, "-o", {str(tmp_path / "moon.tif")!r}]
sys.argv += ["--store", {str(tmp_path / "store")!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code
lazy = [name for name in LATER if name in sys.modules]
assert lazy
print("asked-for:", *(n for n in lazy if type(sys.modules[n]).__name__ != "_LazyModule"))
"""
    told = run(code)
    assert told[told.index("asked-for:") + 1 :] == []


@pytest.mark.parametrize("name", sorted(process.LATER - {"dask.datasets"}))
def test_what_is_left_for_later_works_when_it_is_asked_for(name: str) -> None:
    top = name.partition(".")[0]
    code = f"import {top}\nimport {name} as asked\nprint(len(dir(asked)), asked.__name__)"
    number, own = run(code)
    assert int(number) > 9
    assert own == name


@pytest.mark.parametrize(("module", "writer"), [(m, w) for m, (w, _) in process.WRITERS.items()])
def test_manuals_are_written_where_we_think(module: str, writer: str) -> None:
    assert hasattr(importlib.import_module(module), writer)


def test_functions_work_without_their_manuals() -> None:
    code = """
import dask.array as da
import numpy as np
from scipy import ndimage
values = da.sin(da.ones(3)).compute()
smooth = ndimage.uniform_filter(np.eye(3), 3)
print(da.sin.__doc__, ndimage.label.__doc__.strip() or "nothing", values.shape, smooth.size)
"""
    assert run(code) == ["None", "nothing", "(3,)", "9"]


def test_the_library_leaves_other_programs_alone() -> None:
    code = (
        "import skry_dask.pipeline.run\nimport dask.array as da\nprint(len(da.sin.__doc__) > 100)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
