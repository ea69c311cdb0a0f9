"""Compiling ahead of use: ``skry compile``.

That nothing is forgotten, the whole suite shows: calling a kernel with types that it does not
declare is a warning, warnings are errors in tests, and what is declared is compiled here.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from skry_dask.kernels.compilation import cache_folder, fast_cache, registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own for compiled kernels, also in the processes that compile."""
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path / "kernels"))
    monkeypatch.setattr(cache_folder, "folder", cache_folder.folder.__wrapped__)
    return tmp_path / "kernels" / cache_folder.KEY


@pytest.mark.parametrize("workers", [1, 2])
def test_compiling_ahead_compiles_what_is_missing_and_nothing_else(
    cli: CommandLine, place: Path, workers: int
) -> None:
    # The two that compile fastest are missing; the others are there, as far as their names tell.
    versions = sorted(registry.all_versions(), key=lambda version: version.kernel.seconds)
    files = [fast_cache.path_of(v.kernel.py_func, v.argument_types) for v in versions]
    assert None not in files
    assert len(set(files)) == len(files)
    for file in files[2:]:
        file.touch()
    # In a process of its own: this one may have compiled them for another test.
    done = subprocess.run(
        [sys.executable, "-m", "skry_dask", "compile", "--workers", str(workers)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{place}: 2 versions of kernels compiled, {len(files) - 2} were there\n"
    assert all(file.stat().st_size > 0 for file in files[:2])
    assert all(version.is_on_disk() for version in versions)
    _, out, _ = cli("compile")
    assert out == f"{place}: 0 versions of kernels compiled, {len(files)} were there\n"


def test_compiling_ahead_without_a_folder_names_the_remedy(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder, "folder", lambda: None)
    status, _, err = cli("compile")
    assert status == 1
    assert err == (
        "skry: no folder for compiled kernels can be written: set SKRY_CACHE_DIR to one\n"
    )


def test_compiling_ahead_takes_at_least_one_process(cli: CommandLine) -> None:
    status, _, err = cli("compile", "--workers", "0")
    assert (status, err) == (2, "skry: --workers is at least 1, not 0\n")
