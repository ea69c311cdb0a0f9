"""Digests of values depend on their content, and on nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from skry_dask.options import AlignMethod
from skry_dask.store.content import digest_of_content


@dataclass(frozen=True)
class Grid:
    edges: Any
    size: int = 3


def test_equal_values_have_equal_digests() -> None:
    for a, b in (
        (np.arange(6), np.arange(12)[::2] // 2),
        (Grid(np.arange(3)), Grid(np.arange(3))),
        ({"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (AlignMethod.DISC, "disc"),
        (np.float64(0.5), np.array(0.5)),
    ):
        assert digest_of_content(a) == digest_of_content(b)
    # The same in every process and version.
    assert digest_of_content(1, "a", np.arange(3)) == "d491f66daa07c7748f0f9b1815c21040"


def test_different_values_have_different_digests() -> None:
    values = [
        *(0, 1, True, 1.0, "1", None, "None", [1], (1,), [[1]], [1, 1], {"1": 1}, [], "", [""]),
        *(np.array(1), np.array([1]), np.array([[1]]), np.array([1], np.int32), np.array([1.0])),
        *(Grid(np.arange(3)), Grid(np.arange(4)), Grid(np.arange(3), 4), ["ab", "c"], ["a", "bc"]),
        np.zeros(1, [("a", "u1")]),
    ]
    assert len({digest_of_content(value) for value in values}) == len(values)


def test_what_has_no_content_is_refused() -> None:
    for value in (object(), np.array([None]), {1, 2}, len):
        with pytest.raises(TypeError, match="has no digest"):
            digest_of_content(value)
