"""Compiled kernels are kept for the next process, wherever that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

import skry_dask
from skry_dask.kernels.compilation import disk_cache
from skry_dask.kernels.compilation.decorators import kernel

PACKAGE = Path(skry_dask.__file__).parent

SCRIPT = """
import sys
import numpy as np
from skry_dask.kernels.compilation import disk_cache
from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.cli.terminal import reporting_compilation

def total(values):
    out = 0
    for value in values:
        out += value
    return out

def most(values):
    return max(values[0], values[-1])

total, most = kernel(total), kernel(most)
with reporting_compilation():
    assert total(np.arange(5)) == 10
    assert most(np.arange(5)) == 4
print(disk_cache.folder())
print(*(sum(one.stats.cache_hits.values()) for one in (total, most)))
"""


def run_script(
    folder: Path, before: str = "", package: Path = PACKAGE, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = folder / "script.py"
    path.write_text(before + SCRIPT)
    variables = {
        k: v for k, v in os.environ.items() if k not in (disk_cache.VARIABLE, "NUMBA_CACHE_DIR")
    }
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
    """A folder that this process keeps its kernels in."""
    monkeypatch.setenv(disk_cache.VARIABLE, str(tmp_path / "kernels"))
    monkeypatch.setattr(disk_cache, "folder", disk_cache.folder.__wrapped__)
    return tmp_path / "kernels" / disk_cache.KEY


def hits(compiled) -> int:
    return sum(compiled.stats.cache_hits.values())


def test_the_second_process_loads_what_the_first_compiled_and_says_nothing(tmp_path: Path) -> None:
    # A package that cannot be written to: where __pycache__ would be, there is a file.
    package = tmp_path / "installed" / "skry_dask"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package / "kernels").rglob("*/"):
        (folder / "__pycache__").write_text("")
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    first = run_script(tmp_path, package=package, **home)
    folder, loaded = first.stdout.splitlines()
    assert Path(folder).parent == tmp_path / ".cache" / "skry_dask"
    assert loaded == "0 0"
    assert first.stderr.splitlines() == [
        f"skry: first run: compiling, about {disk_cache.COMPILE_SECONDS} s"
    ]
    second = run_script(tmp_path, package=package, **home)
    assert second.stdout.splitlines() == [folder, "1 1"]
    assert second.stderr == ""
    assert not list(package.rglob("*.nb[ic]"))


def test_kernels_compile_in_each_process_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "x")
    done = run_script(
        tmp_path,
        f"import tempfile\ntempfile.tempdir = {nowhere!r}\n",
        HOME=nowhere,
        XDG_CACHE_HOME=nowhere,
        SKRY_CACHE_DIR=nowhere,
    )
    assert done.stdout.splitlines() == ["None", "0 0"]
    assert len(done.stderr.splitlines()) == 1


def test_the_users_folders_come_before_the_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (disk_cache.VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(disk_cache.config, "CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setattr(disk_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert list(disk_cache._places()) == [
        tmp_path / disk_cache.VARIABLE,
        tmp_path / "numba" / "skry_dask",
        tmp_path / "XDG_CACHE_HOME" / "skry_dask",
        tmp_path / f"skry_dask-{os.getuid()}",
    ]


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_kernels_that_others_could_have_written_are_not_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    monkeypatch.setattr(disk_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    shared = tmp_path / f"skry_dask-{os.getuid()}"
    shared.mkdir()
    shared.chmod(mode)
    assert shared not in list(disk_cache._places())
    shared.rmdir()
    shared.symlink_to(tmp_path)
    assert shared not in list(disk_cache._places())


def test_a_read_only_folder_with_kernels_is_used(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    kernel(add)(np.arange(3))
    assert disk_cache.folder() == place

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    # The tests may run as root, whom no permission stops.
    monkeypatch.setattr(disk_cache.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(disk_cache.os, "access", lambda *_: False)
    monkeypatch.setattr(disk_cache._Functions, "_save_overload", refuse)
    again = kernel(add)
    assert again(np.arange(4)) == 6
    assert hits(again) == 1
    assert again(np.arange(4.0)) == 6  # compiled, and not kept
    assert hits(again) == 1


def test_versions_machines_and_sources_do_not_meet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert disk_cache.key() == disk_cache.KEY
    names = {disk_cache.KEY}
    with monkeypatch.context() as patch:
        patch.setattr(disk_cache, "version", lambda _: "99.0")
        names.add(disk_cache.key())
    for name, value in (("CPU_NAME", "generic"), ("CPU_FEATURES", "+sse2")):
        with monkeypatch.context() as patch:
            patch.setattr(disk_cache.config, name, value)
            names.add(disk_cache.key())
    shutil.copytree(PACKAGE / "kernels", tmp_path / "kernels")
    with monkeypatch.context() as patch:
        patch.setattr(
            disk_cache, "__file__", str(tmp_path / "kernels" / "compilation" / "disk_cache.py")
        )
        assert disk_cache.key() == disk_cache.KEY
        # Kernels call kernels of other files, so each file counts for all.
        with (tmp_path / "kernels" / "stacking" / "resample.py").open("a") as file:
            file.write("\n")
        names.add(disk_cache.key())
    assert len(names) == 5


def test_a_kernel_calls_one_that_was_kept(place: Path) -> None:
    kernel(add)(np.arange(3))
    inner = kernel(add)
    assert inner(np.arange(4)) == 6
    assert hits(inner) == 1

    def twice(values):
        return 2 * inner(values)

    assert kernel(twice)(np.arange(5)) == 20


def test_kernels_load_without_the_parts_of_numba_that_compile(place: Path, tmp_path: Path) -> None:
    # Importing numba.np.arrayobj takes as long as loading 20 kernels: see `kernels.kept`.
    options = skry_dask.SimulateOptions(frames=8, height=160, width=200)
    frames = skry_dask.simulate("moon", options)["frames"].to_numpy()
    tifffile.imwrite(tmp_path / "moon.tif", frames, photometric="minisblack")
    script = """
