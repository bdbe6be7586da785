"""What depends on constants alone is computed once, before the first call::

allocate P:                                       ahead(W, P):
    for i, j in T.grid(...): P[j, i] = W[i, j]       for i, j in T.grid(...): P[j, i] = W[i, j]
    for i, j, k in T.grid(...):               ->  main(A, W, P, C):
        C[i, j] += A[i, k] * P[j, k]                  for i, j, k in T.grid(...):
                                                          C[i, j] += A[i, k] * P[j, k]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from ..ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    Program,
    Region,
    Scope,
    Seq,
    Stmt,
    reads_of,
    seq,
    walk,
    writes_of,
)
from ..records import dataclass


@dataclass(frozen=True, eq=False)
class Separated:
    """``main`` does what the program did once ``ahead`` has filled ``kept``.

    The params of ``ahead`` are the constants that it reads and ``kept``; those of ``main`` are the
    program's, with what is kept in front of the outputs unless it was among them.
    """

    ahead: Program
    main: Program
    kept: tuple[Buffer, ...]


def separate_constants(program: Program, constants: Collection[Buffer]) -> Separated | None:
    """The two parts of a scheduled program whose params ``constants`` hold the same elements in
    every call; None if nothing is computed from those alone.

    Moved are the first statements outside of all loops that read constants and what was made of
    them, and write buffers that nobody else writes: scratch memory of the caller's, or such as the
    program allocates itself.
    """
    if not constants or program.attrs.get("refusals"):  # those are the caller's to hear of
        return None
    split = len(program.params) - program.outputs
    given = set(program.params[:split])
    parts, allocated = _parts(program.body)
    writers = [{buffer for buffer, _ in writes_of(part)} for part in parts]
    known: set[Buffer] = set(constants)
    early: dict[int, None] = {}
    for n, part in enumerate(parts):
        inner = {b for s in walk(part) if isinstance(s, Allocate) for b in s.buffers}
        made = writers[n] - inner
        read = {node.source for node in reads_of(part)} - inner - made
        elsewhere = set().union(*(w for m, w in enumerate(writers) if m != n))
        if (
            made
            and read
            and read <= known
            and not made & (elsewhere | set(constants))
            and made <= given | allocated
            and all(b.scope is Scope.GLOBAL and b.strides is None for b in made)
            and not any(isinstance(s, Evaluate) for s in walk(part))
        ):
            early[n] = None
            known |= made
    if not early:
        return None
    first = seq(*(parts[n] for n in early))
    later = [part for n, part in enumerate(parts) if n not in early]
    if not later:
        return None
    written = {b for n in early for b in writers[n]}
    needed = set().union(*map(_named, later))
    kept = tuple(b for b in _in_order(program, parts) if b in written and b in needed)
    passing = tuple(b for b in _in_order(program, parts) if b in written and b not in needed)
    read_ahead = {node.source for node in reads_of(first)}
    ahead = Program(
        f"{program.name}_ahead",
        (*(b for b in program.params if b in read_ahead and b not in written), *kept),
        Allocate(passing, first) if passing else first,
        len(kept),
    )
    new = tuple(b for b in kept if b not in given)
    params = (*program.params[:split], *new, *program.params[split:])
    body = _without(program.body, set(map(id, (parts[n] for n in early))), set(kept) | written)
    return Separated(ahead, replace(program, params=params, body=body), kept)


def _named(stmt: Stmt) -> set[Buffer]:
    """What a statement reads, and what calls in it name: those may read it."""
    calls = [s for s in walk(stmt) if isinstance(s, Evaluate)]
    regions = {arg.buffer for call in calls for arg in call.args if isinstance(arg, Region)}
    whole = {arg for call in calls for arg in call.args if isinstance(arg, Buffer)}
    return {node.source for node in reads_of(stmt)} | regions | whole


def _parts(body: Stmt) -> tuple[list[Stmt], set[Buffer]]:
    """The statements outside of all loops, and what is allocated around them."""
    parts: list[Stmt] = []
    allocated: set[Buffer] = set()
    stack = [body]
    while stack:
        match stack.pop():
            case Allocate(buffers=buffers, body=inner):
                allocated.update(buffers)
                stack.append(inner)
            case Seq(stmts=stmts):
                stack.extend(reversed(stmts))
            case other:
                parts.append(other)
    return parts, allocated


def _in_order(program: Program, parts: list[Stmt]) -> Iterator[Buffer]:
    """The params and then all that is written, each once."""
    written = (buffer for part in parts for buffer, _ in writes_of(part))
    yield from dict.fromkeys((*program.params, *written))


def _without(stmt: Stmt, gone: set[int], buffers: set[Buffer]) -> Stmt:
    """``stmt`` without some of its parts, and without the allocation of ``buffers``."""
    match stmt:
        case Allocate(buffers=own, body=body):
            rest = tuple(b for b in own if b not in buffers)
            inner = _without(body, gone, buffers)
            return replace(stmt, buffers=rest, body=inner) if rest else inner
        case Seq(stmts=stmts):
            return seq(*(_without(s, gone, buffers) for s in stmts if id(s) not in gone))
        case _:
            return stmt
