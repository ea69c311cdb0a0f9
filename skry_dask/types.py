"""Types of arrays, for signatures; the docstring of a function says which dims they have."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Frames: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16: raw frames (frame, y, x), or one frame (y, x), with all bits of the camera.

Colour frames have a last dim ``channel``: red, green, blue."""

AXIS: NDArray[np.str_] = np.array(["y", "x"])
"""Labels of the dim ``axis``: vectors are (y, x)."""

CHANNEL: NDArray[np.str_] = np.array(["red", "green", "blue"])
"""Labels of the dim ``channel``."""

HALF: NDArray[np.str_] = np.array(["even", "odd"])
"""Labels of the dim ``half``: the frames of a capture with even numbers, and the others."""

AnyArray: TypeAlias = NDArray[Any]
"""Any dtype: structured, or one of several that the docstring names."""

BoolArray: TypeAlias = NDArray[np.bool_]
"""bool."""

IntArray: TypeAlias = NDArray[np.int64]
"""int64."""

Float32Array: TypeAlias = NDArray[np.float32]
"""float32."""

FloatArray: TypeAlias = NDArray[np.float64]
"""float64."""

ComplexArray: TypeAlias = NDArray[np.complex64]
"""complex64."""
