"""split_kernels: the statements at the top of a program become kernels of their own."""

from __future__ import annotations

from ...errors import UnsupportedError
from ...ir.program import (
    Allocate,
    Buffer,
    For,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    walk,
)
from ..replace_buffers import Place, replace_buffers
from .kernel import PER_BLOCK
from .touching import buffers_touched


def split_kernels(program: Program) -> tuple[list[Stmt], tuple[Buffer, ...]]:
    """``with alloc(T): (for i in bound(...): ...; for j in bound(...): ...)`` -> the two nests, and
    ``T`` as global memory.

    Memory that is private to threads or to blocks goes along with the nest that uses it. Raises
    :class:`UnsupportedError` where several nests do.
    """
    buffers: list[Buffer] = []
    nests = _joined(_nests(program.body, buffers))
    temporaries: list[Buffer] = []
    for buffer in buffers:
        users = [n for n, nest in enumerate(nests) if buffer in buffers_touched(nest)]
        is_private = buffer.scope in PER_BLOCK or buffer.scope is Scope.LOCAL
        if is_private and len(users) > 1:
            raise UnsupportedError(
                f"{buffer.name} of {program.name} is in {buffer.scope.value} memory, which lives "
                f"no longer than a kernel, but {len(users)} loop nests use it, each a kernel of "
                f'its own; put it into scope "global", or the nests under one loop over blocks'
            )
        if not users:
            continue
        if is_private:
            nests[users[0]] = Allocate((buffer,), nests[users[0]])
            continue
        lies = Buffer(buffer.name, buffer.shape, buffer.dtype, buffer.strides)
        temporaries.append(lies)
        for n in users:
            nests[n] = replace_buffers(nests[n], {buffer: Place(lies)})
    return nests, tuple(temporaries)


def has_bound_loops(stmt: Stmt) -> bool:
    """Whether a loop in ``stmt`` is bound to threads."""
    return any(isinstance(s, For) and s.kind is LoopKind.BOUND for s in walk(stmt))


def _nests(stmt: Stmt, buffers: list[Buffer]) -> list[Stmt]:
    match stmt:
        case Allocate(buffers=made, body=body):
            buffers.extend(made)
            return _nests(body, buffers)
        case Seq(stmts=stmts):
            return [nest for part in stmts for nest in _nests(part, buffers)]
        case _:
            return [stmt]


def _joined(nests: list[Stmt]) -> list[Stmt]:
    """The nests, neighbours without bound loops in one: they run on one thread anyway."""
    out: list[Stmt] = []
    plain = False
    for nest in nests:
        bound = has_bound_loops(nest)
        if not bound and plain and out:
            last = out[-1]
            parts = last.stmts if isinstance(last, Seq) else (last,)
            out[-1] = Seq((*parts, nest))
        else:
            out.append(nest)
        plain = not bound
    return out


def kernel_names(name: str, nests: list[Stmt]) -> list[str]:
    """A name for each kernel: that of the program, numbered where there are several."""
    if len(nests) == 1:
        return [name]
    return [f"{name}_{n}" for n in range(len(nests))]
