"""parallel, vectorize, unroll: how a loop runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, walk
from ..legality import parallel_violation
from ..step import Step, find_loop, replace_loop


@dataclass(frozen=True)
class Mark(Step):
    """``for i in T.serial(n)`` -> ``for i in T.parallel(n)`` (or vectorized, or unrolled).

    A parallel loop may feed spatial axes only: two of its iterations must never write the same
    element. A vectorized loop must be innermost but for unrolled ones; one that feeds a reduce axis
    folds its lanes in a fixed tree, which needs a commutative combiner. Unrolling is always legal.
    """

    loop: Var
    kind: LoopKind
    annotations: tuple[tuple[str, Any], ...] = ()

    def check(self, program: Program) -> str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        if self.kind is LoopKind.VECTORIZED and loop.extent > 1024:
            return (
                f"loop {self.loop.name} has {loop.extent} iterations; "
                "split it by a vector width first"
            )
        if self.kind is LoopKind.VECTORIZED:
            inside = [n for n in walk(loop.body) if isinstance(n, For)]
            if any(n.kind is not LoopKind.UNROLLED for n in inside):
                return (
                    f"loop {self.loop.name} holds other loops; only the innermost can be vectorized"
                )
        if self.kind is LoopKind.PARALLEL:
            return parallel_violation(program, loop)
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        def change(loop: For) -> For:
            return replace(loop, kind=self.kind, annotations=self.annotations)

        return replace_loop(program, self.loop, change), ()

    def text(self, names: Mapping[Var, str]) -> str:
        verb = {"parallel": "parallel", "vectorized": "vectorize", "unrolled": "unroll"}[
            self.kind.value
        ]
        extra = "".join(f", {key}={value!r}" for key, value in self.annotations)
        return f"s.{verb}({names[self.loop]}{extra})"
