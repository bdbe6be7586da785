"""pipeline: the statements of several iterations overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Allocate, Block, For, LoopKind, Program, Seq, Stmt, walk
from ...records import dataclass
from ..legality import Access, accesses_of, order_violation
from ..legality.conflict import commute, conflict
from ..refusal import Refusal
from ..step import Step, find_loop
from .annotate import with_annotation

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Pipeline(Step):
    """Statement ``n`` in the body of ``loop`` runs ``stages[n]`` iterations late, and at place
    ``order[n]`` among those that run at one time."""

    loop: Var
    stages: tuple[int, ...]
    order: tuple[int, ...]
    apart: bool = False
    cluster: int = 1

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already; pipeline before that"
        stmts = _statements(loop)
        count = len(stmts)
        if count < 2:
            return f"loop {self.loop.name} holds one statement; there is nothing to overlap"
        if len(self.stages) != count or any(stage < 0 for stage in self.stages):
            return (
                f"loop {self.loop.name} holds {count} statements, so stages are {count} numbers "
                f">= 0, got {list(self.stages)}"
            )
        if sorted(self.order) != list(range(count)):
            return f"order must hold each of 0 to {count - 1} once, got {list(self.order)}"
        if self.cluster < 1 or self.cluster > 1 and not self.apart:
            return (
                f"clusters have 2 blocks or more whose boxes are loaded apart, got cluster="
                f"{self.cluster} and apart={self.apart}; say apart=True"
            )
        for a in range(count):
            for b in range(a + 1, count):
                refusal = self._violation(program, loop, stmts, a, b)
                if refusal is not None:
                    return refusal
        return None

    def _violation(
        self, program: Program, loop: For, stmts: Sequence[Stmt], a: int, b: int
    ) -> Refusal | None:
        """Why statements ``a`` and ``b``, which comes later, cannot overlap like this."""
        stages, order = self.stages, self.order
        if (stages[a], order[a]) > (stages[b], order[b]):
            refusal = order_violation(program, stmts[a], stmts[b])
            if refusal is not None:
                return Refusal(
                    f"statement {b} of loop {self.loop.name} would run before statement {a} of the "
                    f"same iteration: {refusal.rule}",
                    refusal.witness,
                    "give it a later stage or place",
                )
        for early, late in ((a, b), (b, a)):
            ahead = stages[late] - stages[early] - (order[early] > order[late])
            if ahead < 1:
                continue
            for one, two in _crossing(program, stmts[late], stmts[early]):
                if ahead == 1 and _is_double(loop, one, two):
                    continue
                around = accesses_of(program).loops[self.loop][:-1]
                steps = {outer.var: (0, 0) for outer in around} | {self.loop: (1, ahead)}
                found = conflict(one, two, steps)
                if found is not None:
                    return Refusal(
                        f"statement {early} of a later iteration of loop {self.loop.name} would "
                        f"run before statement {late} of this one, and both touch "
                        f"{one.buffer.name}",
                        found.witness,
                        f"allocate {one.buffer.name} inside the loop, or double_buffer the block "
                        "that writes it",
                    )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        staged = with_annotation(program, self.loop, "software_pipeline_stage", self.stages)
        made = with_annotation(staged, self.loop, "software_pipeline_order", self.order)
        if self.apart:
            made = with_annotation(made, self.loop, "software_pipeline_apart", True)
        if self.cluster > 1:
            made = with_annotation(made, self.loop, "software_pipeline_cluster", self.cluster)
        return made, ()


def _statements(loop: For) -> tuple[Stmt, ...]:
    body = loop.body
    while isinstance(body, Allocate):
        body = body.body
    return body.stmts if isinstance(body, Seq) else (body,)


def _crossing(program: Program, first: Stmt, second: Stmt) -> Iterator[tuple[Access, Access]]:
    found = accesses_of(program)
    for one in found.of(first):
        for two in found.of(second):
            if one.buffer is two.buffer and not commute(one, two):
                yield one, two


def _is_double(loop: For, one: Access, two: Access) -> bool:
    """Whether what is read in one iteration and written in the next lies in a double buffer."""
    if one.kind != "read" or two.kind != "write":
        return False
    return any(
        isinstance(node, Block)
        and node.name == two.block
        and "double_buffer_scope" in dict(node.annotations)
        for node in walk(loop.body)
    )


def pipeline(
    s: Schedule,
    loop: Var,
    stages: Sequence[int],
    order: Sequence[int] | None = None,
    apart: bool = False,
    cluster: int = 1,
) -> None:
    """The statements of several iterations of ``loop`` may overlap.

    ::

        for k in T.serial(8):
            row = T.alloc((1,), "float32")
            with T.block("copy"): ...
            with T.block("add"): ...

        s.pipeline(k, stages=[0, 1]) ->

        for k in T.serial(8, annotations={'software_pipeline_stage': (0, 1), ...}):
            row = T.alloc((1,), "float32")
            with T.block("copy"): ...
            with T.block("add"): ...

    Statement n of the body runs ``stages[n]`` iterations late: here, while iteration k computes,
    iteration k + 1 copies. ``order`` is the order of those that run at one time. A hint: backends
    that cannot do it run the iterations one after the other. On processors, a copy in stage 0 that
    a fold in stage 1 reads is made line by line in the turns of that fold, an iteration early. With
    ``apart``, threads that do nothing else ask for the boxes that are loaded in stage 0, as soon as
    there is room for them; where no boxes are loaded it means nothing. With ``cluster``, so many
    neighbours along blockIdx.x share the boxes that they would all load: each asks for a part,
    which comes to all. Refused where a statement would overtake one that it needs, or overwrite
    what another iteration has yet to read.
    """
    places = tuple(range(len(stages))) if order is None else tuple(order)
    s.take(Pipeline(loop, tuple(stages), places, apart, cluster))