import sys
import skry_dask
skry_dask.run("moon.tif", output="stack.png", store="store" + sys.argv[1])
print("numba.np.arrayobj" in sys.modules)
"""
    variables = os.environ | {disk_cache.VARIABLE: str(place.parent)}
    for answer in ("True", "False"):
        command = [sys.executable, "-c", script, answer]
        done = subprocess.run(
            command, capture_output=True, text=True, env=variables, cwd=tmp_path, check=False
        )
        assert done.stdout.strip() == answer, done.stderr


def test_numbas_runtime_is_kept_and_mended(place: Path) -> None:
    script = """
import numpy as np
from skry_dask.kernels.field.median import median_displacements
print(median_displacements(np.ones((1, 3, 2)), np.ones((1, 3), bool))[0, 0])
"""
    variables = os.environ | {disk_cache.VARIABLE: str(place.parent)}
    sizes = []
    for _ in range(3):
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
        assert float(done.stdout) == pytest.approx(1.0), done.stderr
        (data,) = place.glob("runtime*.nbc")
        sizes.append(data.stat().st_size)
        data.write_bytes(data.read_bytes()[: sizes[-1] // 2])
    assert sizes[0] == sizes[1] == sizes[2] > 1000


def test_a_damaged_file_is_compiled_anew(place: Path) -> None:
    assert kernel(add)(np.arange(3)) == 3
    (data,) = place.glob("*add*.nbc")
    data.write_bytes(data.read_bytes()[:100])
    again = kernel(add)
    assert again(np.arange(3)) == 3
    assert hits(again) == 0
    mended = kernel(add)
    assert mended(np.arange(3)) == 3
    assert hits(mended) == 1


def test_what_was_not_used_for_long_is_forgotten(place: Path) -> None:
    tag = sys.implementation.cache_tag
    old, recent = (place.with_name(f"0.0.{i}-{tag}-abc") for i in (1, 2))
    other = place.with_name("somebody-else")
    for folder in (old, recent, other):
        folder.mkdir(parents=True)
    long_ago = time.time() - (disk_cache.FORGET_DAYS + 1) * 86400
    for folder in (old, other):
        os.utime(folder, (long_ago, long_ago))
    assert disk_cache.folder() == place
    assert [folder.exists() for folder in (old, recent, other)] == [False, True, True]
