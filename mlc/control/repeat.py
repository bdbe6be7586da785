"""Whether a body does the same each time it is traced.

A loop is traced once, whatever it does beside arrays: numbers drawn from a generator, counters of
objects, globals. If a second trace gives another graph, the loop must run as Python's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

import numpy as np

from ..ir.structural import structural_key
from ..te.key import body_text
from ..te.tensor import Call, Compute, Constant, Operation, Tensor
from ..tracer.trace import PLAIN as PLAIN
from .region import inputs_of

# within a body that is compared
REPEATED: ContextVar[bool] = ContextVar("mlc_repeated", default=False)


def same_graph(params: Sequence[Sequence[Tensor]], ends: Sequence[Sequence[Tensor]]) -> bool:
    """Whether two graphs over ``params[0]`` and ``params[1]`` that lead to ``ends[0]`` and
    ``ends[1]`` are the same. Tensors from outside are the same only if they are one object."""
    partner: dict[Tensor, Tensor] = dict(zip(*params, strict=True))
    numbers: tuple[dict[Tensor, int], dict[Tensor, int]] = ({}, {})
    for n, pair in enumerate(partner.items()):
        numbers[0][pair[0]] = numbers[1][pair[1]] = n
    stack = list(zip(*ends, strict=True))
    while stack:
        a, b = stack.pop()
        if a in partner:
            if partner[a] is not b:
                return False
            continue
        partner[a] = b
        numbers[0][a] = numbers[1][b] = len(partner)
        if a is b:
            continue
        if (
            tuple(map(int, a.shape)) != tuple(map(int, b.shape))
            or a.dtype is not b.dtype
            or a.index != b.index
        ):
            return False
        inputs = _inputs(a, b)
        if inputs is None:
            return False
        for x, y in inputs:
            if x not in partner:
                stack.append((x, y))
            elif partner[x] is not y:
                return False
    ops = dict.fromkeys((a.op, b.op) for a, b in partner.items() if a is not b)
    return all(_same_body(x, y, numbers) for x, y in ops)  # once, however many results one has


def _inputs(a: Tensor, b: Tensor) -> list[tuple[Tensor, Tensor]] | None:
    """What two operations of one kind read, in pairs; None if they are not of one kind."""
    match a.op, b.op:
        case (Compute(), Compute()) | (Call(), Call()):
            x, y = inputs_of(a), inputs_of(b)  # the lengths of open axes included
            return list(zip(x, y)) if len(x) == len(y) else None
        case Constant(array=x), Constant(array=y):
            same = (
                x is y or x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
            )
            return [] if same else None
    return None


def _same_body(
    a: Operation, b: Operation, numbers: tuple[dict[Tensor, int], dict[Tensor, int]]
) -> bool:
    match a, b:
        case Compute() as x, Compute() as y:
            return body_text(x, numbers[0]) == body_text(y, numbers[1])
        case Call(program=x), Call(program=y):
            return x is y or structural_key(x) == structural_key(y)
    return True
