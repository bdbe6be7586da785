"""Runs a plain NumPy function through the operators and the reference evaluator, without jit.

A small tracer of its own: what the operators register for NumPy's protocols is all that it uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlc import ops, te
from mlc.ops import elementwise, index, op, reduce, shape, statistics
from mlc.te.evaluate import evaluate

ops.load()


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """A te tensor that NumPy functions accept."""

    def __init__(self, tensor: te.Tensor) -> None:
        self.tensor = tensor
        self.shape, self.ndim, self.size = tensor.shape, tensor.ndim, tensor.size
        self.dtype = tensor.dtype.numpy

    def __mlc_lift__(self, trace: Any) -> te.Tensor:
        return self.tensor

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        found = op.UFUNCS[ufunc] if method == "__call__" else op.UFUNC_METHODS[ufunc, method]
        return found(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return op.NUMPY_FUNCTIONS[function](*args, **kwargs)

    def __pow__(self, exponent: Any) -> Any:
        is_root = type(exponent) is float and exponent == 0.5  # which NumPy's ** looks for
        return np.sqrt(self) if is_root else np.power(self, exponent)  # type: ignore[call-overload]

    def __getitem__(self, key: Any) -> Any:
        return index.getitem(self, key)

    def astype(self, dtype: Any) -> Any:
        return elementwise.astype(self, dtype=dtype)

    T = property(lambda self: shape.transpose(self))
    sum = lambda self, *a, **k: reduce.sum(self, *a, **k)
    mean = lambda self, *a, **k: statistics.mean(self, *a, **k)
    var = lambda self, *a, **k: statistics.var(self, *a, **k)
    any = lambda self, *a, **k: reduce.any(self, *a, **k)
    all = lambda self, *a, **k: reduce.all(self, *a, **k)
    argmax = lambda self, *a, **k: reduce.argmax(self, *a, **k)
    argmin = lambda self, *a, **k: reduce.argmin(self, *a, **k)
    ravel = lambda self, *a, **k: shape.ravel(self, *a, **k)
    transpose = lambda self, *axes: shape.transpose(self, axes or None)

    def reshape(self, *sizes: Any) -> Any:
        return shape.reshape(self, sizes[0] if len(sizes) == 1 else sizes)


class Trace:
    """What operators need of a trace."""

    def __init__(self) -> None:
        self.weak: set[te.Tensor] = set()
        self.numbered: dict[Any, Any] = {}

    def lift(self, value: Any) -> Any:
        if isinstance(value, Traced):
            return value.tensor
        if (
            value is None
            or isinstance(value, (bool, int, float))
            and not isinstance(value, np.generic)
        ):
            return value
        return te.constant(np.asarray(value))

    def wrap(self, tensor: te.Tensor) -> Traced:
        return Traced(tensor)


def trace(function: Any, arrays: tuple[Any, ...]) -> tuple[list[te.Tensor], Any]:
    """(the inputs, what ``function`` returns for them with traced values in place of arrays)."""
    inputs = [te.placeholder(a.shape, a.dtype.name, name=f"x{n}") for n, a in enumerate(arrays)]
    token = op.CURRENT.set(Trace())
    try:
        return inputs, function(*map(Traced, inputs))
    finally:
        op.CURRENT.reset(token)


def run(function: Any, arrays: tuple[Any, ...]) -> Any:
    """``function(*arrays)`` by way of te and the reference evaluator."""
    inputs, result = trace(function, arrays)
    several = isinstance(result, (tuple, list))
    parts = list(result) if several else [result]
    tensors = [part.tensor for part in parts if isinstance(part, Traced)]
    values = iter(evaluate(tensors, dict(zip(inputs, arrays, strict=True))))
    out = [next(values) if isinstance(part, Traced) else part for part in parts]
    return out if several else out[0]
