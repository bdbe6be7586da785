"""Arrays of other libraries: read without a copy where possible, results given back in kind.

The kind of a result is that of the first array among the arguments: torch in, torch out. What has
no way back (buffers, pandas, xarray) gets NumPy's arrays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from ..errors import ArgumentError
from . import tree

Make = Callable[[np.ndarray[Any, Any]], Any]
_NUMPY = (np.ndarray, np.generic)
_NO_ARRAYS = (bool, int, float, complex, str, bytes, type(None))
_NUMBERS = {bool, int, float, complex}


def library_of(value: Any) -> str:
    """The top-level package that the class of ``value`` comes from."""
    return type(value).__module__.partition(".")[0]


def read(value: Any) -> np.ndarray[Any, Any] | None:
    """A foreign array as NumPy's, sharing its memory where it can; None if it is no array.

    Understood are ``__array__``, ``__array_interface__``, ``__dlpack__`` for memory that the CPU
    can read, and the buffer protocol (but not of ``bytes``, which are text).
    """
    if library_of(value) == "torch":
        return _read_torch(value)
    if hasattr(value, "__cuda_array_interface__") and not isinstance(value, type):
        raise _elsewhere(value)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        place = getattr(value, "__dlpack_device__", None)
        if place is not None and place()[0] not in (1, 3, 11, 13):  # memory that the CPU can read
            raise _elsewhere(value)
        return np.from_dlpack(value)
    if isinstance(value, (*_NO_ARRAYS, type)):
        return None
    try:
        view = memoryview(value)
    except TypeError:
        return None
    return np.asarray(view)


def result_maker(values: Iterable[Any]) -> Make | None:
    """How to turn results into the kind of the first array among ``values``, which may be trees;
    None for NumPy's own."""
    for value in values:
        if isinstance(value, _NUMPY):
            return None
        if isinstance(value, _NO_ARRAYS):
            continue
        if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
            return _maker(value)
        if not tree.is_leaf(value) and not _holds_numbers(value):
            once = {type(leaf): leaf for leaf in tree.flatten(value)[0]}
            for leaf in once.values():  # which tells of all others of its type
                if isinstance(leaf, _NUMPY):
                    return None
                if hasattr(leaf, "__array__") or hasattr(leaf, "__dlpack__"):
                    return _maker(leaf)
    return None


def _holds_numbers(value: Any) -> bool:
    """Whether ``value`` is a list or tuple of Python's numbers, or one of such."""
    if type(value) not in (list, tuple):
        return False
    kinds = {*map(type, value)}
    if kinds <= {list} or kinds <= {tuple}:
        kinds = {*map(type, chain.from_iterable(value))}
    return kinds <= _NUMBERS


def converted(result: Any, make: Make) -> Any:
    """``result`` with each array, and each NumPy scalar, turned over to ``make``."""
    if isinstance(result, _NUMPY):
        return make(np.asarray(result))
    if tree.is_leaf(result):
        return result
    leaves, structure = tree.flatten(result)
    return tree.unflatten(structure, [converted(leaf, make) for leaf in leaves])


def place_of(out: Any) -> Any:
    """What is to be written for ``out=``: the memory of a foreign array, all else as it is."""
    if isinstance(out, (tuple, list)):
        return type(out)(place_of(item) for item in out)
    found = out if isinstance(out, np.ndarray) else read(out)
    if found is not None and found.dtype.char in "FD":
        from .complex.value import pair_view

        return pair_view(found)
    return out if found is None else found


def _maker(value: Any) -> Make | None:
    match library_of(value):
        case "torch":
            return _make_torch
        case "jax" | "jaxlib":
            make: Make = sys.modules["jax.numpy"].asarray
            return make
    if not hasattr(value, "__dlpack__"):
        return None
    namespace = getattr(value, "__array_namespace__", None)
    if namespace is not None:
        found: Make = namespace().from_dlpack
        return found
    for owner in (type(value), sys.modules.get(type(value).__module__)):
        found = getattr(owner, "from_dlpack", None)  # type: ignore[assignment]
        if found is not None:
            return found
    return None


def _read_torch(value: Any) -> np.ndarray[Any, Any] | None:
    if not hasattr(value, "requires_grad"):  # a dtype, a device, a module
        return None
    if value.device.type != "cpu":
        raise _elsewhere(value)
    if value.requires_grad:
        raise ArgumentError(
            "a torch tensor with requires_grad=True was passed, and its gradient would be lost; "
            "pass x.detach()"
        )
    value = value.resolve_neg().resolve_conj()
    torch = sys.modules["torch"]
    if value.dtype is torch.bfloat16:
        import ml_dtypes

        bits: np.ndarray[Any, Any] = value.view(torch.int16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    found: np.ndarray[Any, Any] = value.numpy()
    return found


def _make_torch(array: np.ndarray[Any, Any]) -> Any:
    torch = sys.modules["torch"]
    if not array.flags.writeable:  # torch knows no such arrays
        array = array.copy()
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _elsewhere(value: Any) -> ArgumentError:
    where = getattr(value, "device", None)
    return ArgumentError(
        f"a {library_of(value)} array {f'on {where} ' if where is not None else ''}was passed, "
        f"whose memory the CPU cannot read; move it to the CPU first, or compile the function with "
        f"target='cuda'"
    )
