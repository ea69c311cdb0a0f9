"""Settings of the process: made by the program, each for its reason, and by nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from skry_dask.cli import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Glibc:
    """Stands for the C library, and records what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def gnu_get_libc_version(self) -> None: ...

    def mallopt(self, setting: int, value: int) -> None:
        self.calls.append((setting, value))

    def malloc_trim(self, pad: int) -> None:
        self.calls.append(("trim", pad))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[None], object]], None]]:
    """Put another loader in place of that of the C library."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")

    def use(loader: Callable[[None], object]) -> None:
        process._glibc.cache_clear()
        monkeypatch.setattr(ctypes, "CDLL", loader)

    yield use
    process._glibc.cache_clear()


def test_glibc_shares_one_heap_and_keeps_chunks_of_frames(
    load: Callable[[Callable[[None], object]], None],
) -> None:
    libc = Glibc()
    load(lambda _: libc)
    process.configure_process()
    one_heap, map_from, trim_from = -8, -3, -1
    assert libc.calls == [(one_heap, 1), (map_from, 64 << 20), (trim_from, 128 << 20)]
    process.release_freed_memory()
    assert libc.calls[3:] == [("trim", 0)]


@pytest.mark.parametrize("error", [OSError, TypeError, None])
def test_any_other_c_library_is_left_alone(
    load: Callable[[Callable[[None], object]], None], error: type[Exception] | None
) -> None:
    def other(_: None) -> object:
        if error:
            raise error
        return object()

    load(other)
    process.configure_process()
    process.release_freed_memory()


def test_the_garbage_collector_rests_while_modules_are_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    with contextlib.suppress(ImportError), process.importing():
        assert not gc.isenabled()
        raise ImportError  # it works again after a failure too
    assert gc.isenabled()
    assert frozen == [False]


def run(code: str, **environment: str) -> list[str]:
    """Run a program; what it prints, word by word."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout.split()


def test_the_library_leaves_the_process_that_imports_it_alone(
    moon_ser: Path, tmp_path: Path
) -> None:
    code = f"""
import gc, os, sys
events = set()
sys.addaudithook(lambda event, args: event == "ctypes.dlsym" and events.add(args[1]))
def settings():
    return dict(os.environ), gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()
before = settings()
import dask.array as da
import skry_dask as skry
skry.run({str(moon_ser)!r}, output={str(tmp_path / "moon.tif")!r})
assert settings() == before
assert len(da.sin.__doc__) > 100
print("mallopt" in events, "scipy.ndimage" in sys.modules)
"""
    # Nor does a plain job wait 25 ms for modules that it does not need.
    assert run(code) == ["False", "False"]


def test_the_program_patches_no_library() -> None:
    code = """
import sys
from skry_dask.cli.process import configure_process, importing
configure_process()
with importing():
    import skry_dask.pipeline.run, dask.array as da, scipy.ndimage
finders = {type(finder).__module__.partition(".")[0] for finder in sys.meta_path}
assert "skry_dask" not in finders
print(len(da.sin.__doc__) > 100, len(scipy.ndimage.label.__doc__) > 100)
"""
    assert run(code) == ["True", "True"]


@pytest.mark.parametrize(("given", "used"), [("", "1"), ("3", "3")])
def test_blas_starts_no_threads_of_its_own_unless_told_to(given: str, used: str) -> None:
    code = """
import os, sys
if not os.environ["OPENBLAS_NUM_THREADS"]:
    del os.environ["OPENBLAS_NUM_THREADS"]
from skry_dask.cli.process import configure_process
configure_process()
assert "numpy" not in sys.modules  # which reads the variable when it is imported
print(os.environ["OPENBLAS_NUM_THREADS"])
"""
    assert run(code, OPENBLAS_NUM_THREADS=given) == [used]
