"""What loops and branches can carry, and as what."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype, boolean, float64, int64
from ..te.extent import is_open
from ..te.tensor import Tensor
from ..tracer import tree
from ..tracer.rows import Row
from ..tracer.trace import FunctionTrace
from ..tracer.tracer import Tracer
from .host_changes import UNDEFINED
from .plan import NotNative
from .spec import Spec


def is_value(leaf: Any) -> bool:
    """Whether ``leaf`` is an array or a number, traced or not."""
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "biuf"
    if isinstance(leaf, np.generic):
        return leaf.dtype.kind in "biuf"
    return isinstance(leaf, (Tracer, bool, int, float))


def is_carriable(value: Any) -> bool:
    """Whether ``value`` is a tree of arrays and numbers, and not an empty one."""
    leaves, _ = tree.flatten(value)
    return bool(leaves) and all(is_value(leaf) for leaf in leaves)


def spec_of(trace: FunctionTrace, leaf: Any) -> Spec:
    """The type of a leaf."""
    if isinstance(leaf, Tracer):
        if is_open(leaf.shape):
            raise NotNative(
                "a slice whose length only the running loop knows is kept from one iteration or "
                "branch to what comes after; keep its bounds, or write it into an array"
            )
        cell = leaf._cell
        if isinstance(cell, Row) and cell.is_unread:  # and stays so
            return Spec(leaf.shape, leaf._seen[1].dtype, cell.weak)
        is_weak = leaf._cell.array is None and leaf._tensor in trace.weak
        return Spec(leaf.shape, leaf._seen[1].dtype, is_weak)
    if isinstance(leaf, (np.ndarray, np.generic)):
        return Spec(np.shape(leaf), as_dtype(leaf.dtype))
    return Spec((), boolean if isinstance(leaf, bool) else int64 if isinstance(leaf, int) else
                float64, True)  # fmt: skip


def tensor_of(trace: FunctionTrace, leaf: Any, spec: Spec) -> Tensor:
    """``leaf`` as a tensor of type ``spec``."""
    from ..ops.create import filled
    from ..ops.elementwise import astype

    value = trace.lift(leaf)
    if not isinstance(value, Tensor):
        made: Any = filled.tensors(trace, (value,), {"shape": spec.shape, "dtype": spec.dtype})
        return made  # type: ignore[no-any-return]
    if value.dtype is spec.dtype:
        return value
    return astype.tensors(trace, (value,), {"dtype": spec.dtype})  # type: ignore[no-any-return]


def zeros(trace: FunctionTrace, spec: Spec) -> Tensor:
    """Zeros of type ``spec``, as an array that can be written to."""
    from ..ops.shape import spread

    zero = tensor_of(trace, spec.dtype.numpy.type(0), Spec((), spec.dtype))
    made: Any = spread.tensors(trace, (zero,), {"shape": spec.shape})
    return made  # type: ignore[no-any-return]


def nothing(trace: FunctionTrace, spec: Spec) -> Tensor:
    """What stands in the place of a value of type ``spec`` that is not there."""
    from ..ops.create import filled

    if not spec.shape:
        return tensor_of(trace, spec.dtype.numpy.type(0), Spec((), spec.dtype))
    made: Any = filled.tensors(trace, (0,), {"shape": spec.shape, "dtype": spec.dtype})
    return made  # type: ignore[no-any-return]


def tree_text(value: Any) -> str:
    """What a value is, in a few words."""
    if value is UNDEFINED:
        return "nothing"
    if isinstance(value, Tracer):
        return f"{value.dtype.name}{list(value.shape)}"
    return (
        repr(value)
        if value is None or isinstance(value, (str, bool, int))
        else (f"a {type(value).__name__}")
    )
