"""Where a page may write: in the folders that it was started for, and nowhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from skry_dask.errors import StoreError


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders in which files may be written.

    Parameters
    ----------
    out
        Folder of files that are named without one.
    others
        Further folders.
    """

    out: Path
    others: tuple[Path, ...] = ()

    def place(self, name: str) -> Path:
        """Find the file that a name means.

        Parameters
        ----------
        name
            Relative to the folder of outputs, or absolute.

        Raises
        ------
        StoreError
            If it lies elsewhere, links followed, or its folder does not exist.
        """
        if not name.strip() or "\0" in name:
            raise StoreError(f"{name!r} is no name of a file: give one, such as moon-stack.tif")
        path = self.out / name.strip()
        real = Path(os.path.realpath(path))
        roots = [Path(os.path.realpath(root)) for root in (self.out, *self.others)]
        if not any(real.is_relative_to(root) and real != root for root in roots):
            listed = " or ".join(map(str, dict.fromkeys(roots)))
            raise StoreError(
                f"{path} lies outside the folders of this page: give a name in {listed}"
            )
        if not real.parent.is_dir():
            raise StoreError(f"{path}: there is no folder {real.parent}: create it first")
        return path
