"""Descriptions of arrays for loads of boxes: as the driver makes them, and for the emulator."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from mlc.backends.cuda.device import TensorMap
from mlc.errors import UnsupportedError

MAP_BYTES = 128
_ALIGNMENT = 64
_DTYPES = {"float16": 6, "bfloat16": 9}  # CU_TENSOR_MAP_DATA_TYPE_...
_PLAIN, _MIXED_128, _TO_L2_256, _ZEROS = 0, 3, 3, 0  # no interleaving; CU_TENSOR_MAP_SWIZZLE_128B
_LIBRARIES = ("libcuda.so.1", "libcuda.so")
_EMULATED = "<Q5Q4Q5III16x4x"


def driver_map(each: TensorMap, address: int) -> bytes:
    """A CUtensorMap of the array at ``address``. Raises UnsupportedError where the driver cannot
    make one at all, and RuntimeError where it refuses this one."""
    rank = len(each.shape)
    made = aligned_map(bytes(MAP_BYTES))
    code = _encoder()(
        made.ctypes.data, _DTYPES[each.dtype], rank, address,
        (ctypes.c_uint64 * rank)(*each.shape), (ctypes.c_uint64 * (rank - 1))(*each.strides),
        (ctypes.c_uint32 * rank)(*each.box), (ctypes.c_uint32 * rank)(*(1,) * rank),
        _PLAIN, _MIXED_128, _TO_L2_256, _ZEROS,
    )  # fmt: skip
    if code:
        raise RuntimeError(
            f"cuTensorMapEncodeTiled returned {code} for shape {each.shape}, strides "
            f"{each.strides} and boxes of {each.box} at {address:#x}"
        )
    return made.tobytes()


def emulated_map(each: TensorMap, address: int) -> bytes:
    """What ``MlcBoxes`` of the emulator's header holds."""

    def filled(values: tuple[int, ...], count: int, rest: int) -> tuple[int, ...]:
        return values + (rest,) * (count - len(values))

    rank = len(each.shape)
    return struct.pack(
        _EMULATED, address, *filled(each.shape, 5, 1), *filled(each.strides, 4, 0),
        *filled(each.box, 5, 1), rank, 2,
    )  # fmt: skip


def aligned_map(content: bytes) -> np.ndarray[Any, Any]:
    """``content`` in memory of its own, where the driver wants it."""
    memory = np.zeros(MAP_BYTES + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    made = memory[start : start + MAP_BYTES]
    made[:] = np.frombuffer(content, np.uint8)
    return made


@functools.cache
def _encoder() -> Callable[..., int]:
    """The function of the driver."""
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        found: Any = getattr(library, "cuTensorMapEncodeTiled", None)
        if found is None:
            raise UnsupportedError(
                f"{name} has no cuTensorMapEncodeTiled, which kernels for sm_90a need that load "
                f"boxes of arrays; install a driver of CUDA 12 or later, or set "
                f"mlc.config.cuda_architecture to 'sm_80'"
            )
        word, many = ctypes.c_uint32, ctypes.c_void_p
        found.argtypes = (many, word, word, many, many, many, many, many, word, word, word, word)
        found.restype = ctypes.c_int
        encode: Callable[..., int] = found
        return encode
    raise UnsupportedError(
        f"none of {', '.join(_LIBRARIES)} can be loaded, and kernels for sm_90a ask the driver to "
        f"describe arrays; install NVIDIA's driver (see nvidia-smi), or use target='cuda-emulated'"
    )
