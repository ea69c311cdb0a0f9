"""When an image was taken, and the order of a sequence."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def time_of(metadata: Mapping[str, Any], taken: int | None = None) -> datetime | None:
    """Find out when an image was taken.

    Parameters
    ----------
    metadata
        What `write_image` stored with a stack: its ``time``, or the date of the capture.
    taken
        What the header of the file says, ns since 1970-01-01 UTC, or None.

    Returns
    -------
    datetime or None
        UTC; None if it is not known.
    """
    attributes = metadata.get("source_attributes")
    stated = metadata.get("time"), attributes and attributes.get("date_utc")
    for value in stated:
        text = value.get("middle") if isinstance(value, dict) else value
        if isinstance(text, str) and (found := _parse(text)) is not None:
            return found
    return None if taken is None else datetime.fromtimestamp(taken / 1e9, UTC)


def _parse(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def in_order(names: Sequence[str], times: Sequence[datetime | None]) -> tuple[list[int], bool]:
    """Put images in order: by time if all are known and differ, else by name.

    Parameters
    ----------
    names
        Numbers in names count by their value.
    times
        When they were taken.

    Returns
    -------
    order
        Positions in ``names``.
    by_time
        Whether it is that of the times.
    """
    known = [time for time in times if time is not None]
    if len(known) == len(names) and len(set(known)) > 1:
        stamps = [time.timestamp() for time in known]
        return sorted(range(len(names)), key=lambda i: (stamps[i], _natural(names[i]))), True
    return sorted(range(len(names)), key=lambda i: _natural(names[i])), False


def _natural(name: str) -> tuple[list[Any], str]:
    pieces = re.split(r"([0-9]+)", name.casefold())
    return [int(piece) if i % 2 else piece for i, piece in enumerate(pieces)], name


def in_words(time: datetime) -> str:
    """Write a time for a picture: ``2026-11-29 21:14:05 UTC``."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
