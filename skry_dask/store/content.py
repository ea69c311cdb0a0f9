"""Digests of Python values by their content: arrays, and what the phases make of them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


def digest_of_content(*values: Any) -> str:
    """Compute a digest of values that is the same in every process and on every machine.

    Parameters
    ----------
    values
        None, numbers, strings, NumPy arrays and scalars without objects, dataclasses, and tuples,
        lists and dicts of these. 4 MiB of arrays take 2 to 10 ms.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    TypeError
        If a value is anything else.
    """
    content = hashlib.sha256()
    for part in _parts(values):
        content.update(part)
    return content.hexdigest()[:32]


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """Write a value as bytes, from which it could be read again."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"an array of objects has no digest: {array.dtype}")
        yield f"array {array.dtype.descr} {np.shape(value)};".encode()
        yield array.reshape(-1).view(np.uint8).data
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        yield f"{kind} of ".encode()
        yield from _parts(fields)
    elif isinstance(value, tuple | list | dict):
        items = list(value.items()) if isinstance(value, dict) else value
        yield f"{kind} {len(items)};".encode()
        for item in items:
            yield from _parts(item)
    elif value is None:
        yield b"None;"
    elif isinstance(value, bool | int | float | str):
        # An option is a string or number of a class of its own, which does not matter.
        base = next(base for base in (bool, int, float, str) if isinstance(value, base))
        text = repr(base(value))
        yield f"{base.__name__} {len(text)} {text};".encode()
    else:
        raise TypeError(f"a {kind} has no digest: {value!r}")
