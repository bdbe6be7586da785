"""tensorize: the body of a block becomes one call of an intrinsic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.intrinsic import Intrinsic, call_effects, intrinsic_named, is_intrinsic
from ...ir.program import (
    Accumulate,
    Block,
    Evaluate,
    For,
    Program,
    Region,
    Stmt,
    blocks_of,
    walk,
)
from ...ir.rewrite import variables_of
from ...records import dataclass, replace
from ..refusal import Refusal
from ..step import Step, block_name, find_block, find_loop, loops_around, replace_block
from ..tensor_match import match_intrinsic
from .blockize import Blockize

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Tensorize(Step):
    """What a block, or the subtree of a loop, computes becomes a call of an intrinsic.

    The computation must be what the intrinsic means: the same loops (in any order that keeps the
    result), the same statements up to the order of operands that commute, operands of the same
    shape anywhere in buffers with any strides.
    """

    target: Var | str
    intrinsic: str

    def check(self, program: Program) -> Refusal | str | None:
        if not is_intrinsic(self.intrinsic):
            return _unknown(self.intrinsic)
        intrinsic = intrinsic_named(self.intrinsic)
        if isinstance(self.target, Var):
            early = _undecomposed(program, find_loop(program, self.target), intrinsic)
            if early is not None:
                return early
            refusal = Blockize(self.target).check(program)
            if isinstance(refusal, str):
                return refusal
            program, (name,) = Blockize(self.target).apply(program)
        else:
            name, refusal = self.target, None
            find_block(program, name)
        found = _match(program, name, intrinsic)
        return found if isinstance(found, str) else refusal  # what does not fit is not tried out

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        intrinsic = intrinsic_named(self.intrinsic)
        name, made = self.target, ()
        if isinstance(self.target, Var):
            program, made = Blockize(self.target).apply(program)  # type: ignore[assignment]
            (name,) = made  # type: ignore[misc]
        assert isinstance(name, str)
        regions = _match(program, name, intrinsic)
        assert not isinstance(regions, str)
        call = Evaluate(self.intrinsic, regions)
        reads, writes = call_effects(call)

        def change(block: Block) -> Stmt:
            return replace(block, body=call, reads=reads, writes=writes)

        return replace_block(program, name, change), made


def _unknown(name: str) -> str:
    try:
        intrinsic_named(name)
    except Exception as error:  # the sentence names those that are known
        return str(getattr(error, "message", error))
    raise AssertionError(name)


def _match(program: Program, name: str, intrinsic: Intrinsic) -> tuple[Region, ...] | str:
    block = find_block(program, name)
    early = _undecomposed(program, block, intrinsic)
    if early is not None:
        return early
    ranges: dict[Var, int] = {it.axis: it.axis.extent for it in block.iters}
    found = match_intrinsic(intrinsic, block.body, ranges)
    if isinstance(found, str):
        fix = ""
        if not any(isinstance(s, (For, Block)) for s in walk(block.body)):
            fix = f"; tensorize a loop around {name!r}, or blockize it first"
        return f"block {name!r} does not compute what {intrinsic.name} means: {found}{fix}"
    return found


def _undecomposed(program: Program, stmt: Stmt, intrinsic: Intrinsic) -> str | None:
    """An init stands inside although the intrinsic only accumulates."""
    own_init = any(b.init is not None for b in blocks_of(intrinsic.meaning.body))
    accumulates = any(isinstance(s, Accumulate) for s in walk(intrinsic.meaning.body))
    reads_own = any(b in intrinsic.read for b in intrinsic.written)
    for block in blocks_of(stmt):
        outermost = block is stmt
        if block.init is None or (own_init and not outermost):
            continue
        if not outermost and not (accumulates and reads_own):
            continue
        reduced = {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}
        loops = [each.var.name for each in loops_around(program, block.name) if each.var in reduced]
        loop = loops[0] if loops else "loop"
        return (
            f"block {block.name!r} initialises what it reduces, while {intrinsic.name} only "
            f"accumulates; decompose_reduction({block.name!r}, {loop}) first"
        )
    return None


def tensorize(s: Schedule, target: Block | Var | str, intrinsic: str) -> str:
    """Replaces the body of a block by a call; for a loop, its subtree is made a block first.

    Returns the name of the block::

        with T.block("C_o"):
            vi_o, vj_o, vk_o = T.remap("SSR", [i_0, j_0, k_0])
            for i_1, j_1, k_1 in T.grid(16, 16, 16):
                with T.block("C"):
                    ...
                    C[vi, vj] += A[vi, vk] * B[vk, vj]

        s.tensorize("C_o", "tmm16") ->

        with T.block("C_o"):
            vi_o, vj_o, vk_o = T.remap("SSR", [i_0, j_0, k_0])
            T.reads(A[vi_o * 16:vi_o * 16 + 16, ...)
            T.writes(C[vi_o * 16:vi_o * 16 + 16, ...)
            T.call("tmm16", A[vi_o * 16:vi_o * 16 + 16, ...)

    Refused, with what was expected and what was found, where extents, accesses, dtypes or
    combiners differ; where an init stands inside and the intrinsic only accumulates; and where an
    operand might leave its buffer or overlap what is written.
    """
    at = target if isinstance(target, Var) else block_name(target)
    made = s.take(Tensorize(at, getattr(intrinsic, "name", intrinsic)))
    return str(made[0] if made else at)
