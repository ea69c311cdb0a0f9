"""Versions of what computes: the same bits and readable graphs need the same on all machines."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = ("skry_dask", "dask", "distributed", "numba", "numpy", "scipy", "xarray", "zarr")
"""Packages of which every process of a cluster needs the same version."""

UNKNOWN = "no version that it could tell"


def differences(own: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    """Name what another process has in another version than this one.

    Parameters
    ----------
    own, other
        As from ``Client.get_versions``; None where a process did not answer.

    Returns
    -------
    str
        Such as "numpy 2.1.0 (here 2.3.4)", "no numba"; empty where nothing differs.
    """
    if other is None:
        return UNKNOWN
    found = []
    mine, theirs = _python(own), _python(other)
    if mine != theirs:
        found.append(f"Python {theirs} (here {mine})")
    for name in PACKAGES:
        mine, theirs = (side["packages"].get(name) for side in (own, other))
        if theirs is None:
            found.append(f"no {name}")
        elif mine != theirs:
            found.append(f"{name} {theirs} (here {mine})")
    return ", ".join(found)


def _python(process: Mapping[str, Any]) -> str:
    """Return the version of Python without the last number, which changes no interface."""
    return ".".join(str(process["host"]["python"]).split(".")[:2])


@functools.cache
def package_digest() -> str:
    """Compute a digest of the sources of this package: another build may have the same version."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        digest.update(f"{source.relative_to(package).as_posix()}\n".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
