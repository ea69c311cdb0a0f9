"""The examples in docstrings run and show what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import dask
import pytest

import skry_dask

PACKAGE = Path(skry_dask.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    # A function of the package hides the module of the same name from `import a.b as c`.
    module = importlib.import_module(name)
    with dask.config.set(scheduler="sync"):
        outcome = doctest.testmod(module)
    assert outcome.failed == 0
