"""Globes whose rotation is known, and their systems of longitudes."""

from __future__ import annotations

from enum import StrEnum


class Body(StrEnum):
    """A globe whose rotation is known and shows within minutes or hours."""

    SUN = "sun"
    MARS = "mars"
    JUPITER = "jupiter"
    SATURN = "saturn"


class System(StrEnum):
    """System of longitudes: I turns with the equator's clouds, II with others, III inside."""

    I = "I"  # noqa: E741 its name
    II = "II"
    III = "III"
