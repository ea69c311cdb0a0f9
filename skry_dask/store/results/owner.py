"""The capture that a store belongs to, so that another one is not mixed with it by mistake."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.store.places.folder import attributes_of

if TYPE_CHECKING:
    from skry_dask.io.remote import Location

RESULTS_OF = "results_of"
"""Attribute of a store without frames: source and digest of the capture it has results of."""


class Owner(NamedTuple):
    """A capture.

    Parameters
    ----------
    source
        Its file.
    digest
        Digest of its content and of how it is read.
    """

    source: str
    digest: str

    def is_same(self, other: Owner) -> bool:
        """Return whether two are states of one capture: of one content, or of one name."""
        return self.digest == other.digest or (
            PurePath(self.source).stem == PurePath(other.source).stem
        )


def owner_of(store: Location) -> Owner | None:
    """Return the capture that a store belongs to, or None if the store does not say."""
    attrs = attributes_of(store)
    about = attrs.get(RESULTS_OF, attrs)
    if not isinstance(about, dict) or not {"source", "digest"} <= set(about):
        return None
    return Owner(str(about["source"]), str(about["digest"]))


def mark_of(owner: Owner) -> dict[str, Any]:
    """Return the attributes of a new store that belongs to a capture."""
    return {RESULTS_OF: owner._asdict()}
