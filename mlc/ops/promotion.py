"""Which dtypes a function computes in and returns: NumPy's answer, asked of NumPy.

Python ``bool``, ``int`` and ``float`` arguments are weak, as in NumPy 2. One rule is ours: beside a
Python float, and in a matrix product, bfloat16 stays bfloat16 (`ml_dtypes` gives float32 there,
since it cannot tell NumPy that the float is weak); it promotes as float16 does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..dtypes import DType, as_dtype, bfloat16, boolean, float16, float32, float64, int64
from ..errors import DomainError, DTypeError
from .known_lists import unlifted

Operand = Any  # te.Tensor, a NumPy scalar, or a Python bool, int or float
CASTINGS = "no", "equiv", "safe", "same_kind", "unsafe"
_Key = Any  # DType, int or float


def dtype_of(value: Any) -> DType:
    """The dtype of an array-like; a Python number has the dtype that NumPy would give it alone."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return as_dtype(dtype)
    if isinstance(value, bool):
        return boolean
    if isinstance(value, int):
        return int64 if -(2**63) <= value < 2**63 else as_dtype("uint64")
    return float64 if isinstance(value, float) else as_dtype(np.asarray(unlifted(value)).dtype)


def _key(value: Operand) -> _Key:
    if isinstance(value, (int, float)) and not isinstance(value, (bool, np.generic)):
        return type(value) if type(value) in (int, float) else float
    if getattr(value, "_is_weak", False):  # a Python number, traced
        return {"f": float, "b": boolean}.get(value.dtype.kind, int)
    return dtype_of(value)


def _numpy(key: _Key) -> Any:
    return key.numpy if isinstance(key, DType) else key


def _asked(value: Any) -> Any:
    """What speaks for ``value`` when NumPy is asked: a dtype, or the type of a Python number."""
    return value if isinstance(value, (type, np.dtype)) else _numpy(_key(value))


def ufunc_dtypes(
    ufunc: np.ufunc, args: tuple[Operand, ...], dtype: Any = None
) -> tuple[tuple[DType, ...], tuple[DType, ...]]:
    """(dtypes the arguments are converted to, dtypes of the results) of ``ufunc(*args,
    dtype=dtype)``."""
    wanted = None if dtype is None else as_dtype(dtype)
    return _ufunc_dtypes(ufunc, tuple(_key(arg) for arg in args), wanted)


def loop_inputs(
    ufunc: np.ufunc, args: tuple[Operand, ...], dtype: Any
) -> tuple[np.dtype[Any] | None, ...]:
    """What ``ufunc(*args, dtype=dtype, casting="unsafe")`` converts its arguments to; None for
    Python numbers of a kind that fits, and for all if it has no such loop."""
    signature = (None,) * ufunc.nin + (as_dtype(dtype).numpy,) * ufunc.nout
    try:
        found = signed_inputs(ufunc, args, signature, "unsafe")
    except TypeError:
        return (None,) * ufunc.nin
    keys, fitting = map(_key, args), {float: "f", int: "iuf"}
    return tuple(None if as_dtype(d).kind in fitting.get(k, "") else d for k, d in zip(keys, found))


def signed_inputs(
    ufunc: np.ufunc, args: tuple[Operand, ...], signature: Any, casting: Any
) -> tuple[np.dtype[Any], ...]:
    """What ``ufunc(*args, signature=signature, casting=casting)`` converts its arguments to.
    TypeError if it has no such loop."""
    if isinstance(signature, str) and "->" in signature:
        left, right = signature.split("->")
        signature = tuple(map(np.dtype, left.strip() + right.strip()))
    given = tuple(map(_asked, args)) + (None,) * ufunc.nout
    return ufunc.resolve_dtypes(given, signature=signature, casting=casting)[: ufunc.nin]


def check_casting(ufunc: np.ufunc, args: tuple[Operand, ...], dtype: Any, casting: Any) -> None:
    """DTypeError where ``ufunc(*args, dtype=dtype, casting=casting)`` would have to cast an
    argument as a rule stricter than "same_kind" does not allow."""
    if casting not in ("same_kind", "unsafe"):
        cast_inputs(ufunc, args, dtype, casting)


