"""Two programs run symbolically and are compared element by element.

What index arithmetic cannot prove, small programs can show: every element holds a term over the
inputs, both programs run with the meaning of their serial loops, and their outputs must hold the
same terms. Indices and conditions on them are computed; what depends on data becomes a term.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

from ...ir.empty_loops import fill_empty_reductions
from ...ir.expr import Expr
from ...ir.intrinsic import expand_calls
from ...ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    children_of,
    walk,
)
from ...records import dataclass
from .symbolic import NotCovered, Values
from .terms import FOLDING, UNWRITTEN, Folding, Gathering, Terms, term_text

LIMIT = 400_000  # statements run and elements held, in both programs together


@dataclass(frozen=True)
class Same:
    """All outputs hold the same terms."""


@dataclass(frozen=True)
class Difference:
    """``element`` of ``output`` holds another term afterwards."""

    output: str
    element: tuple[int, ...]
    before_term: str
    after_term: str


@dataclass(frozen=True)
class TooLarge:
    """The programs are too large to run so, or do what a symbolic run does not cover."""

    reason: str


Action = Callable[[list[Any]], None]


class _OutsideError(Exception):
    """A write outside of a buffer."""

    def __init__(self, buffer: Buffer, element: tuple[int, ...]) -> None:
        super().__init__(buffer.name)
        self.buffer = buffer
        self.element = element


def same_meaning(
    before: Program, after: Program, limit: int = LIMIT
) -> Same | Difference | TooLarge:
    """Whether both programs compute the same outputs from the same inputs, for all inputs.

    The parameters must have the same shapes in both. An element that ``before`` leaves unwritten,
    or computes from unwritten memory, may hold anything afterwards.
    """
    shapes = [[(b.shape, b.dtype) for b in p.params] for p in (before, after)]
    if shapes[0] != shapes[1]:
        return TooLarge("the parameters of the two programs differ")
    work = sum(_work(p.body) + sum(b.size for b in p.params) for p in (before, after))
    if work > limit:
        return TooLarge(f"about {work} statements would have to run, more than {limit}")
    terms = Terms()
    try:
        first = _run(before, terms)
    except NotCovered as problem:
        return TooLarge(str(problem))
    except _OutsideError as problem:
        return TooLarge(f"{before.name} writes outside of {problem.buffer.name} as it is")
    try:
        second = _run(after, terms)
    except NotCovered as problem:
        return TooLarge(str(problem))
    except _OutsideError as problem:
        return Difference(
            problem.buffer.name, problem.element, "no such element", "a write outside of the buffer"
        )
    names = [b.name for b in before.params]
    for buffer, olds, news in zip(before.params, first, second, strict=True):
        if olds == news:
            continue
        for element, old, new in zip(product(*map(range, buffer.shape)), olds, news, strict=True):
            if old != new and old != UNWRITTEN:
                texts = (term_text(terms, names, t) for t in (old, new))
                return Difference(buffer.name, element, *texts)
    return Same()


def _work(stmt: Stmt) -> int:
    """How many statements run, at most."""
    match stmt:
        case For(extent=extent, body=body):
            return extent * _work(body)
        case Allocate(buffers=buffers, body=body):
            return sum(b.size for b in buffers) + _work(body)
        case Evaluate(args=args):
            return 1 + sum(prod(a.extents) for a in args if isinstance(a, Region))
        case Block(body=body):
            return _work(body)  # inits run at the first reduce points alone
        case _:
            return max(1, sum(map(_work, children_of(stmt))))


def _run(program: Program, terms: Terms) -> list[list[int]]:
    """The terms that the elements of the parameters hold in the end."""
    program = fill_empty_reductions(program)
    runner = _Runner(terms)
    slots = [runner.values.slot(b) for b in program.params]
    for call in walk(program.body):
        if isinstance(call, Evaluate) and call.name == "barrier":
            if any(isinstance(s, For) and s.kind is LoopKind.BOUND for s in walk(program.body)):
                raise NotCovered("threads that wait for each other at a barrier")
    try:
        action = runner.statement(expand_calls(program.body))
    except (RecursionError, MemoryError, SyntaxError):
        raise NotCovered(f"the expressions of {program.name} are nested too deeply") from None
    frame: list[Any] = [None] * len(runner.values.slots)
    for position, (buffer, slot) in enumerate(zip(program.params, slots)):
        frame[slot] = [
            terms.make("in", position, element) for element in product(*map(range, buffer.shape))
        ]
    action(frame)
    return [[_frozen(cell) for cell in frame[slot]] for slot in slots]


def _frozen(cell: Any) -> int:
    return cell if cell.__class__ is int else cell.term()  # type: ignore[no-any-return]


class _Part:
    """The cell for one result of a fold over tuples."""

    __slots__ = ("folding", "number")

    def __init__(self, folding: Folding, number: int) -> None:
        self.folding = folding
        self.number = number

    def term(self) -> int:
        return self.folding.term(self.number)


class _Runner:
    """Statements as closures over a frame: loop values, axis values, and cells of buffers."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.values = Values(terms)

    def statement(self, stmt: Stmt) -> Action:
        values = self.values
        match stmt:
            case Seq(stmts=stmts):
                return _in_order([self.statement(s) for s in stmts])
            case For(var=var, extent=extent, body=body):
                slot = values.bind(var, extent)
                return _repeat(slot, extent, self.statement(body))
            case Allocate(buffers=buffers, body=body):
                slots = [(values.slot(b), b.size) for b in buffers]
                return _fresh(slots, self.statement(body))
            case While(condition=condition, body=body):
                return _while(values.index(condition), self.statement(body))
            case If(condition=condition, then=then, otherwise=otherwise):
                no = None if otherwise is None else self.statement(otherwise)
                return _branch(values.index(condition), self.statement(then), no)
            case Block():
                return self.block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                return self.store(buffer, indices, values.value(value))
            case Accumulate():
                return self.accumulate(stmt)
            case Evaluate(name="barrier"):
                return lambda frame: None
            case Evaluate(name=name):
                raise NotCovered(f"what the call of {name!r} does is not known")
        raise AssertionError(type(stmt))

    def block(self, stmt: Block) -> Action:
        values = self.values
        bindings = [values.index(it.binding) for it in stmt.iters]
        test = None if stmt.predicate is None else values.index(stmt.predicate)
        slots = [values.bind(it.axis, it.axis.extent) for it in stmt.iters]
        checks = [it.axis.extent for it in stmt.iters]
        body = self.call(stmt) if _is_foreign(stmt) else self.statement(stmt.body)
        init = None if stmt.init is None else self.statement(stmt.init)
        reduced = [slot for slot, it in zip(slots, stmt.iters) if it.axis.is_reduce]
        name = stmt.name

        def run(frame: list[Any]) -> None:
            if test is not None and not test(frame):
                return
            for slot, binding, extent in zip(slots, bindings, checks):
                at = frame[slot] = binding(frame)
                if not 0 <= at < extent:
                    raise NotCovered(f"an axis of block {name!r} is {at}, outside range({extent})")
            if init is not None and all(frame[slot] == 0 for slot in reduced):
                init(frame)
            body(frame)

        return run

    def call(self, stmt: Block) -> Action:
        """A block with a call that nothing is known of but the regions that the block declares: a
        function of everything it reads."""
        terms, values = self.terms, self.values
        if not isinstance(stmt.body, Evaluate):
            raise NotCovered(f"block {stmt.name!r} mixes a call with other statements")
        name = stmt.body.name
        scalars = [values.value(arg) for arg in stmt.body.args if isinstance(arg, Expr)]
        reads = [self.elements(region) for region in stmt.reads or ()]
        writes = [self.elements(region) for region in stmt.writes or ()]

        def run(frame: list[Any]) -> None:
            given = [scalar(frame) for scalar in scalars]
            for where in reads:
                cells, offsets = where(frame)
                given += [_frozen(cells[n]) for n in offsets]
            call = terms.make("call", name, tuple(given)) if UNWRITTEN not in given else UNWRITTEN
            number = 0
            for where in writes:
                cells, offsets = where(frame)
                for n in offsets:
                    cells[n] = terms.make("result", number, call) if call else UNWRITTEN
                    number += 1

        return run

    def elements(self, region: Region) -> Callable[[list[Any]], tuple[list[Any], list[int]]]:
        starts = [self.values.index(start) for start in region.starts]
        slot, shape = self.values.slot(region.buffer), region.buffer.shape

        def where(frame: list[Any]) -> tuple[list[Any], list[int]]:
            first = [start(frame) for start in starts]
            offsets = []
            for element in product(*(range(a, a + n) for a, n in zip(first, region.extents))):
                if not all(0 <= i < n for i, n in zip(element, shape)):
                    raise _OutsideError(region.buffer, element)
                offset = 0
                for i, n in zip(element, shape):
                    offset = offset * n + i
                offsets.append(offset)
            return frame[slot], offsets

        return where

    def place(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Callable[[list[Any]], int]:
        """The offset of an element that is written."""
        offset = self.values.offset(buffer, indices)
        if self.values.is_inside(buffer, indices):
            return offset
        parts = [self.values.index(index) for index in indices]

        def checked(frame: list[Any]) -> int:
            element = tuple(part(frame) for part in parts)
            if not all(0 <= i < n for i, n in zip(element, buffer.shape)):
                raise _OutsideError(buffer, element)
            return offset(frame)

        return checked

    def store(
        self, buffer: Buffer, indices: tuple[Expr, ...], value: Callable[[list[Any]], int]
    ) -> Action:
        slot, place = self.values.slot(buffer), self.place(buffer, indices)

        def run(frame: list[Any]) -> None:
            term = value(frame)
            frame[slot][place(frame)] = term

        return run

    def accumulate(self, stmt: Accumulate) -> Action:
        terms, values, combiner = self.terms, self.values, stmt.combiner
        news = [values.value(value) for value in stmt.values]
        slots = [values.slot(buffer) for buffer in stmt.buffers]
        places = [self.place(buffer, stmt.indices) for buffer in stmt.buffers]
        if combiner.fn in FOLDING:
            kind = (combiner.fn, combiner.dtypes[0].name)
            (new,), (slot,), (place,) = news, slots, places

            def gather(frame: list[Any]) -> None:
                cells, at, term = frame[slot], place(frame), new(frame)
                held = cells[at]
                if held.__class__ is not Gathering or held.kind != kind:
                    held, old = Gathering(terms, kind), _frozen(held)
                    held.add(old)
                    cells[at] = held
                held.add(term)

            return gather

        def fold(frame: list[Any]) -> None:
            operand = tuple(new(frame) for new in news)
            where = [(frame[slot], place(frame)) for slot, place in zip(slots, places)]
            held = [cells[at] for cells, at in where]
            folding = held[0].folding if isinstance(held[0], _Part) else None
            if (
                folding is None
                or folding.combiner is not combiner
                or not all(
                    isinstance(one, _Part) and one.folding is folding and one.number == n
                    for n, one in enumerate(held)
                )
            ):
                folding = Folding(terms, combiner)
                folding.add(tuple(map(_frozen, held)))
                for n, (cells, at) in enumerate(where):
                    cells[at] = _Part(folding, n)
            folding.add(operand)

        return fold


def _is_foreign(block: Block) -> bool:
    declared = block.reads is not None or block.writes is not None
    return declared and any(isinstance(s, Evaluate) for s in walk(block.body))


def _in_order(actions: list[Action]) -> Action:
    def run(frame: list[Any]) -> None:
        for action in actions:
            action(frame)

    return run


def _repeat(slot: int, extent: int, body: Action) -> Action:
    def run(frame: list[Any]) -> None:
        for i in range(extent):
            frame[slot] = i
            body(frame)

    return run


def _fresh(slots: list[tuple[int, int]], body: Action) -> Action:
    def run(frame: list[Any]) -> None:
        for slot, size in slots:
            frame[slot] = [UNWRITTEN] * size
        body(frame)

    return run


def _while(test: Callable[[list[Any]], Any], body: Action) -> Action:
    def run(frame: list[Any]) -> None:
        while test(frame):
            body(frame)

    return run


def _branch(test: Callable[[list[Any]], Any], yes: Action, no: Action | None) -> Action:
    def run(frame: list[Any]) -> None:
        if test(frame):
            yes(frame)
        elif no is not None:
            no(frame)

    return run
