"""part_loaders: threads that ask for boxes and do nothing else, beside those that use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ...ir.expr import Expr, Var, apply, const
from ...ir.program import Allocate, Buffer, Evaluate, If, Stmt, seq
from ...records import dataclass
from ...schedules.step import rebuild
from .kernel import BARRIER, CLUSTER_BARRIER, MOST_THREADS, SLOTS_BEGIN, WARP, Thread

_TAGS = ("threadIdx.x", "threadIdx.y", "threadIdx.z")
MOST_Z = 64


@dataclass(frozen=True, eq=False)
class Loaders:
    """``threads`` of a kernel, of which those load boxes that come last in the direction ``last``;
    ``others`` is how many there are besides them."""

    threads: tuple[Thread, ...]
    last: Thread
    test: Expr
    others: int

    def beside(self, loads: Stmt, uses: Stmt, slots: Sequence[Buffer], count: int) -> Stmt:
        """::

        make the slots; barrier
        if loader: (if first thread: loads) else: uses
        """
        for thread in self.threads:
            others = not thread.is_block and thread is not self.last
            if others and thread.extent > 1:
                loads = If(apply("eq", thread.var, const(0)), loads)
        begin = Evaluate(SLOTS_BEGIN, (const(count), const(-(-self.others // WARP))))
        body = seq(begin, Evaluate(BARRIER, ()), If(self.test, loads, uses))
        return Allocate(tuple(slots), body)

    def without_loaders(self, body: Stmt, cluster: int = 1) -> Stmt:
        """``else: s; barrier`` -> ``else: s; barrier of the others``: loaders meet nobody.

        In a ``cluster`` no block begins before the slots of all are made, and none ends before
        all have done what reaches into it: barriers of all its threads are there instead.
        """

        def on(stmt: Stmt) -> Stmt | None:
            match stmt:
                case Evaluate(name=name) if name == BARRIER and cluster > 1:
                    return Evaluate(CLUSTER_BARRIER, ())
                case If(condition=condition, otherwise=uses) if condition is self.test and uses:
                    return replace(stmt, otherwise=rebuild(uses, among))
            return None

        def among(stmt: Stmt) -> Stmt | None:
            match stmt:
                case Evaluate(name=name) if name == BARRIER:
                    return Evaluate(BARRIER, (const(self.others),))
            return None

        made = rebuild(body, on)
        return seq(made, Evaluate(CLUSTER_BARRIER, ())) if cluster > 1 else made


def part_loaders(threads: tuple[Thread, ...]) -> Loaders | None:
    """As many threads more as the last direction of a block counts; None where a block has no room
    for them, or warps would have both kinds."""
    own = {t.tag: t for t in threads if not t.is_block}
    if "threadIdx.x" not in own:
        return None
    tag = next(t for t in reversed(_TAGS) if t in own)
    if tag == "threadIdx.x":
        tag = "threadIdx.y"
        own[tag] = Thread(tag, Var("y"), 1)
    last = own[tag]
    others = prod(t.extent for t in own.values())
    more = others // last.extent
    if more % WARP or others + more > MOST_THREADS or tag == _TAGS[-1] and last.extent >= MOST_Z:
        return None
    own[tag] = replace(last, extent=last.extent + 1)
    blocks = tuple(t for t in threads if t.is_block)
    inside = tuple(own[t] for t in reversed(_TAGS) if t in own)
    test = apply("eq", last.var, const(last.extent))
    return Loaders((*blocks, *inside), own[tag], test, others)
