"""A process reads frames only if it sees the same input as the one that opened it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from skry_dask.capture import identity
from skry_dask.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make this process one that has seen no input yet."""
    return lambda: monkeypatch.setattr(identity, "_SEEN", set())


def test_frames_of_another_file_of_the_same_name_are_refused(
    moon_ser: Path, elsewhere: Callable[[], None]
) -> None:
    capture = skry.open_capture(moon_ser)
    sent = pickle.dumps(capture)
    elsewhere()
    assert (pickle.loads(sent)["frames"][3] == capture["frames"][3]).all()
    content = bytearray(moon_ser.read_bytes())
    content[50_000] ^= 1
    moon_ser.write_bytes(content)
    elsewhere()
    with pytest.raises(ReaderError, match=r"moon\.ser has another content"):
        pickle.loads(sent)["frames"][3].compute()
    moon_ser.unlink()
    with pytest.raises(ReaderError, match=r"there is no file .*moon\.ser"):
        pickle.loads(sent)["frames"][3].compute()


def test_frames_of_another_store_of_the_same_name_are_refused(
    moon_ser: Path, elsewhere: Callable[[], None]
) -> None:
    store = moon_ser.with_suffix(".skry")
    skry.import_capture(moon_ser, store)
    sent = pickle.dumps(skry.open_capture(store))
    elsewhere()
    assert pickle.loads(sent)["frames"][3].compute().shape == (180, 240)
    metadata = store / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"digest": "', '"digest": "0'))
    elsewhere()
    with pytest.raises(ReaderError, match=r"moon\.skry holds other frames"):
        pickle.loads(sent)["frames"][3].compute()


def test_a_relative_name_means_the_folder_in_which_the_capture_was_opened(
    moon_ser: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(moon_ser.parent)
    skry.import_capture("moon.ser", "moon.skry")
    captures = [skry.open_capture(name) for name in ("moon.ser", "moon.skry")]
    assert captures[0].attrs["source"] == "moon.ser"
    os.chdir(tmp_path_factory.mktemp("other"))
    for capture in captures:
        assert capture["frames"][0].compute().shape == (180, 240)
    assert not Path("moon.ser").exists()
