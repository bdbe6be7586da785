"""What a schedule step is, and how steps find and change loops and blocks.

A step is one file in `steps/`: a frozen :class:`Step`, and a function with the name of the file,
whose first parameter is the schedule. That function is what users call as a method of a schedule;
its docstring shows the program before and after.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ScheduleError
from ..ir.expr import Expr, Var
from ..ir.parts import alone, part_with_block, part_with_loop
from ..ir.program import (
    Allocate,
    Block,
    For,
    If,
    Program,
    Seq,
    Stmt,
    While,
    blocks_of,
    children_of,
    map_exprs,
    seq,
    walk,
)
from ..ir.rewrite import loads_of, substitute
from ..records import dataclass, replace

if TYPE_CHECKING:
    from .refusal import Refusal


@dataclass(frozen=True)
class Step(ABC):
    """A pure rewrite of a program: first ``check``, which may refuse, then ``apply``.

    Fields are loops (:class:`Var`), names of blocks, numbers, strings, None, and tuples of those.
    """

    is_concurrent: ClassVar[bool] = False
    """Whether iterations may then run at once: what a serial run computes does not prove that."""

    @abstractmethod
    def check(self, program: Program) -> Refusal | str | None:
        """Why the step must not be taken; None if it keeps the meaning.

        A :class:`Refusal` says how the step would change the meaning. A plain sentence says that
        the step cannot be taken at all: it does not fit the program.
        """

    @abstractmethod
    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        """The rewritten program, and what the step made: loops (Var) and blocks (their names)."""

    def within(self) -> Var | None:
        """A loop such that the step looks at and changes nothing but the part of the program that
        holds it (`ir.parts`); None where it may look elsewhere."""
        return None

    @property
    def name(self) -> str:
        """The name of the method: that of the step's file."""
        return type(self).__module__.rpartition(".")[2]

    def adapted(self, program: Program) -> Step | None:
        """A step as near to this as can be that suits ``program``, whose sizes are others than
        those this step was made for; None if there is none."""
        return None

    def text(self, names: Mapping[Any, str]) -> str:
        """The step as a line of Python, with loops, blocks and decisions called as ``names`` says.

        What the line returns is what ``apply`` made: nothing, the one thing, or a tuple.
        """
        shown = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING:
                shown.append(operand_text(value, names))
            elif value != field.default:
                shown.append(f"{field.name}={operand_text(value, names)}")
        return f"s.{self.name}({', '.join(shown)})"


class Decision(int):
    """A number that a sampling step chose: a step that is given it is shown, stored and replayed as
    depending on that choice.

    It is the object that remembers: ``decision * 2`` is a plain number, whose origin is forgotten.
    """

    def __repr__(self) -> str:
        return int.__repr__(self)

    @property
    def key(self) -> tuple[str, int]:
        """What stands for this object among names; equal numbers are different decisions."""
        return ("decision", id(self))


def operand_text(value: Any, names: Mapping[Any, str]) -> str:
    """One operand of a step as Python."""
    match value:
        case Var():
            return names[value]
        case tuple():
            return f"[{', '.join(operand_text(v, names) for v in value)}]"
        case Decision():
            return names.get(value.key, repr(value))
        case str():
            return names.get(value, repr(value))
        case _:
            return repr(value)


def block_name(block: Block | str) -> str:
    """The name that stands for a block in a step."""
    return block if isinstance(block, str) else block.name


def is_pattern(name: str) -> bool:
    """Whether ``name`` has wildcards."""
    return "*" in name or "?" in name or "[" in name


def find_block(program: Program, name: str) -> Block:
    """The block called ``name``; :class:`ScheduleError` if the program has none."""
    part = part_with_block(program, name)
    if part is not None:
        return part.blocks[name]
    known = ", ".join(b.name for b in blocks_of(program.body))
    raise ScheduleError(f"no block {name!r} in {program.name!r}; it has {known or 'no blocks'}")


def path_to(program: Program, name: str) -> list[Stmt]:
    """The statements around the block called ``name``, outermost first, the block not among
    them."""
    path = _path_to(program, name)
    if path is None:
        find_block(program, name)
    return list(path or ())


@lru_cache(maxsize=64)
def _path_to(program: Program, name: str) -> tuple[Stmt, ...] | None:
    def search(stmt: Stmt) -> list[Stmt] | None:
        if isinstance(stmt, Block) and stmt.name == name:
            return []
        for child in children_of(stmt):
            below = search(child)
            if below is not None:
                return [stmt, *below]
        return None

    path = search(program.body)
    return None if path is None else tuple(path)


