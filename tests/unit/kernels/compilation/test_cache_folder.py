"""The folder in which compiled kernels are kept."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

import skry_dask
from skry_dask.kernels.compilation import cache_folder

PACKAGE = Path(skry_dask.__file__).parent


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test look for the folder again."""
    monkeypatch.setattr(cache_folder, "folder", cache_folder.folder.__wrapped__)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that the environment variable names, with the key of these kernels."""
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path / "kernels"))
    return tmp_path / "kernels" / cache_folder.KEY


def test_the_users_choice_comes_before_the_users_cache_and_a_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path / "chosen"))
    monkeypatch.setattr(cache_folder.config, "CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setattr(cache_folder, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    assert list(cache_folder._places()) == [
        tmp_path / "chosen",
        tmp_path / "numba" / "skry_dask",
        tmp_path / "cache",
        tmp_path / f"skry_dask-{cache_folder._user()}",
    ]


def test_without_a_home_there_is_only_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(cache_folder.VARIABLE, raising=False)
    monkeypatch.setattr(cache_folder, "user_cache_path", lambda *_, **__: Path("~/.cache/x"))
    monkeypatch.setattr(cache_folder.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    assert list(cache_folder._places()) == [tmp_path / f"skry_dask-{cache_folder._user()}"]


def test_a_folder_is_closed_to_others_whatever_the_umask_says(place: Path) -> None:
    before = os.umask(0)
    try:
        assert cache_folder.folder() == place
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_to_is_not_used_and_named(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place.mkdir(parents=True)
    (place / "kernel.nbk").write_bytes(b"")
    for mode in (0o777, 0o770):
        place.chmod(mode)
        assert cache_folder.folder() != place
    place.chmod(0o755)
    assert cache_folder.folder() == place
    for above, mode in ((place.parent, 0o770), (tmp_path, 0o777)):
        before = above.stat().st_mode
        above.chmod(mode)
        assert cache_folder.folder() != place
        assert str(above) in caplog.records[-1].message
        above.chmod(before)
    shutil.rmtree(place)
    target = tmp_path / "elsewhere"
    target.mkdir()
    place.symlink_to(target)
    assert cache_folder.folder() != place


def test_a_folder_of_another_user_is_not_used_except_the_administrators(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder.folder() == place
    owner = place.stat().st_uid
    monkeypatch.setattr(cache_folder.os, "getuid", lambda: owner + 1)
    assert (cache_folder.folder() == place) == (owner == 0)


def test_systems_without_user_numbers_use_folders_of_the_users_profile(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(cache_folder.os, "getuid")
    monkeypatch.setattr(cache_folder, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    assert cache_folder.folder() == place  # which the user has chosen
    monkeypatch.delenv(cache_folder.VARIABLE)
    monkeypatch.setattr(cache_folder.Path, "home", lambda: tmp_path)
    assert cache_folder.folder() == tmp_path / "cache" / cache_folder.KEY
    monkeypatch.setattr(cache_folder.Path, "home", lambda: tmp_path / "someone")
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    assert cache_folder.folder() is None


def test_a_read_only_folder_with_kernels_is_used(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    # Tests may run as root, whom no permission stops.
    monkeypatch.setattr(cache_folder.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(cache_folder.os, "access", lambda *_: False)
    place.mkdir(parents=True, mode=0o700)
    assert cache_folder.folder() != place
    (place / "kernel.nbk").write_bytes(b"")
    assert cache_folder.folder() == place


def test_the_key_changes_with_versions_processors_and_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cache_folder.key() == cache_folder.KEY
    keys = {cache_folder.KEY}
    with monkeypatch.context() as patch:
        patch.setattr(cache_folder, "version", lambda _: "99.0")
        keys.add(cache_folder.key())
    for name, value in (("CPU_NAME", "haswell"), ("CPU_FEATURES", "+sse2")):
        with monkeypatch.context() as patch:
            patch.setattr(cache_folder.config, name, value)
            keys.add(cache_folder.key())
    kernels = tmp_path / "kernels"
    shutil.copytree(PACKAGE / "kernels", kernels)
    monkeypatch.setattr(cache_folder, "__file__", str(kernels / "compilation" / "cache_folder.py"))
    assert cache_folder.key() == cache_folder.KEY
    # Kernels contain functions of other files: each file in each folder counts, and its name.
    with (kernels / "stacking" / "resample.py").open("a") as file:
        file.write("\n")
    keys.add(cache_folder.key())
    (kernels / "simd" / "memory.py").rename(kernels / "simd" / "renamed.py")
    keys.add(cache_folder.key())
    assert len(keys) == 6


def test_kernels_of_versions_that_have_not_been_used_for_long_are_removed(place: Path) -> None:
    tag = sys.implementation.cache_tag
    old, recent = (place.with_name(f"0.0.{i}-{tag}-abc") for i in (1, 2))
    other = place.with_name("somebody-else")
    for folder in (old, recent, other):
        folder.mkdir(parents=True)
    long_ago = time.time() - (cache_folder.UNUSED_DAYS + 1) * 86400
    for folder in (old, other):
        os.utime(folder, (long_ago, long_ago))
    assert cache_folder.folder() == place
    assert [folder.exists() for folder in (old, recent, other)] == [False, True, True]
