"""annotate: a hint on a loop or a block."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Block, For, Program
from ...records import dataclass, replace
from ..step import Step, block_name, find_block, find_loop, replace_block, replace_loop

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


Annotations = tuple[tuple[str, Any], ...]

OWNERS = {
    "thread": "bind",
    "atomic": "bind",
    "grain": "parallel",
    "software_pipeline_stage": "pipeline",
    "software_pipeline_order": "pipeline",
    "software_pipeline_apart": "pipeline",
    "software_pipeline_cluster": "pipeline",
    "double_buffer_scope": "double_buffer",
    "prefetch": "prefetch",
    "unrolled_by": "unroll",
}


@dataclass(frozen=True)
class Annotate(Step):
    """``key: value`` on ``target``, a loop or the name of a block."""

    target: Var | str
    key: str
    value: Any

    def check(self, program: Program) -> Refusal | str | None:
        target_annotations(program, self.target)
        if not isinstance(self.key, str):
            return f"the key of a hint is a string, got {self.key!r}"
        if self.key in OWNERS:
            return f"{self.key!r} is what s.{OWNERS[self.key]} sets, which checks it; use that"
        if not is_plain(self.value):
            return (
                "a hint is a number, a string, None or a tuple of those, "
                f"got {type(self.value).__name__}"
            )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return with_annotation(program, self.target, self.key, self.value), ()


def is_plain(value: Any) -> bool:
    """Whether ``value`` can stand in a program's text and come back from it."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, (bool, int, str))


def target_annotations(program: Program, target: Var | str) -> Annotations:
    """The hints on ``target``."""
    if isinstance(target, str):
        return find_block(program, target).annotations
    return find_loop(program, target).annotations


def with_annotation(program: Program, target: Var | str, key: str, value: Any) -> Program:
    """The program with ``key: value`` among the hints on ``target``, in place of another value."""
    old = target_annotations(program, target)
    kept = tuple((k, v) for k, v in old if k != key)
    return with_annotations(program, target, (*kept, (key, value)))


def with_annotations(program: Program, target: Var | str, hints: Annotations) -> Program:
    """The program with ``hints`` on ``target``, and no others."""

    def on_block(block: Block) -> Block:
        return replace(block, annotations=hints)

    def on_loop(loop: For) -> For:
        return replace(loop, annotations=hints)

    if isinstance(target, str):
        return replace_block(program, target, on_block)
    return replace_loop(program, target, on_loop)


def annotate(s: Schedule, target: Var | Block | str, key: str, value: Any) -> None:
    """Puts a hint on a loop or a block; one of the same key is replaced.

    ``s.annotate(i, "unroll_depth", 4)``::

        for i in range(64):   ->   for i in T.serial(64, annotations={'unroll_depth': 4}):

    Hints do not change the meaning. Refused for keys that belong to a step of their own, and for
    values that are no numbers, strings or tuples of those.
    """
    name = target if isinstance(target, Var) else block_name(target)
    s.take(Annotate(name, key, _frozen(value)))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value
