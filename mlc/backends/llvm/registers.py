"""Buffers that are no memory: each element, or each vector of the lanes, is an SSA value.

Control flow is structured, so phis are placed right away: at the head of a loop for what it writes,
and where the sides of a condition meet.
"""

from __future__ import annotations

import itertools

from ...ir.affine import as_sum
from ...ir.expr import Expr, Var
from ...ir.program import Buffer, Scope
from .emitter import Emitter
from .facts import Indices, ProgramFacts
from .types import Value, type_of

Slot = tuple[int, ...]

# A buffer on the stack with more slots than this stays there, whatever its indices.
MOST_ON_STACK = 24


class RegisterFile:
    """The current values of one buffer's elements. ``lanes`` is 0, or how many share a slot; where
    ``is_unseen``, lanes that a mask leaves out may be written too."""

    __slots__ = ("buffer", "is_unseen", "lanes", "slots")

    def __init__(self, buffer: Buffer, lanes: int) -> None:
        self.buffer = buffer
        self.lanes = lanes
        self.is_unseen = False
        self.slots: dict[Slot, Value] = {}

    @property
    def type(self) -> str:
        return type_of(self.buffer.dtype, self.lanes)

    def current(self, slot: Slot) -> Value:
        """What a slot holds; anything at all if nothing was stored."""
        found = self.slots.get(slot)
        return Value("poison", self.buffer.dtype, self.lanes) if found is None else found

    def all_slots(self) -> list[Slot]:
        """Every slot there can be."""
        shape = self.buffer.shape
        if self.lanes:
            shape = (*shape[:-1], shape[-1] // self.lanes)
        return list(itertools.product(*map(range, shape)))


def register_file(facts: ProgramFacts, buffer: Buffer) -> RegisterFile | None:
    """A register file for ``buffer``; None where it has to be memory.

    It can be one if every index is constant once loops are written out, but for the lane in the
    last one, and if no parallel loop uses it from within."""
    if buffer.scope is Scope.GLOBAL or buffer in facts.escaping:
        return None
    if facts.crosses_threads(buffer):
        return None
    widths = {_width(facts, buffer, indices) for indices in facts.accesses.get(buffer, ())}
    if len(widths) > 1 or None in widths:
        return None
    file = RegisterFile(buffer, widths.pop() or 0 if widths else 0)
    if buffer.scope is Scope.STACK and buffer.size > MOST_ON_STACK * max(file.lanes, 1):
        return None
    return file


def _width(facts: ProgramFacts, buffer: Buffer, indices: Indices) -> int | None:
    """How many lanes one access covers, 0 for a single element; None if it is no register
    access."""
    lanes = 0
    for position, index in enumerate(indices):
        total = as_sum(index)
        others = [total.constant]
        for atom, c in total.terms:
            if isinstance(atom, Var) and atom in facts.constants:
                others.append(c)
            elif isinstance(atom, Var) and atom in facts.lanes:
                lanes = facts.ranges[atom]
                if position != len(indices) - 1 or c != 1 or buffer.shape[-1] % lanes:
                    return None
            else:
                return None
        if lanes and any(c % lanes for c in others):
            return None
    return lanes


def _slot(e: Emitter, file: RegisterFile, indices: Indices) -> Slot:
    numbers = [_number(e, index) for index in indices]
    if file.lanes:
        numbers[-1] //= file.lanes
    return tuple(numbers)


def _number(e: Emitter, index: Expr) -> int:
    total = as_sum(index)
    value = total.constant
    for atom, c in total.terms:
        assert isinstance(atom, Var)
        if atom is not e.lane:
            value += c * e.fixed[atom]
    return value


def read_register(e: Emitter, file: RegisterFile, indices: Indices) -> Value:
    """The current value of an element, or of the lanes of a vector."""
    return file.current(_slot(e, file, indices))


def write_register(
    e: Emitter, file: RegisterFile, indices: Indices, value: Value, mask: Value | None
) -> None:
    """Put ``value`` into an element, or its lanes where ``mask`` holds into a vector."""
    slot = _slot(e, file, indices)
    if not file.lanes and value.lanes:
        if mask is not None:
            value = _last_on(e, value, mask, file.current(slot))
            mask = None
        else:
            value = e.extract(value, value.lanes - 1)
    value = e.splat(value, file.lanes)
    if mask is not None and not (file.is_unseen and file.lanes and mask.lanes):
        if mask.lanes and not file.lanes:
            mask = e.any_lane(mask)
        value = e.select(mask, value, file.current(slot))
    file.slots[slot] = value


def _last_on(e: Emitter, value: Value, mask: Value, old: Value) -> Value:
    for lane in range(value.lanes):
        old = e.select(e.extract(mask, lane) if mask.lanes else mask, e.extract(value, lane), old)
    return old


def open_files(e: Emitter, written: frozenset[Buffer]) -> list[RegisterFile]:
    """The register files of this function that ``written`` touches."""
    return [file for buffer, file in e.registers.items() if buffer in written]


class LoopPhi:
    """A phi at the head of a loop whose value at the end of the body is not known yet."""

    __slots__ = ("chunk", "file", "name", "place", "slot", "start")

    def __init__(self, e: Emitter, file: RegisterFile, slot: Slot) -> None:
        self.file = file
        self.slot = slot
        self.start = file.current(slot)
        self.name = f"%{e.name('r')}"
        self.chunk = e.out
        self.place = len(e.out)
        e.out.append("")
        file.slots[slot] = Value(self.name, file.buffer.dtype, file.lanes)

    def close(self, before: str, latch: str) -> None:
        """State where the values come from, now that the body is written."""
        start, end = self.start.text, self.file.slots[self.slot].text
        self.chunk[self.place] = (
            f"  {self.name} = phi {self.file.type} [ {start}, %{before} ], [ {end}, %{latch} ]"
        )


def open_phis(e: Emitter, written: frozenset[Buffer]) -> list[LoopPhi]:
    """A phi for every slot that a loop may change, written at the current place."""
    return [LoopPhi(e, file, slot) for file in open_files(e, written) for slot in file.all_slots()]


def merge_slots(
    e: Emitter,
    files: list[RegisterFile],
    sides: list[tuple[str, list[dict[Slot, Value]]]],
) -> None:
    """Where two ways meet: a phi for every slot in which they differ.

    Each side names the block it comes from and the slots of ``files`` at its end.
    """
    (left, left_slots), (right, right_slots) = sides
    for file, a, b in zip(files, left_slots, right_slots, strict=True):
        for slot in dict.fromkeys((*a, *b)):
            nothing = Value("poison", file.buffer.dtype, file.lanes)
            x, y = a.get(slot, nothing), b.get(slot, nothing)
            if x is not y:
                text = f"phi {file.type} [ {x.text}, %{left} ], [ {y.text}, %{right} ]"
                x = e.op(text, file.buffer.dtype, file.lanes)
            file.slots[slot] = x
