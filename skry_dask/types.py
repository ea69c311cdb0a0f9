"""Array aliases used in signatures."""

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

AnyArray: TypeAlias = NDArray[Any]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
Float32Array: TypeAlias = NDArray[np.float32]
FloatArray: TypeAlias = NDArray[np.float64]
