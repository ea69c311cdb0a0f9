"""Types that kernels are compiled for, declared beside each kernel.

A signature lists the types of the arguments in numba's notation: ``"f8[:, ::1], i8"`` is a
C-contiguous array of float64 with two dimensions, and an integer. Capital letters stand for several
types, one after the other; those of a group stand for types that belong together: ``"S[::1], W"``
with ``SW=("u1 i4", "u2 i8")``. S is the type of the samples of frames.

Because all types are known, ``skry compile`` can compile everything before it is needed, in several
processes; and a kernel that is called with other types by mistake, say with a strided array, is
found by the tests, in place of costing users another compilation.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any, NamedTuple

from numba import types

SAMPLES = "u1", "u2"
"""Types of the pixels of frames."""

PLANES = "u1", "u2", "i4"
"""Types of the pixels that are stacked: those of frames, and demosaiced or scaled ones."""


class Signature(NamedTuple):
    """Types that a kernel is compiled for.

    Parameters
    ----------
    text
        The types, without letters.
    samples
        Type of the samples of frames, such as "u1"; "" if it does not matter.
    is_optional
        Whether only some options need this version.
    """

    text: str
    samples: str
    is_optional: bool


def expand(
    signature: str, letters: dict[str, tuple[str, ...]], optional: dict[str, str]
) -> list[Signature]:
    """Replace letters by the types that they stand for.

    Parameters
    ----------
    signature
        As declared.
    letters
        For each group of letters the types that replace them.
    optional
        For some letters a type that only options need.
    """
    used = {g: a for g, a in letters.items() if re.search(rf"\b[{g}]\b", signature)}
    expanded = []
    for chosen in product(*used.values()):
        kinds = " ".join(chosen).split()
        replacement = dict(zip("".join(used), kinds, strict=True))
        text = re.sub(r"\b[A-Z]\b", lambda m: replacement[m[0]], signature)  # noqa: B023
        is_optional = any(replacement.get(letter) == kind for letter, kind in optional.items())
        expanded.append(Signature(text, replacement.get("S", ""), is_optional))
    return expanded


def argument_types(signature: str) -> tuple[Any, ...]:
    """Read a signature without letters: the numba types of the arguments."""
    return tuple(eval(f"[{signature}]", {"__builtins__": {}}, vars(types)))
