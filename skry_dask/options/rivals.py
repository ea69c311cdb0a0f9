"""Options that contradict each other: one that is given later replaces its rivals."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from skry_dask.options.sharpening import SharpenOptions

if TYPE_CHECKING:
    from collections.abc import Set

_CRITERIA = frozenset({"percent", "number", "min_quality"})
_OF_METHOD = {field.name for field in fields(SharpenOptions)} - {"method", "overshoot"}

OF_STACK: dict[str, Set[str]] = {
    **{name: _CRITERIA - {name} for name in _CRITERIA},
    "drizzle": {"interpolation", "demosaic"},
    "interpolation": {"drizzle", "drop"},
    "demosaic": {"drizzle", "drop"},
}
"""By the name of an option of `StackOptions`, those that it replaces."""

OF_JOB: dict[str, Set[str]] = {
    **OF_STACK,
    "quick": {"choose=weights"},
    "points_file": {"points"},
    "anchors_file": {"anchors"},
}
"""The same for the options of a whole job; NAME=VALUE is an option with that value only."""

OF_SHARPENING: dict[str, Set[str]] = {"method": _OF_METHOD}
"""The same for `SharpenOptions`."""

OF_COLOURS: dict[str, Set[str]] = {"gains": {"white_balance"}, "white_balance": {"gains"}}
"""The same for `CombineOptions`."""
