"""Random control flow that prints: what is printed is Python's, too, line by line."""

from __future__ import annotations

import contextlib
import copy
import io
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .flow import Compound, Node
from .flowing import FlowProgram

STATEMENTS = (
    "print(n, s)", "print(f'{v:.2f} {n:>3}', x)", "print(q, r)", "print(d, len(d))",
    "print('here')", "print('at', c, end=' ')", "print(x[0], x[1:3], sep='|')", "print(p)",
    "print('%d %.3f %s' % (n, s, b))", "print(o.n, o.total)", "print(y, y.dtype)", "print(a)",
    "print(b, m, [n, s], (m,))", "print(sorted(u))", "print(str(s) + ' ' + repr(v))",
    "print(e, q[-1:])", "print(v if b else n)", "print(len(q), 'items')",
)  # fmt: skip
_HEAD = 26  # statements that give the variables their first values
_OFTEN = 0.25


def with_prints(program: FlowProgram, seed: int) -> FlowProgram:
    """``program`` with prints among its statements."""
    nodes, rng = program.nodes, random.Random(seed)
    return replace(program, nodes=(*nodes[:_HEAD], *_mixed(nodes[_HEAD:], rng)))


def _mixed(nodes: Sequence[Node], rng: random.Random) -> tuple[Node, ...]:
    mixed: list[Node] = []
    for node in nodes:
        if isinstance(node, str):
            mixed.append(node)
        else:
            clauses = (
                (head, body if head.startswith("def") else _mixed(body, rng))
                for head, body in node.clauses
            )
            mixed.append(Compound(tuple(clauses)))
        is_left = isinstance(node, str) and re.match("continue|break|return", node)
        if not is_left and rng.random() < _OFTEN:
            mixed.append(rng.choice(STATEMENTS))
    return tuple(mixed)


def printed(function: Callable[..., Any], arguments: Any) -> tuple[str, type | None]:
    """What a call prints, and the kind of error that it ends with."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            function(*copy.deepcopy(arguments))
        except Exception as error:
            return out.getvalue(), type(error)
    return out.getvalue(), None
