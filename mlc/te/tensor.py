"""Tensors and the operations that make them: the nodes of every graph.

::

    Tensor(shape, dtype, op, index)     result number `index` of an operation
    Operation = Placeholder             an input
              | Constant(array)         an array captured from the user's closure
              | Compute(axes, body)     one expression per element and per output
              | Call(program, inputs)   a tensor program over whole tensors
"""

from __future__ import annotations

from dataclasses import field
from itertools import count
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import ArgumentError, BoundsError, ShapeError, SourceLocation
from ..ir.array_functions import refuse_array_functions
from ..ir.expr import Axis, Expr, Reduce, as_expr, load
from ..ir.grids import Grid
from ..ir.program import Buffer, Program
from ..ir.rewrite import loads_of
from ..records import dataclass


@dataclass(frozen=True, eq=False)
class Placeholder:
    """An input. ``strides`` (in elements) and ``aligned`` say what array will be passed."""

    strides: tuple[int, ...] | None = None
    aligned: bool = True


@dataclass(frozen=True, eq=False)
class Constant:
    """A captured array; kernels read it in place, so it must not change."""

    array: np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Compute:
    """``body[i]`` is the element of output i at the point ``axes``.

    Either no body has a Reduce, or each *is* a Reduce, over the same combiner, values and axes.
    ``op`` and ``params`` say which declaration it came from, for printing and for graph rules.
    Where it is not ``aligned``, results may lie at addresses that are no multiples of their size.
    """

    axes: tuple[Axis, ...]
    body: tuple[Expr, ...]
    op: str = "compute"
    params: tuple[tuple[str, Any], ...] = ()
    location: SourceLocation | None = None
    aligned: bool = True
    inputs: tuple[Tensor, ...] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[Tensor, None] = {}
        for part in self.body:
            found.update(dict.fromkeys(node.source for node in loads_of(part)))
        object.__setattr__(self, "inputs", tuple(found))

    @property
    def reduction(self) -> Reduce | None:
        """The Reduce at the root, if there is one."""
        root = self.body[0]
        return root if isinstance(root, Reduce) else None


@dataclass(frozen=True, eq=False)
class Call:
    """The outputs that ``program`` fills, given ``inputs`` for its first params.

    For what no expression per element says: scans, sorting, scatters, loops that run until
    something holds. ``op`` and ``params`` are as those of a compute. ``on_grid`` writes programs
    of the same meaning and params whose loops are bound to the blocks and threads of a grid.
    """

    program: Program
    inputs: tuple[Tensor, ...]
    op: str = "call"
    params: tuple[tuple[str, Any], ...] = ()
    location: SourceLocation | None = None
    on_grid: Grid | None = None

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        """The params of the program that are written, one for each result."""
        return self.program.params[len(self.inputs) :]


Operation = Placeholder | Constant | Compute | Call


_SERIALS = count()


def next_serial() -> int:
    """A number that those of all tensors made from now on exceed."""
    return next(_SERIALS)


class Tensor:
    """An array to be: ``shape``, ``dtype`` and the operation that makes it.

    Index it inside te.compute.
    """

    __slots__ = ("__weakref__", "dtype", "index", "name", "op", "serial", "shape")

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: DType, op: Operation, index: int = 0
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.op = op
        self.index = index
        self.serial = next(_SERIALS)  # later tensors have greater ones

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        total = 1
        for extent in self.shape:
            total *= int(extent)
        return total

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors this one is computed from."""
        return self.op.inputs if isinstance(self.op, (Compute, Call)) else ()

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)}"

    def __getitem__(self, indices: Any) -> Expr:
        items = indices if isinstance(indices, tuple) else (indices,)
        if len(items) != self.ndim:
            raise ShapeError(
                f"{self.name} has {self.ndim} dimensions {self.shape} but was indexed "
                f"with {len(items)}; give one index per dimension"
            )
        exprs = tuple(as_expr(item) for item in items)
        for axis, (item, extent) in enumerate(zip(exprs, self.shape, strict=True)):
            if item.dtype.is_float:
                raise ArgumentError(
                    f"index {axis} of {self.name} is {item.dtype}; indices must be integers: "
                    f"use .astype('int64')"
                )
            value = getattr(item, "value", None)
            if isinstance(value, int) and not 0 <= value < int(extent):
                raise BoundsError(
                    f"index {value} is out of bounds for axis {axis} of {self.name} with size "
                    f"{extent}; te indices do not wrap, count from 0"
                )
        return load(self, tuple(e if e.dtype.name == "int64" else e.astype("int64") for e in exprs))

    def __mlc_element__(self) -> Expr:
        """A 0-d tensor stands for its only element inside an expression."""
        if self.shape:
            raise ArgumentError(
                f"{self.name} has shape {self.shape}; "
                f"inside te.compute index it: {self.name}[i, ...]"
            )
        return load(self, ())


def _by_element(tensor: Any, what: str) -> str:
    index = ", ".join("ijlm"[: tensor.ndim]) if tensor.ndim <= 4 else "*index"
    return (
        f"{what} is for arrays, and {tensor.name} is a te tensor: say what one element is, "
        f"te.compute({tensor.shape}, lambda {index}: ... {tensor.name}[{index}] ...), or call an "
        f"operator of mlc.numpy"
    )


refuse_array_functions(Tensor, _by_element)
