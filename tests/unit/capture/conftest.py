"""Masters on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.io.images.write import write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import ArrayLike


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, ArrayLike], str]:
    """Write a master into the working directory, so that messages have its bare name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, image: ArrayLike) -> str:
        kind = "tiff32" if name.endswith(".tif") else "png16"
        write_image(name, np.asarray(image), kind=kind, metadata={})
        return name

    return write
