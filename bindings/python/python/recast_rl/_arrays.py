"""Arrays of other libraries as NumPy arrays that the compiled module reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = {
    "float": "float32 or float64",
    "int": "integers",
    "uint": "integers of at least 0",
    "bool": "booleans",
}


def host(values: Any, name: str, kind: str) -> NDArray[Any]:
    """`values` as a NumPy array of `kind`: float32 or float64, int64, uint64 or bool.

    A tensor of torch is detached and comes to the host; bfloat16 and float16 become float32. Other
    tensors come through `__dlpack__`, without a copy where the library allows that. Python's own
    numbers become float64, int64, uint64 or bool.
    """
    is_array = hasattr(values, "dtype")
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if kind == "float" and "bfloat16" in str(values.dtype):
            values = values.float()
    if not isinstance(values, np.ndarray) and hasattr(values, "__dlpack__"):
        values = np.from_dlpack(values)
    array: NDArray[Any] = np.asarray(values)
    if array.size == 0 and not is_array:
        array = array.astype(
            {"float": "float64", "int": "int64", "uint": "uint64", "bool": "bool"}[kind]
        )
    letter = array.dtype.kind
    if kind == "float":
        if letter == "f" and array.dtype.itemsize in (4, 8):
            return array.astype(array.dtype.newbyteorder("="), copy=False)
        if letter == "f" and array.dtype.itemsize == 2:
            return array.astype(np.float32)
        if letter in "iub" and not is_array:
            return array.astype(np.float64)
    elif kind == "int" and letter in "iu" and np.can_cast(array.dtype, np.int64):
        return array.astype(np.int64)
    elif kind == "uint" and letter in "iu":
        if letter == "i" and array.size and int(array.min()) < 0:
            raise ValueError(f"{name}: {int(array.min())} is below 0")
        return array.astype(np.uint64)
    elif kind == "bool" and letter == "b":
        return array
    raise TypeError(f"{name} are {array.dtype}: give {_NAMES[kind]}")
