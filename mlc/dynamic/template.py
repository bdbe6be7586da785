"""Two graphs of one function, traced for two sizes: the same but for extents and numbers?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..ir.expr import Apply, Axis, Cast, Const, Expr, Load, Reduce, Select, Var
from ..ir.program import Buffer, For
from ..te.key import combiner_text
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from ..tracer.traced import Traced
from .programs import Comparison, Different

# Of axes, and of (tensor, dimension): (slope, offset) of an extent ``slope * size + offset``.
Line = tuple[Fraction, Fraction]
Extents = dict[object, Line]


# A number that may change: a constant in an operation, or how often a loop of a program runs.
Place = tuple[Compute | Call, Const | For]


class Mismatch(Exception):
    """The graphs differ in more than sizes; the message says where."""


@dataclass(frozen=True, eq=False)
class Template:
    """A graph traced for ``size``, with what changes when the size does.

    ``extents`` says how they grow with the size, ``numbers`` are the constants in expressions that
    change, ``arrays`` the captured arrays that do.
    """

    traced: Traced
    size: int
    extents: Extents
    numbers: tuple[Place, ...]
    arrays: tuple[Tensor, ...]

    def values(self, other: Traced, size: int) -> tuple[list[Any], list[np.ndarray[Any, Any]]]:
        """The numbers and arrays that stand in ``other``, traced for ``size``.

        Raises :class:`Mismatch` if ``other`` is no instance of this template.
        """
        walk = _Walk(self.traced, other)
        for key, (mine, theirs) in walk.extents.items():
            slope, offset = self.extents[key]
            if theirs != slope * size + offset:
                raise Mismatch(f"an axis of size {mine} at {self.size} is {theirs} at {size}")
        known = set(self.numbers)
        for place, (mine, theirs) in walk.numbers.items():
            if place not in known and not _same(mine, theirs):
                raise Mismatch(f"a number {mine} at {self.size} is {theirs} at {size}")
        for tensor, array in walk.arrays.items():
            if tensor not in self.arrays and not _equal(tensor, array):
                raise Mismatch(f"the array {tensor.name} differs")
        numbers = [walk.numbers[place][1] for place in self.numbers]
        return numbers, [walk.arrays[tensor] for tensor in self.arrays]


def make_template(base: Traced, size: int, other: Traced, larger: int) -> Template:
    """The template that both are instances of. Raises :class:`Mismatch` if there is none."""
    walk = _Walk(base, other)
    extents: Extents = {}
    for key, (mine, theirs) in walk.extents.items():
        slope = Fraction(theirs - mine, larger - size)
        if slope < 0:
            raise Mismatch(
                f"an axis has {mine} elements where the size is {size}, and {theirs} where it is "
                f"{larger}: it shrinks as the size grows"
            )
        extents[key] = slope, mine - slope * size
    numbers = tuple(p for p, (mine, theirs) in walk.numbers.items() if not _same(mine, theirs))
    arrays = tuple(t for t, theirs in walk.arrays.items() if not _equal(t, theirs))
    return Template(base, size, extents, numbers, arrays)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)  # NaN is itself, 0.0 is not -0.0


def _equal(tensor: Tensor, other: np.ndarray[Any, Any]) -> bool:
    assert isinstance(tensor.op, Constant)
    mine = tensor.op.array
    if mine is other:
        return True
    return mine.shape == other.shape and mine.tobytes() == other.tobytes()


class _Walk:
    """Two graphs side by side. Nodes that are two in the first may be one in the second."""

    def __init__(self, base: Traced, other: Traced) -> None:
        self.extents: dict[object, tuple[int, int]] = {}
        self.numbers: dict[Place, tuple[Any, Any]] = {}
        self.arrays: dict[Tensor, np.ndarray[Any, Any]] = {}
        self.tensors: dict[Tensor, Tensor] = {}
        self.computes: set[Compute | Call] = set()
        if not _alike(base, other):
            raise Mismatch("what the function returns or writes to differs")
        self._pair(base.inputs, other.inputs)
        self._pair(base.outputs, other.outputs)

    def _pair(self, mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
        if len(mine) != len(theirs):
            raise Mismatch("the number of arrays differs")
        for a, b in zip(mine, theirs):
            self._note(a, b)
        pending = list(reversed(list(zip(mine, theirs))))
        seen: set[Tensor] = set()
        while pending:
            a, b = pending.pop()
            if a in seen:
                continue
            seen.add(a)
            pending += self._operation(a, b)

    def _note(self, a: Tensor, b: Tensor) -> bool:
        """Whether the pair is new."""
        found = self.tensors.get(a)
        if found is not None:
            if found is not b:
                raise Mismatch(f"{a.name} stands where another array does")
            return False
        if a.dtype is not b.dtype or a.ndim != b.ndim or type(a.op) is not type(b.op):
            raise Mismatch(f"{a.name} and {b.name} are made in different ways")
        self.tensors[a] = b
        for d, pair in enumerate(zip(a.shape, b.shape)):
            self.extents[a, d] = pair
        return True

    def _operation(self, a: Tensor, b: Tensor) -> list[tuple[Tensor, Tensor]]:
        match a.op, b.op:
            case Placeholder(), Placeholder():
                return []
            case Constant(), Constant(array=array):
                self.arrays[a] = array
                return []
            case Call(), Call():
                return self._call(a, b)
            case Compute() as mine, Compute() as theirs:
                if a.index != b.index:
                    raise Mismatch(f"{a.name} and {b.name} are different results")
                if mine in self.computes:
                    return []
                self.computes.add(mine)
                return self._compute(mine, theirs)
        raise AssertionError(a.op)

    def _call(self, a: Tensor, b: Tensor) -> list[tuple[Tensor, Tensor]]:
        from ..ir.structural import structural_key

        mine, theirs = a.op, b.op
        assert isinstance(mine, Call) and isinstance(theirs, Call)
        if len(mine.inputs) != len(theirs.inputs) or a.index != b.index:
            raise Mismatch(f"{mine.op} is called differently")
        if mine in self.computes:
            return []
        self.computes.add(mine)
        try:
            self._programs(mine, Comparison(mine.program, theirs.program))
        except Different as different:
            if structural_key(mine.program) != structural_key(theirs.program):
                raise Mismatch(f"{mine.op}: {different}") from None
        pairs = list(zip(mine.inputs, theirs.inputs))
        return [pair for pair in pairs if self._note(*pair)]

    def _programs(self, mine: Call, found: Comparison) -> None:
        for one, two in found.loops:
            self.numbers[mine, one] = one.extent, two.extent
        for x, y in found.buffers.items():
            for d, pair in enumerate(zip(x.shape, y.shape)):
                self.extents[x, d] = pair
        self._expressions(mine, found.expressions, {**found.variables}, found.buffers)

    def _compute(self, mine: Compute, theirs: Compute) -> list[tuple[Tensor, Tensor]]:
        axes = [*zip(mine.axes, theirs.axes)]
        if len(mine.axes) != len(theirs.axes) or len(mine.body) != len(theirs.body):
            raise Mismatch("an operation has different axes")
        first, second = mine.reduction, theirs.reduction
        if (first is None) != (second is None):
            raise Mismatch("one reduces and the other does not")
        if first is not None and second is not None:
            if len(first.axes) != len(second.axes):
                raise Mismatch("a reduction has different axes")
            axes += zip(first.axes, second.axes)
        for one, two in axes:
            self.extents[one] = one.extent, two.extent
        return self._expressions(mine, list(zip(mine.body, theirs.body)), dict(axes), {})

    def _expressions(
        self, mine: Compute | Call, pending: list[tuple[Expr, Expr]], paired: dict[Expr, Expr],
        buffers: dict[Buffer, Buffer],
    ) -> list[tuple[Tensor, Tensor]]:  # fmt: skip
        """Compare pairs of expressions; the tensors that nobody has compared yet."""
        found: list[tuple[Tensor, Tensor]] = []
        while pending:
            x, y = pending.pop()
            known = paired.get(x)
            if known is not None:
                if known is not y:
                    raise Mismatch("an expression differs")
                continue
            paired[x] = y
            if type(x) is not type(y) or x.dtype is not y.dtype:
                raise Mismatch("an expression differs")
            match x, y:
                case Const(value=value), Const(value=other):
                    self.numbers[mine, x] = value, other
                case Load(source=Buffer() as a), Load(source=b):
                    if buffers.get(a) is not b:
                        raise Mismatch("a program reads other memory")
                    pending += zip(x.children, y.children, strict=True)
                case Load(source=a), Load(source=b):
                    if self._note(a, b):
                        found.append((a, b))
                    pending += zip(x.children, y.children, strict=True)
                case Apply(fn=f), Apply(fn=g):
                    if f != g:
                        raise Mismatch(f"{f} stands where {g} does")
                    pending += zip(x.children, y.children, strict=True)
                case Cast(), Cast():
                    pending.append((x.children[0], y.children[0]))
                case Select(), Select():
                    pending += zip(x.children, y.children, strict=True)
                case Reduce(), Reduce():
                    same = combiner_text(x.combiner) == combiner_text(y.combiner)
                    if not same or x.index != y.index:
                        raise Mismatch("a reduction differs")
                    pending += zip(x.children, y.children, strict=True)
                case (Axis(), _) | (Var(), _):
                    raise Mismatch("an expression differs")
        return found


def _alike(one: Traced, two: Traced) -> bool:
    if one.writes != two.writes:
        return False
    kinds = [(r.kind, r.weak) for r in one.results] == [(r.kind, r.weak) for r in two.results]
    places = [
        a.value == b.value
        for a, b in zip(one.results, two.results)
        if a.kind not in ("constant", "value")
    ]
    return kinds and all(places) and str(one.structure) == str(two.structure)
