"""Compiled kernels are kept for the next process, with numba's private parts or without them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import skry_dask
from skry_dask.kernels.compilation import cache_folder, fast_cache
from skry_dask.kernels.compilation.decorators import Kernel, kernel
from skry_dask.kernels.frame.detail import area_detail

PACKAGE = Path(skry_dask.__file__).parent

SCRIPT = """
import logging
import numpy as np
from skry_dask.kernels.compilation import cache_folder, fast_cache
from skry_dask.kernels.compilation.decorators import kernel

def total(values):
    out = 0
    for value in values:
        out += value
    return out

def largest(values):
    return max(values[0], values[-1])

kernels = [kernel("i8[::1]")(function) for function in (total, largest)]
assert [one(np.arange(5)) for one in kernels] == [10, 4]
print(cache_folder.folder())
print(*(sum(one.dispatcher.stats.cache_hits.values()) for one in kernels))
print(fast_cache.is_available())
"""

WITHOUT_PRIVATE_PARTS = {
    "nothing private can be imported": """
import builtins
real_import = builtins.__import__
def refuse(name, globals=None, *others, **named):
    if name.startswith("numba.core") and (globals or {}).get("__name__", "").endswith("fast_cache"):
        raise ImportError(name)
    return real_import(name, globals, *others, **named)
builtins.__import__ = refuse
""",
    "an option is refused": """
import numba
njit = numba.njit
def refuse(*arguments, **options):
    if "_nrt" in options:
        raise KeyError("Unrecognized options")
    return njit(*arguments, **options)
numba.njit = refuse
""",
    "a method has another name": """
from skry_dask.kernels.compilation import fast_cache
def fail(compiled):
    raise AttributeError("_get_compiled_object")
fast_cache._reduce = fail
""",
}
"""What may become of numba's private parts, and how it is simulated."""


def run_script(
    folder: Path, *, before: str = "", package: Path = PACKAGE, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = folder / "script.py"
    if not path.exists():  # numba compiles anew what has a new date
        path.write_text(before + SCRIPT)
    removed = (cache_folder.VARIABLE, "NUMBA_CACHE_DIR")
    variables = {name: value for name, value in os.environ.items() if name not in removed}
    variables |= {"PYTHONPATH": str(package.parent), **environment}
    return subprocess.run(
        [sys.executable, path], capture_output=True, text=True, env=variables, check=True
    )


def add(values):
    out = 0
    for value in values:
        out += value
    return out


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which this process keeps its kernels."""
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path / "kernels"))
    monkeypatch.setattr(cache_folder, "folder", cache_folder.folder.__wrapped__)
    return tmp_path / "kernels" / cache_folder.KEY


def new_kernel() -> Kernel:
    return kernel("i8[::1]", "f8[::1]")(add)


def hits(one: Kernel) -> int:
    return sum(one.dispatcher.stats.cache_hits.values())


def test_the_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    # A package that cannot be written to: where __pycache__ would be, there is a file.
    package = tmp_path / "installed" / "skry_dask"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package / "kernels").rglob("*/"):
        (folder / "__pycache__").write_text("")
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    folder, *first = run_script(tmp_path, package=package, **home).stdout.splitlines()
    assert Path(folder).is_relative_to(tmp_path)
    assert first == ["0 0", "True"]
    second = run_script(tmp_path, package=package, **home)
    assert second.stdout.splitlines() == [folder, "1 1", "True"]
    assert second.stderr == ""
    assert not list(package.rglob("*.nb*"))


def test_kernels_are_compiled_in_each_process_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "x")
    done = run_script(
        tmp_path,
        before=f"import tempfile\ntempfile.tempdir = {nowhere!r}\n",
        HOME=nowhere,
        XDG_CACHE_HOME=nowhere,
        SKRY_CACHE_DIR=nowhere,
    )
    assert done.stdout.splitlines() == ["None", "0 0", "True"]


@pytest.mark.parametrize("change", WITHOUT_PRIVATE_PARTS)
def test_without_private_parts_numbas_own_cache_keeps_kernels(change: str, tmp_path: Path) -> None:
    before = "import logging\nlogging.basicConfig(level=10)\n" + WITHOUT_PRIVATE_PARTS[change]
    runs = [run_script(tmp_path, before=before, SKRY_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    for done in runs:
        folder, _, available = done.stdout.splitlines()
        assert folder == str(tmp_path / cache_folder.KEY)
        assert available == "False"
        assert "numba's own cache is used for kernels" in done.stderr
    assert list((tmp_path / cache_folder.KEY).rglob("*.nbi"))
    # Where saving fails, the first kernel of a process is the one that finds out.
    assert runs[-1].stdout.splitlines()[1] in ("1 1", "0 1")


def test_kernels_of_the_package_give_the_same_bits_without_private_parts() -> None:
    script = (
        WITHOUT_PRIVATE_PARTS["nothing private can be imported"]
        + """
import numpy as np
from skry_dask.kernels.compilation import fast_cache
from skry_dask.kernels.frame.detail import area_detail
frame = np.arange(70 * 150, dtype=np.uint16).reshape(70, 150) ** 2
print(area_detail(frame, 3, np.arange(0, 71, 10), np.arange(0, 151, 10), 12).tobytes().hex())
assert not fast_cache.is_available()
"""
    )
    # In the folder of the other tests: what is compiled here is kept for their next run.
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    frame = np.arange(70 * 150, dtype=np.uint16).reshape(70, 150) ** 2
    expected = area_detail(frame, 3, np.arange(0, 71, 10), np.arange(0, 151, 10), 12)
    assert done.stdout.strip() == expected.tobytes().hex()


def test_kernels_load_without_the_parts_of_numba_that_compile(tmp_path: Path) -> None:
    # Importing numba.np.arrayobj takes as long as loading 30 kernels.
    options = skry_dask.SimulateOptions(frames=8, height=160, width=200)
    frames = skry_dask.simulate("moon", options)["frames"].to_numpy()
    tifffile.imwrite(tmp_path / "moon.tif", frames, photometric="minisblack")
    skry_dask.run(tmp_path / "moon.tif", store=tmp_path / "compiles")
    script = """
import sys
import skry_dask
skry_dask.run("moon.tif", output="stack.png", store="loads")
print("numba.np.arrayobj" in sys.modules)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


def test_a_folder_that_becomes_read_only_is_still_loaded_from(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_kernel()(np.arange(3))
    assert cache_folder.folder() == place

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(fast_cache, "_write", refuse)
    again = new_kernel()
    assert again(np.arange(4)) == 6
    assert hits(again) == 1
    assert again(np.arange(4.0)) == 6  # compiled, and not kept
    assert hits(again) == 1


def test_a_damaged_file_is_compiled_again_and_mended(place: Path) -> None:
    assert new_kernel()(np.arange(3)) == 3
    (data,) = place.glob("*add*.nbk")
    data.write_bytes(data.read_bytes()[:100])
    for expected_hits in (0, 1):
        again = new_kernel()
        assert again(np.arange(3)) == 3
        assert hits(again) == expected_hits


def test_kernels_of_one_name_in_two_modules_do_not_mix(place: Path) -> None:
    def other(values):
        return values[0]

    other.__name__ = other.__qualname__ = "add"
    other.__module__ = f"elsewhere.{__name__.rsplit('.', 1)[-1]}"
    for function, expected in ((add, 9), (other, 4), (add, 9)):
        assert kernel("i8[::1]")(function)(np.array([4, 5])) == expected
    assert len(list(place.glob("*.nbk"))) == 2
