"""fuse: two perfectly nested loops become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Stmt
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop, substitute_stmt

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Fuse(Step):
    """``for i in range(n): for j in range(m)`` -> ``for f in range(n * m)``.

    Inside, ``i = f // m`` and ``j = f % m``. The inner loop must be all there is in the outer one.
    Order and points stay the same.
    """

    outer: Var
    inner: Var

    def check(self, program: Program) -> Refusal | str | None:
        outer = find_loop(program, self.outer)
        inner = outer.body
        if not (isinstance(inner, For) and inner.var is self.inner):
            return f"loop {self.inner.name} is not the only statement inside {self.outer.name}"
        if outer.kind is not LoopKind.SERIAL or inner.kind is not LoopKind.SERIAL:
            return "only serial loops can be fused; fuse before parallel, vectorize or unroll"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        fused = Var(f"{self.outer.name}{self.inner.name}")

        def change(outer: For) -> Stmt:
            inner = outer.body
            assert isinstance(inner, For)
            mapping = {outer.var: fused // inner.extent, inner.var: fused % inner.extent}
            return For(fused, outer.extent * inner.extent, substitute_stmt(inner.body, mapping))

        return replace_loop(program, self.outer, change), (fused,)


def fuse(s: Schedule, outer: Var, inner: Var) -> Var:
    """See :class:`Fuse`; returns the fused loop."""
    (fused,) = s.take(Fuse(outer, inner))
    return fused  # type: ignore[no-any-return]
