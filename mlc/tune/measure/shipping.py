"""Programs as bytes for a process of one's own: in a tenth of the time that their script takes.

Expressions are interned and buffers are equal to themselves alone: what is made anew on the other
side stands for the same, and the machine code of it is the same.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from ...dtypes import DType
from ...ir.combiner import REDUCERS, Combiner, reducer
from ...ir.expr import (
    Apply,
    Axis,
    Cast,
    Const,
    Expr,
    Load,
    Reduce,
    Select,
    Var,
    apply,
    cast,
    const,
    load,
    reduce,
    select,
)
from ...ir.program import Buffer, Program


def program_bytes(program: Program) -> bytes | None:
    """``program`` for :func:`program_of`; None where it holds what cannot travel, or is nested too
    deeply."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    try:
        pickler.dump(program)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError):
        return None
    return out.getvalue()


def program_of(data: bytes) -> Program:
    """The program whose :func:`program_bytes` these are. They must come from a process that is
    trusted: what they name is called."""
    found = pickle.loads(data)
    assert isinstance(found, Program)
    return found


def _applied(fn: str, dtype: DType, *args: Expr) -> Expr:
    return apply(fn, *args, dtype=dtype)


def _combiner(one: Combiner) -> Any:
    """A ready-made one by its name: there is one for each dtype."""
    if one.name in REDUCERS and reducer(one.name, one.dtypes[0]) is one:
        return reducer, (one.name, one.dtypes[0])
    return one.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


_TABLE: dict[type, Callable[[Any], Any]] = {
    Const: lambda e: (const, (e.value, e.dtype)),
    Var: lambda e: (Var, (e.name, e.dtype)),
    Axis: lambda e: (Axis, (e.name, e.extent, e.is_reduce)),
    Apply: lambda e: (_applied, (e.fn, e.dtype, *e.args)),
    Cast: lambda e: (cast, (e.value, e.dtype)),
    Select: lambda e: (select, e.children),
    Load: lambda e: (load, (e.source, e.indices)),
    Reduce: lambda e: (reduce, (e.combiner, e.values, e.axes, e.index)),
    Combiner: _combiner,
    Buffer: lambda b: (Buffer, (b.name, b.shape, b.dtype, b.strides, b.scope, b.aligned)),
}
