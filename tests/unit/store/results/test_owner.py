"""A store belongs to one capture, whatever states that has had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.store.places.folder import ensure_group
from skry_dask.store.results.owner import Owner, mark_of, owner_of
from skry_dask.store.results.writing import ResultStore
from tests.stores import INFO, decoded_frames, small_result, write_frames

if TYPE_CHECKING:
    from pathlib import Path

MOON = Owner("night/moon.ser", "d1")


def test_a_new_store_belongs_to_the_capture_whose_results_it_gets(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "a.skry") is None
    for owner in (MOON, Owner("mars.ser", "d2")):  # the first stays
        ResultStore(tmp_path / "a.skry", owner).save("align", owner.digest, small_result())
        assert owner_of(tmp_path / "a.skry") == MOON
    assert sorted(path.name for path in (tmp_path / "a.skry").iterdir()) == ["align", "zarr.json"]


def test_a_store_with_frames_belongs_to_their_capture(tmp_path: Path) -> None:
    attrs = {"digest": "d", "format": "test", "source": "moon.mp4", "bits": 12}
    ensure_group(tmp_path, mark_of(MOON))
    write_frames(tmp_path, INFO, decoded_frames(), attrs)
    assert owner_of(tmp_path) == Owner("moon.mp4", "d")


def test_captures_are_the_same_by_content_or_by_name() -> None:
    assert MOON.is_same(Owner("moon.ser", "d2"))
    assert MOON.is_same(Owner("copy.ser", "d1"))
    assert not MOON.is_same(Owner("mars.ser", "d2"))
