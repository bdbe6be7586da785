"""What a schedule step is, and how steps find and change loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ScheduleError
from ..ir.expr import Expr, Var
from ..ir.program import (
    Allocate,
    Block,
    For,
    If,
    Program,
    Seq,
    Stmt,
    children_of,
    map_exprs,
    seq,
    walk,
)
from ..ir.rewrite import substitute


@dataclass(frozen=True)
class Step(ABC):
    """A pure rewrite of a program: first ``check``, which may refuse, then ``apply``."""

    @abstractmethod
    def check(self, program: Program) -> str | None:
        """Why the step would change the program's meaning, as a sentence; None if it would not."""

    @abstractmethod
    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        """The rewritten program, and what the step made (loops, blocks)."""

    @abstractmethod
    def text(self, names: Mapping[Var, str]) -> str:
        """The step as a line of Python."""


def find_loop(program: Program, var: Var) -> For:
    """The loop over ``var``; :class:`ScheduleError` if the program has none."""
    for node in walk(program.body):
        if isinstance(node, For) and node.var is var:
            return node
    loops = ", ".join(n.var.name for n in walk(program.body) if isinstance(n, For))
    raise ScheduleError(f"no loop {var.name!r} in {program.name!r}; it has {loops or 'no loops'}")


def rebuild(stmt: Stmt, change: Callable[[Stmt], Stmt | None]) -> Stmt:
    """``stmt`` rebuilt top-down: where ``change`` returns a statement, that stands in its place."""
    changed = change(stmt)
    if changed is not None:
        return changed
    match stmt:
        case Allocate() | For():
            return replace(stmt, body=rebuild(stmt.body, change))
        case Seq():
            return seq(*(rebuild(s, change) for s in stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else rebuild(stmt.otherwise, change)
            return If(stmt.condition, rebuild(stmt.then, change), other)
        case _:
            return stmt


def replace_loop(program: Program, var: Var, change: Callable[[For], Stmt]) -> Program:
    """The program with the loop over ``var`` replaced by ``change(loop)``."""
    find_loop(program, var)

    def on(stmt: Stmt) -> Stmt | None:
        return change(stmt) if isinstance(stmt, For) and stmt.var is var else None

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
        return None

    return rebuild(stmt, on)


def add_predicate(stmt: Stmt, test: Expr) -> Stmt:
    """Every block in ``stmt`` guarded by ``test`` as well."""

    def on(node: Stmt) -> Stmt | None:
        if isinstance(node, Block):
            return replace(
                node, predicate=test if node.predicate is None else node.predicate & test
            )
        if not children_of(node):
            return If(test, node)
        return None

    return rebuild(stmt, on)
