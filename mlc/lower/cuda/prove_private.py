"""prove_private: what lies in a thread's own memory is read by that thread."""

from __future__ import annotations

from ...errors import ScheduleError
from ...ir.expr import Var
from ...ir.program import Buffer, For, LoopKind, Program, Scope
from ...schedules.legality.accesses import Access, accesses_of
from ...schedules.legality.conflict import Conflict, conflict
from ...schedules.legality.teams import is_team_fold
from ...schedules.refusal import Refusal
from .bind_threads import thread_of

PRIVATE = frozenset({Scope.LOCAL, Scope.STACK, Scope.REGISTER})


def prove_private(program: Program) -> None:
    """Nothing, unless one thread reads what only another one writes to private memory::

        for tx in threads: t[tx] = A[tx]        (t lies in local memory)
        for ty in threads: B[ty] = t[31 - ty]

    Each thread of a card has a ``t`` of its own, where the serial meaning has one for all. Raises
    :class:`ScheduleError` with the two. What the data decide is trusted.
    """
    touched: dict[Buffer, list[Access]] = {}
    for row in accesses_of(program).rows:
        if row.buffer.scope in PRIVATE:
            touched.setdefault(row.buffer, []).append(row)
    for rows in touched.values():
        nests = {loop for row in rows for loop in _threads(row).values()}
        if len(nests) > len({thread_of(loop) for loop in nests}):
            _prove(program, rows)


def _threads(row: Access) -> dict[str, For]:
    """The loops around that are bound to threads of a block, inside of which the buffer is the
    same."""
    return {
        thread_of(loop): loop
        for loop in row.loops[row.private :]
        if loop.kind is LoopKind.BOUND and thread_of(loop).startswith("threadIdx")
    }


def _prove(program: Program, rows: list[Access]) -> None:
    for write in (row for row in rows if row.changes):
        for read in (row for row in rows if row.kind != "write"):
            for thread, loop in _threads(write).items():
                other = _threads(read).get(thread)
                if other is None or other is loop or is_team_fold(loop):
                    continue  # what threads fold together each of them gets
                if _meets(write, write, loop.var, loop.var):
                    continue  # each thread has written all of its own
                found = _meets(write, read, loop.var, other.var)
                if found is None or found.witness is None or not found.is_certain:
                    continue
                name, scope = write.buffer.name, write.buffer.scope.value
                refusal = Refusal(
                    f"each thread has a {name} of its own in {scope} memory, but {thread} reads "
                    f"what another one writes",
                    found.witness,
                    f's.set_scope("{name}", "shared") gives them one together',
                )
                raise ScheduleError(f"{program.name!r}: {refusal}", refusal=refusal)


def _meets(write: Access, read: Access, first: Var, second: Var) -> Conflict | None:
    """Two threads, one of which touches by ``read`` what the other one does by ``write``."""
    far = 1 << 30
    for least, most in ((1, far), (-far, -1)):
        found = conflict(write, read, {}, [(first, second, least, most)])
        if found is not None:
            return found
    return None
