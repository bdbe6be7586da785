"""Moves of short rows as moves of words: complex numbers, pixels, whatever fits into one number.

::

    b[i, c] = a[n - 1 - i, c]  for c in range(2), float32     ->     b[i] = a[n - 1 - i], uint64

Elements that are only moved may be taken for any others of their size. Those of a last axis that
always go together are one number then: half as many loads, and vectors that need not be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..dtypes import DType, as_dtype
from ..ir.expr import Axis, Const, Expr, Load, Select, const, load
from ..ir.program import contiguous_strides
from ..ir.rewrite import loads_of, variables_of
from ..records import dataclass, replace
from ..te.program import Nest
from ..te.tensor import Placeholder, Tensor
from .merge_parts import part_at

WORDS = (2, 4, 8)  # bytes
MOST_NODES = 256  # of an expression that is looked through


@dataclass(frozen=True, eq=False)
class Moves:
    """The nests of a kernel over words, and its inputs and outputs: the same memory."""

    nests: list[Nest]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def word_of(tensor: Tensor) -> DType | None:
    """The type of the numbers that rows of ``tensor`` are; None where they are none."""
    if tensor.ndim < 2 or type(tensor.shape[-1]) is not int or tensor.shape[-1] < 2:
        return None
    size = tensor.shape[-1] * tensor.dtype.itemsize
    return as_dtype(f"uint{8 * size}") if size in WORDS else None


def as_words(
    nests: Sequence[Nest], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Moves | None:
    """The same moves of words; None where something else is done, or a row is taken apart."""
    made: dict[Tensor, Tensor] = {}
    found = []
    for nest in nests:
        compute = nest.compute
        words = [word_of(tensor) for tensor in nest.tensors]
        if len(compute.axes) < 2 or compute.reduction is not None or None in words:
            return None
        *axes, last = compute.axes
        body = []
        for part in compute.body:
            word = _Rewriting(last, made).word(part)
            if word is None:
                return None
            body.append(word)
        if any(node.source in made for part in body for node in loads_of(part)):
            return None  # elements are read one by one besides
        op = replace(compute, axes=tuple(axes), body=tuple(body), aligned=False)
        fresh = tuple(
            Tensor(t.name, t.shape[:-1], word, op, t.index)  # type: ignore[arg-type]
            for t, word in zip(nest.tensors, words, strict=True)
        )
        made.update(zip(nest.tensors, fresh, strict=True))
        found.append(Nest(fresh, op))
    return Moves(
        found,
        tuple(made.get(tensor, tensor) for tensor in inputs),
        tuple(made[tensor] for tensor in outputs),
    )


class _Rewriting:
    """What moves rows along the axis ``last``, of tensors of which some are ``made`` already."""

    def __init__(self, last: Axis, made: dict[Tensor, Tensor]) -> None:
        self.last, self.made, self.nodes = last, made, 0

    def word(self, value: Expr) -> Expr | None:
        """The rows of ``value`` as words."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            return None
        match value:
            case Load():
                return self._loaded(value)
            case Const():
                return _constant([value] * self.last.extent)
            case Select(condition=condition, then=then, otherwise=otherwise):
                if self._depends(condition):
                    return _constant(
                        [part_at(value, self.last, n) for n in range(self.last.extent)]
                    )
                one, other = self.word(then), self.word(otherwise)
                if one is None or other is None:
                    return None
                return value.with_children((condition, one, other))
            case _:
                return None

    def _loaded(self, node: Load) -> Expr | None:
        if not node.indices:
            return None
        *indices, place = node.indices
        source = node.source
        if place is not self.last or any(map(self._depends, indices)):
            return None
        if not isinstance(source, Tensor) or source.shape[-1] != self.last.extent:
            return None
        found = self.made.get(source) or _input(source)
        if found is None:
            return None
        self.made[source] = found
        return load(found, tuple(indices))

    def _depends(self, value: Expr) -> bool:
        return any(axis is self.last for axis in variables_of(value))


def _constant(row: Sequence[Expr]) -> Expr | None:
    """The word of a row of constants; None where they are none."""
    if not all(isinstance(value, Const) for value in row):
        return None
    numbers = np.array([v.value for v in row if isinstance(v, Const)], row[0].dtype.numpy)
    kind = as_dtype(f"uint{8 * numbers.nbytes}")
    return const(int(numbers.view(kind.numpy)[0]), kind)


def _input(tensor: Tensor) -> Tensor | None:
    """``tensor``, which no nest makes, as an array of words; None where its rows are none in
    memory."""
    op, word = tensor.op, word_of(tensor)
    if word is None:
        return None
    strides = contiguous_strides(tensor.shape)
    if isinstance(op, Placeholder) and op.strides is not None:
        strides = op.strides
    *outer, inner = strides
    count = tensor.shape[-1]
    steps = [s for s, extent in zip(outer, tensor.shape[:-1], strict=True) if extent > 1]
    if inner != 1 or any(step % count for step in steps):
        return None
    lies = Placeholder(tuple(step // count for step in outer), aligned=False)
    return Tensor(tensor.name, tensor.shape[:-1], word, lies)
