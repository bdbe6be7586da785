"""The turns of a loop that boxes are loaded for: what fills a slot, and what uses it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import combinations
from math import prod

from ...ir.expr import Expr, apply, const
from ...ir.program import Buffer, Evaluate, For, If, Region, Seq, Stmt, seq
from ...records import dataclass
from ..replace_buffers import Place, replace_buffers
from ..simplify_program import substitute_all
from .kernel import BOUNDARY, SLOT_FILL, SLOT_LEAVE, SLOT_WAIT
from .touching import buffers_touched, buffers_written


@dataclass(frozen=True, eq=False)
class Part:
    """A statement that is done for iteration ``n - late`` in turn ``n``; the first one at ``place``
    among those of a turn."""

    late: int
    place: int
    body: Stmt


@dataclass(frozen=True, eq=False)
class Turns:
    """A loop whose ``loads`` fill slots that its ``uses`` read: those of turn ``n`` have slot
    ``n % slots``, and are filled ``ahead`` turns before. Where some are late, there are so many
    turns more than iterations; in the first ones, and in the last, others have nothing to do::

        for k in range(8):               turn 0: f(X(0))
            f(X(k))                      for n in range(7): turn n + 1: f(X(n + 1)); g(Y(n))
            g(Y(k))  # one late    ->    turn 8: g(Y(7))

    ``rest`` is what the loop allocates besides what is loaded.
    """

    loop: For
    ahead: int
    loads: tuple[Part, ...]
    uses: tuple[Part, ...]
    slots: Mapping[Buffer, Buffer]
    rest: tuple[Buffer, ...]

    @property
    def count(self) -> Expr:
        """How many slots there are."""
        return const(self.ahead + 1)

    @property
    def late(self) -> int:
        """By how many iterations the last of the uses is late."""
        return max(part.late for part in (*self.loads, *self.uses))

    @property
    def filled_at(self) -> int:
        """How many of the uses stand before the loads, in the order of a turn."""
        first = min(part.place for part in self.loads)
        return sum(part.place < first for part in self.uses)

    def placed(self, stmt: Stmt, number: Expr) -> Stmt:
        places = {b: Place(s, (number % self.count,)) for b, s in self.slots.items()}
        return replace_buffers(stmt, places)

    def done(self, part: Part, turn: Expr, number: Expr) -> Stmt:
        """``part`` in ``turn``, which is that of ``number`` in the order of all loops around."""
        moved = substitute_all(part.body, {self.loop.var: turn - part.late})
        return self.placed(moved, number)

    def fill(self, turn: Expr, number: Expr, which: Callable[[Part], bool]) -> Stmt:
        """The loads for a turn."""
        loads = [part for part in self.loads if which(part)]
        size = sum(loaded_bytes(part.body) for part in loads)
        said = Evaluate(SLOT_FILL, (self.count, number, const(size)))
        return seq(said, *(self.done(part, turn, number) for part in loads))

    def used(self, turn: Expr, number: Expr, which: Callable[[Part], bool], fill: Stmt) -> Stmt:
        """What is done in a turn, with ``fill`` at its place."""
        before, after = self.uses[: self.filled_at], self.uses[self.filled_at :]

        def all_of(parts: Sequence[Part]) -> Iterator[Stmt]:
            return (self.done(part, turn, number) for part in parts if which(part))

        wait = Evaluate(SLOT_WAIT, (self.count, number))
        end = [Evaluate(SLOT_LEAVE, (self.count, number)), Evaluate(BOUNDARY, ())]
        if not before:
            return seq(fill, wait, *all_of(after), *end)
        return seq(wait, *all_of(before), fill, *all_of(after), *end)

    def filled_ahead(self, by: Callable[[Stmt], Stmt]) -> tuple[Stmt, Stmt]:
        """What comes before all turns, and the turns; ``by`` says who loads."""
        steps, late = self.loop.extent, self.late

        def fill(turn: int) -> Stmt:
            if turn >= steps + late:
                return Seq(())
            has = _within(turn, steps)
            return by(self.fill(const(turn), const(turn), has))

        def turn(n: int) -> Stmt:
            return self.used(const(n), const(n), _within(n, steps), fill(n + self.ahead))

        now = self.loop.var + late if late else self.loop.var
        then = now + self.ahead
        later: Stmt | None = None
        for n in reversed(range(steps, steps + late)):
            last = by(self.fill(then, then, _within(n, steps)))
            later = If(apply("eq", then, const(n)), last, later)
        fills = If(then < steps, by(self.fill(then, then, always)), later)
        body = self.used(now, now, always, fills)
        loop = For(self.loop.var, steps - late, body, self.loop.kind, self.loop.annotations)
        before = [turn(n) for n in range(late)]
        after = [turn(n) for n in range(steps, steps + late)]
        return seq(*(fill(n) for n in range(self.ahead))), seq(*before, loop, *after)


def always(part: Part) -> bool:
    """Whether it is done in a turn that is neither among the first nor the last: it is."""
    return True


def _within(turn: int, steps: int) -> Callable[[Part], bool]:
    """Which parts have an iteration in ``turn``."""
    return lambda part: 0 <= turn - part.late < steps


def overtaking(parts: Sequence[Part], slots: Container[Buffer]) -> Buffer | None:
    """A buffer that is no slot and that two of ``parts``, given in the order of an iteration, would
    touch in another order if they were done in turns; None where there is none."""
    for one, two in combinations(parts, 2):
        swapped = (one.late, one.place) > (two.late, two.place)
        overtaken = (two.late - one.late, two.place) > (1, one.place)  # by the next iteration's one
        if not swapped and not overtaken:
            continue
        written = buffers_written(one.body) | buffers_written(two.body)
        for buffer in buffers_touched(one.body) & buffers_touched(two.body) & written:
            if buffer not in slots:
                return buffer
    return None


def loaded_bytes(loads: Stmt) -> int:
    """How much comes."""
    match loads:
        case Seq(stmts=stmts):
            return sum(map(loaded_bytes, stmts))
        case For(extent=extent, body=body):
            return extent * loaded_bytes(body)
        case Evaluate(args=(Region() as source, _)):
            return prod(source.extents) * source.buffer.dtype.itemsize
    raise AssertionError(loads)
