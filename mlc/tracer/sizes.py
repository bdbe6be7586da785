"""Sizes that data decide: ``np.unique(x)``, ``x[x > 0]``.

How many elements such a result has is computed, once, where the trace asks for it, and the code is
compiled for that number. It computes the numbers again at each call; where one is another, the call
goes to code for that number, which is compiled if there is none yet.

::

    f(x):  u = np.unique(x)        ->   u = distinct(x)[:3]         computed: the number of
           return u * 2                 return u * 2                distinct elements, which must
                                                                    be 3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.expr import Const, Expr, Load, const
from ..ir.rewrite import postorder, substitute_loads
from ..ir.simplify import simplify
from ..records import dataclass
from ..te.key import topological
from ..te.tensor import Compute, Placeholder, Tensor

MOST = 16  # sizes in one trace; each is computed by code of its own


@dataclass(frozen=True, eq=False)
class Count:
    """The 0-d ``tensor`` that says how much there is, of ``inputs``; ``draws`` says what to draw
    for the last of them."""

    inputs: tuple[Tensor, ...]
    tensor: Tensor
    draws: Any


class CountFailedError(BaseException):
    """Raised while tracing: computing how much there is has ended with ``problem``, an error of the
    call. Nothing that users write should catch it."""

    def __init__(self, problem: Exception) -> None:
        super().__init__(problem)
        self.problem = problem


class SizesChangedError(Exception):
    """Raised at a call: the data have chosen ``sizes``, as far as these can be known."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes


@dataclass(frozen=True, eq=False)
class Sizes:
    """What code was compiled for: output number ``outputs[k]`` must be ``expected[k]``."""

    outputs: tuple[int, ...]
    expected: tuple[int, ...]

    def check(self, computed: Sequence[Any]) -> None:
        """Raises SizesChangedError at the first number that is another."""
        for n, (place, expected) in enumerate(zip(self.outputs, self.expected, strict=True)):
            found = int(np.asarray(computed[place]).reshape(()))
            if found != expected:
                raise SizesChangedError((*self.expected[:n], found))


class Rooms:
    """The sizes asked for in one trace; the first ones are known: ``sizes``, and ``compute`` tells
    the others."""

    def __init__(self, sizes: tuple[int, ...], compute: Callable[[Count], int]) -> None:
        self.sizes, self.compute = sizes, compute
        self.inputs: list[Tensor] = []
        self.counts: list[Tensor] = []
        self.asked: dict[Tensor, int] = {}  # which of them each tensor is
        self.places: dict[Tensor, Any] = {}  # where masks hold
        self.found: dict[Tensor, int] = {}  # the greatest of some tensors
        self.within: dict[tuple[Tensor, int, int], int] = {}  # whether some are in ranges
        self.known: dict[Tensor, Expr] = {}  # what 0-d tensors are, by the sizes asked for so far

    @property
    def is_full(self) -> bool:
        """Whether too many sizes depend on data already."""
        return not self.left

    @property
    def left(self) -> int:
        """How many more may depend on them."""
        return MOST - len(self.counts)

    def ask(self, trace: Any, make: Callable[[], Any]) -> int | None:
        """How much there is, by what ``make`` computes. None where too many sizes depend on
        data."""
        from ..ops.elementwise import astype

        if self.is_full:
            return None
        count: Tensor = trace.lift(astype(make(), dtype="int64"))
        known = self._worked_out(count)
        if isinstance(known, Const):
            return int(known.value)
        self.asked[_source(count)] = number = len(self.counts)
        if not isinstance(count.op, Compute):
            count = _copied(count)
        self.counts.append(count)
        self.known.clear()
        if number == len(self.sizes):
            draws = None if trace.draws is None else trace.draws.drawn()
            found = self.compute(Count(tuple(self.inputs), count, draws))
            self.sizes = (*self.sizes, found)
        return self.sizes[number]

    def at_hand(self, tensor: Tensor) -> int | None:
        """What the 0-d ``tensor`` is, where that is known without asking the data."""
        known = self._worked_out(tensor)
        return int(known.value) if isinstance(known, Const) else None

    def greatest(self, trace: Any, source: Tensor) -> int | None:
        """The greatest of ``source``, integers, or -1; None where it is not computed from the
        arguments alone, outside of native loops."""
        from ..ops.reduce import max as max_of

        if source in self.found:  # bodies of loops are traced again and again
            return self.found[source]
        if not self._is_outside(source):
            return None
        greatest = self.ask(trace, lambda: max_of(trace.wrap(source), initial=-1))
        if greatest is not None:
            self.found[source] = greatest
        return greatest

    def all_within(self, trace: Any, source: Tensor, low: int, high: int) -> bool:
        """Whether all of ``source``, integers, are from ``low`` to ``high``; False also where it is
        not computed from the arguments alone, outside of native loops."""
        key = source, low, high
        if key not in self.within and self._is_outside(source):
            values = trace.wrap(source)
            holds = lambda: ((values >= low) & (values <= high)).all()
            self.within[key] = self.ask(trace, holds) or 0
        return bool(self.within.get(key))

    def _is_outside(self, source: Tensor) -> bool:
        """Whether ``source`` is computed from the arguments alone, outside of native loops."""
        inputs = set(self.inputs)
        made_of = topological([source])
        return all(t in inputs for t in made_of if isinstance(t.op, Placeholder))

    def _worked_out(self, tensor: Tensor) -> Expr:
        """A 0-d ``tensor`` in terms of what is known of the sizes."""
        tensor = _source(tensor)
        if tensor in self.asked:
            return const(self.sizes[self.asked[tensor]], tensor.dtype)
        found = self.known.get(tensor)
        if found is None:
            found = self.known[tensor] = self._folded(tensor)
        return found

    def _folded(self, tensor: Tensor) -> Expr:
        """The same of a tensor that was not asked for."""
        made = tensor.op
        if not isinstance(made, Compute) or made.reduction is not None:
            return tensor[()]
        body = made.body[tensor.index]
        if any(node.dtype.is_float for node in postorder(body)):  # folded less exactly, maybe
            return tensor[()]
        on_load = lambda node: (
            self._worked_out(node.source)
            if isinstance(node.source, Tensor) and not node.source.shape
            else None
        )
        return simplify(substitute_loads(body, on_load))


def _source(tensor: Tensor) -> Tensor:
    """The 0-d tensor that ``tensor`` is a copy of."""
    while isinstance(tensor.op, Compute) and tensor.op.reduction is None:
        body = tensor.op.body[tensor.index]
        source = body.source if isinstance(body, Load) else None
        if not isinstance(source, Tensor) or source.shape or source.dtype != tensor.dtype:
            break
        tensor = source
    return tensor


def _copied(tensor: Tensor) -> Tensor:
    from .. import te

    made = te.compute(tensor.shape, lambda *index: tensor[index], name="count", op="copy")
    assert isinstance(made, Tensor)
    return made
