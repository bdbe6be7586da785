"""What stands for a NumPy function or ufunc, what it is called, and why nothing does."""

from __future__ import annotations

import inspect
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops import BASIC, HOLDERS, load, load_only
from ..ops.op import NUMPY_FUNCTIONS, UFUNCS, Op

_DATA_SIZED = (
    "the size of its result depends on the data, and shapes must be known while tracing; "
    "call it outside the jitted function, or keep the shape with np.where"
)
_HINTS = {
    **dict.fromkeys(
        [
            "unique",
            "unique_values",
            "unique_counts",
            "nonzero",
            "flatnonzero",
            "argwhere",
            "extract",
            "compress",
            "union1d",
            "intersect1d",
            "setdiff1d",
            "setxor1d",
        ],
        _DATA_SIZED,
    ),
    **dict.fromkeys(
        ["array_str", "array_repr", "array2string", "save", "savez", "savez_compressed", "savetxt"],
        "values are not known while tracing; return the array and use it outside",
    ),
    "histogramdd": "write it with np.searchsorted and np.bincount",
    "polydiv": "zeros in front decide the size of its result, and shapes must be known while "
    "tracing; call it outside the jitted function",
    "vectorize": "write the function over whole arrays",
    "apply_along_axis": "write the function over whole arrays with axis=",
    "interp": "build it from np.take, np.where and arithmetic, or declare it with @mlc.op",
}

_OF_PYTHON = " (vectorized)"  # how NumPy's names for what np.frompyfunc makes end


@cache
def load_operators() -> None:
    """Import all declarations, once and only when more than simple functions are wanted."""
    load()
    from .complex import fft, functions, linalg  # noqa: F401  (some take real arrays too)


def found_in(table: dict[Any, Any], function: Any) -> Any:
    """What stands for a function; declarations are imported until one does, simple ones first."""
    found = table.get(function)
    if found is not None:
        return found
    holder = HOLDERS.get(getattr(function, "__name__", ""))
    for name in BASIC if holder is None else (holder, *BASIC):
        load_only(name)
        found = table.get(function)
        if found is not None:
            return found
    load_operators()
    return table.get(function)


def name_of(function: Any) -> str:
    """How a user would write a NumPy function: ``np.linalg.norm``."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{function.__name__}"
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", repr(function))
    parts = [p for p in module.split(".")[1:] if not p.startswith("_")]
    return ".".join(["np", *parts, name]) if module.startswith("numpy") else f"{module}.{name}"


def is_supported(function: Any) -> bool:
    """Whether a NumPy function or ufunc can be traced."""
    load_operators()
    if isinstance(function, np.ufunc):
        return function in UFUNCS
    try:
        return function in NUMPY_FUNCTIONS
    except TypeError:
        return False


def unsupported(name: str, short: str) -> UnsupportedError:
    """The error for a NumPy function that nothing stands for, with its nearest neighbours."""
    if short.endswith(_OF_PYTHON):
        return UnsupportedError(
            f"np.frompyfunc({short.removesuffix(_OF_PYTHON)}) makes arrays of objects, which "
            f"cannot be traced; np.vectorize, with otypes=, makes arrays of numbers and is a "
            f"native loop"
        )
    from difflib import get_close_matches

    functions: list[Any] = [*NUMPY_FUNCTIONS, *UFUNCS]
    known = sorted({f.__name__ for f in functions})
    reason = _HINTS.get(short, "")
    near = [] if reason else get_close_matches(short, known, n=3, cutoff=0.6)
    hint = f"; supported and similar: {', '.join(f'np.{n}' for n in near)}" if near else ""
    if not reason and not near:
        hint = "; write it with supported functions, declare it with @mlc.op, or call it outside"
    return UnsupportedError(f"{name} cannot be traced{': ' + reason if reason else ''}{hint}")


@cache
def changes() -> dict[Any, Any]:
    """The functions that change their first argument."""
    from .changing import CHANGES

    return CHANGES


@cache
def views() -> frozenset[Any]:
    """The functions whose results share the elements of their argument, as NumPy's do."""
    names = (
        "reshape ravel transpose permute_dims matrix_transpose swapaxes moveaxis rollaxis "
        "expand_dims squeeze atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays "
        "diagonal diag flip fliplr flipud rot90 split array_split hsplit vsplit dsplit unstack "
        "asarray asanyarray ascontiguousarray asfortranarray real imag astype ix_ "
        "trim_zeros"
    )
    found = {getattr(np, name) for name in names.split() if hasattr(np, name)}
    found |= {np.linalg.diagonal, np.linalg.matrix_transpose}
    return frozenset(found | {np.lib.stride_tricks.sliding_window_view})


@lru_cache(maxsize=1024)
def signature_of(function: Any) -> inspect.Signature:
    """The parameters of a function, or of an operator."""
    return function.signature if isinstance(function, Op) else inspect.signature(function)


def fits(implementation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether ``implementation`` takes these arguments."""
    try:
        signature_of(implementation).bind(*args, **kwargs)
    except TypeError:
        return False
    return True
