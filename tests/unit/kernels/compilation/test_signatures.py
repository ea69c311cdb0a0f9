"""Types that kernels declare."""

import numba
import numpy as np
import pytest

from skry_dask.kernels.compilation.decorators import UndeclaredTypesWarning, kernel
from skry_dask.kernels.compilation.registry import all_kernels, all_versions
from skry_dask.kernels.compilation.signatures import argument_types, expand


def test_letters_stand_for_several_types_and_those_of_a_group_change_together():
    letters = {"SW": ("u1 i4", "u2 i8"), "T": ("f4", "f8"), "X": ("b1",)}
    found = expand("S[:, ::1], W, T[::1]", letters, {"T": "f8"})
    assert [tuple(one) for one in found] == [
        ("u1[:, ::1], i4, f4[::1]", "u1", False),
        ("u1[:, ::1], i4, f8[::1]", "u1", True),
        ("u2[:, ::1], i8, f4[::1]", "u2", False),
        ("u2[:, ::1], i8, f8[::1]", "u2", True),
    ]
    assert [tuple(one) for one in expand("f8, i8", {}, {})] == [("f8, i8", "", False)]


def test_signatures_name_the_types_of_arrays_and_numbers():
    values = np.zeros((2, 3), np.uint8), np.zeros(4, bool), 3, 2.5, (0, 0), True
    expected = tuple(numba.typeof(value) for value in values)
    assert argument_types("u1[:, ::1], b1[::1], i8, f8, UniTuple(i8, 2), b1") == expected


def test_every_kernel_declares_types_that_exist():
    versions = list(all_versions())
    assert len(versions) >= len(all_kernels()) > 40
    assert len({(v.kernel.__module__, v.kernel.__name__, v.argument_types) for v in versions}) == (
        len(versions)
    )


def test_a_call_with_other_types_works_but_is_reported():
    @kernel("i8[::1]")
    def first(values):
        return values[0]

    assert first(np.arange(3)) == 0
    with pytest.warns(UndeclaredTypesWarning, match=r"first does not declare \(.*float64"):
        assert first(np.arange(3.0)) == 0
    with pytest.warns(UndeclaredTypesWarning):
        assert first(np.arange(6)[::2]) == 0