def loops_around(program: Program, name: str) -> list[For]:
    """The loops around the block called ``name``, outermost first."""
    part = part_with_block(program, name)
    if part is not None:
        program = alone(program, part)
    return [stmt for stmt in path_to(program, name) if isinstance(stmt, For)]


def fresh_block_name(program: Program, wish: str) -> str:
    """``wish``, numbered if a block of ``program`` has that name."""
    taken = {block.name for block in blocks_of(program.body)}
    name, count = wish, 1
    while name in taken:
        name, count = f"{wish}_{count}", count + 1
    return name


def find_loop(program: Program, var: Var) -> For:
    """The loop over ``var``; :class:`ScheduleError` if the program has none."""
    if not isinstance(var, Var):
        raise ScheduleError(
            f"expected a loop, got {var!r}; take it from s.loops(block), or s.loop(name)"
        )
    part = part_with_loop(program, var)
    if part is not None:
        return part.loops[var]
    loops = ", ".join(n.var.name for n in walk(program.body) if isinstance(n, For))
    raise ScheduleError(f"no loop {var.name!r} in {program.name!r}; it has {loops or 'no loops'}")


def rebuild(stmt: Stmt, change: Callable[[Stmt], Stmt | None]) -> Stmt:
    """``stmt`` rebuilt top-down: where ``change`` returns a statement, that stands in its place.

    The insides of blocks are seen too.
    """
    changed = change(stmt)
    if changed is not None:
        return changed
    match stmt:
        case Allocate() | For() | While():
            body = rebuild(stmt.body, change)
            return stmt if body is stmt.body else replace(stmt, body=body)
        case Seq():
            parts = [rebuild(s, change) for s in stmt.stmts]
            same = all(a is b for a, b in zip(parts, stmt.stmts, strict=True))
            return stmt if same else seq(*parts)
        case If():
            then = rebuild(stmt.then, change)
            other = None if stmt.otherwise is None else rebuild(stmt.otherwise, change)
            if then is stmt.then and other is stmt.otherwise:
                return stmt
            return If(stmt.condition, then, other)
        case Block():
            body = rebuild(stmt.body, change)
            init = None if stmt.init is None else rebuild(stmt.init, change)
            if body is stmt.body and init is stmt.init:
                return stmt
            return replace(stmt, body=body, init=init)
        case _:
            return stmt


def replace_loop(program: Program, var: Var, change: Callable[[For], Stmt]) -> Program:
    """The program with the loop over ``var`` replaced by ``change(loop)``."""
    find_loop(program, var)

    def on(stmt: Stmt) -> Stmt | None:
        return change(stmt) if isinstance(stmt, For) and stmt.var is var else None

    return program.with_body(rebuild(program.body, on))


def replace_block(program: Program, name: str, change: Callable[[Block], Stmt]) -> Program:
    """The program with the block called ``name`` replaced by ``change(block)``."""
    find_block(program, name)

    def on(stmt: Stmt) -> Stmt | None:
        return change(stmt) if isinstance(stmt, Block) and stmt.name == name else None

    return program.with_body(rebuild(program.body, on))


def substitute_stmt(stmt: Stmt, mapping: Mapping[Var, Expr]) -> Stmt:
    """``stmt`` with loop variables replaced in every expression outside block bodies."""

    def on(node: Stmt) -> Stmt | None:
        if isinstance(node, Block):
            iters = tuple(replace(it, binding=substitute(it.binding, mapping)) for it in node.iters)
            predicate = node.predicate
            if predicate is not None:
                predicate = substitute(predicate, mapping)
            return replace(node, iters=iters, predicate=predicate)
        if not children_of(node):
            return map_exprs(node, lambda e: substitute(e, mapping))
        if isinstance(node, If):
            other = None if node.otherwise is None else rebuild(node.otherwise, on)
            return If(substitute(node.condition, mapping), rebuild(node.then, on), other)
        if isinstance(node, While):
            return While(substitute(node.condition, mapping), rebuild(node.body, on))
        return None

    return rebuild(stmt, on)


def add_predicate(stmt: Stmt, test: Expr) -> Stmt:
    """Every block in ``stmt`` guarded by ``test`` as well; what is inside a block is not asked.
    Nor are conditions that read memory, of which there is nothing to read where ``test`` fails:
    that stands around them."""

    def guarded(node: Stmt) -> Stmt | None:
        if isinstance(node, Block):
            return replace(
                node, predicate=test if node.predicate is None else node.predicate & test
            )
        return None

    def on(node: Stmt) -> Stmt | None:
        if isinstance(node, (If, While)) and loads_of(node.condition):
            return If(test, rebuild(node, guarded))
        return guarded(node) if children_of(node) else If(test, node)

    return rebuild(stmt, on)