def cast_inputs(
    ufunc: np.ufunc, args: tuple[Operand, ...], dtype: Any, casting: Any
) -> tuple[np.dtype[Any], ...]:
    """What ``ufunc(*args, dtype=dtype, casting=casting)`` converts its arguments to; DTypeError
    where the rule does not allow that."""
    if casting not in CASTINGS:
        names = ", ".join(map(repr, CASTINGS))
        raise DomainError(f"casting must be one of {names}, got {casting!r}")
    wanted = None if dtype is None else np.dtype(getattr(dtype, "numpy", dtype))
    asked = [_asked(arg) for arg in args]
    samples = [kind(1) if isinstance(kind, type) else np.zeros((0, 0), kind) for kind in asked]
    options: Any = {"casting": casting, **({} if wanted is None else {"dtype": wanted})}
    try:
        ufunc(*samples, **options)  # resolve_dtypes breaks down where it has to say no
    except TypeError as error:
        raise DTypeError(f"{error}; convert the arguments with .astype(...)") from None
    signature = (None,) * ufunc.nin + (wanted,) * ufunc.nout
    rule = "unsafe" if casting == "unsafe" else "same_kind"
    return signed_inputs(ufunc, args, signature, rule)


@lru_cache(maxsize=4096)
def _ufunc_dtypes(
    ufunc: np.ufunc, keys: tuple[_Key, ...], wanted: DType | None
) -> tuple[tuple[DType, ...], tuple[DType, ...]]:
    like_half = bfloat16 in keys and all(k in (bfloat16, int, float) for k in keys)
    if like_half := like_half and wanted in (None, bfloat16):
        wanted = float16 if wanted else None
        keys = tuple(float16 if k is bfloat16 else k for k in keys)
    given = tuple(_numpy(k) for k in keys) + (None,) * ufunc.nout
    try:
        if wanted is None:
            found = ufunc.resolve_dtypes(given)
        else:
            signature = (None,) * ufunc.nin + (wanted.numpy,) * ufunc.nout
            found = ufunc.resolve_dtypes(given, signature=signature, casting="same_kind")
    except TypeError as error:
        names = ", ".join(k.name if isinstance(k, DType) else f"Python {k.__name__}" for k in keys)
        raise DTypeError(
            f"np.{ufunc.__name__} has no loop for ({names})"
            + (f" with dtype={wanted.name}" if wanted else "")
            + f": {error}; convert the arguments with .astype(...)"
        ) from None
    dtypes = tuple(as_dtype(d) for d in found)
    if like_half:
        dtypes = tuple(bfloat16 if d is float16 else d for d in dtypes)
    return dtypes[: ufunc.nin], dtypes[ufunc.nin :]


def common_dtype(*args: Operand) -> DType:
    """The dtype that can hold all ``args``, as ``np.where`` and ``np.concatenate`` choose it."""
    return _common(tuple(_key(arg) for arg in args))


@lru_cache(maxsize=4096)
def _common(keys: tuple[_Key, ...]) -> DType:
    strong = [k for k in keys if isinstance(k, DType)]
    if bfloat16 in strong and complex not in keys:  # it is float64 beside 0.5 and a truth value
        try:
            return as_dtype(np.result_type(*(k.numpy for k in strong)))
        except TypeError:
            pass
    samples = [k.numpy if isinstance(k, DType) else k(0) for k in keys]
    try:
        return as_dtype(np.result_type(*samples))
    except TypeError:
        names = ", ".join(k.name for k in strong)
        raise DTypeError(
            f"dtypes {names} have no common dtype; convert with .astype(...)"
        ) from None


@lru_cache(maxsize=256)
def sum_dtype(dtype: DType) -> DType:
    """The dtype of ``np.sum`` and ``np.prod``: small integers and bool widen to 64 bits."""
    return as_dtype(np.add.reduce(np.zeros(1, dtype.numpy)).dtype)


def accumulator(dtype: DType) -> DType:
    """The dtype in which sums of ``dtype`` are kept: 16-bit floats in float32."""
    return float32 if dtype in (float16, bfloat16) else dtype


def mean_dtypes(dtype: DType, wanted: Any = None) -> tuple[DType, DType]:
    """(dtype of the sum, dtype of the result) of ``np.mean``: integers give float64."""
    out = as_dtype(wanted) if wanted is not None else dtype if dtype.is_float else float64
    return accumulator(out), out
