"""Several processes on one store: each ends as if it were alone, and no work is done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import tifffile

from tests.processes import complaints

if TYPE_CHECKING:
    from pathlib import Path


def together(folder: Path, *commands: list[str]) -> list[tuple[str, str]]:
    """Run commands at the same time; what each of them prints and says."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "skry_dask", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        )
        for command in commands
    ]  # fmt: skip
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [status for *_, status in ended] == [0] * len(commands), ended
    return [(out, err) for out, err, _ in ended]


def test_imports_to_one_target_at_a_time_decode_once(moon_ser: Path) -> None:
    ended = together(moon_ser.parent, *[["import", "moon.ser", "kept.skry"]] * 3)
    assert len({out for out, _ in ended}) == 1
    for _, err in ended:
        assert complaints(err) in (
            [],
            ["skry: waiting for another process: it imports into kept.skry"],
        )
    names = sorted(path.name for path in (moon_ser.parent / "kept.skry").iterdir())
    assert names == ["frame", "frames", "time", "zarr.json"]


def test_jobs_on_one_store_wait_for_each_other_and_share_what_is_computed(moon_ser: Path) -> None:
    names = ["stack", "moon.ser", "--store", "new.skry", "--json"]
    jobs = [[*names, "-o", f"{i}.tif"] for i in range(3)]
    ended = together(moon_ser.parent, *jobs)
    ran = [
        name
        for out, _ in ended
        for name, phase in json.loads(out)["phases"].items()
        if phase["status"] == "ran"
    ]
    assert sorted(ran) == ["align", "first_stack", "quality", "refine", "stack", "track"]
    images = [tifffile.imread(moon_ser.parent / f"{i}.tif") for i in range(3)]
    assert len({image.tobytes() for image in images}) == 1
    left = [
        path
        for path in (moon_ser.parent / "new.skry").rglob("*")
        if ".partial" in path.name or path.suffix in (".lock", ".part")
    ]
    assert left == []
