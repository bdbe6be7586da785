"""One run of the bodies of a loop or branch, on placeholders for what it is thought to carry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import is_not
from typing import Any

import numpy as np

from ..dtypes import boolean
from ..ir.expr import Expr, const
from ..records import dataclass
from ..te.extent import Extent
from ..te.tensor import Placeholder, Tensor, next_serial
from ..tracer import tree
from ..tracer.grown import Grown, Tabled
from ..tracer.memory_order import set_order
from ..tracer.storage import Cell
from ..tracer.trace import FunctionTrace
from ..tracer.tracer import Tracer
from .array_rooms import length_after, note_length
from .fitting import Fitting, is_numbers
from .host_changes import UNDEFINED
from .open_arrays import Opened, as_before, extent_of, leave, length_of, show, written_of
from .orders import begin_order
from .perhaps import Perhaps, bare, check_set, has_failed, is_bound, with_flag, without_none
from .plan import Carried, NotNative, Plan, State
from .shared_arrays import (
    WRITTEN,
    Shared,
    freeze,
    kept_by_loop,
    lend,
    note_kept,
    other_names,
    shared_arrays,
    staying,
)
from .shared_lists import SharedLists, contents, holds_lists
from .spec import Spec
from .values import spec_of, tensor_of, zeros
from .watching import next_cell, watching

_MOST_FITTINGS = 8
_FLAG = Spec((), boolean)  # the type of the note whether a variable has a value


@dataclass(eq=False)
class Entry:
    """What all variables hold before: the ``values``, UNDEFINED for none, and whether they have
    one, each True, False or a traced bool."""

    values: list[Any]
    flags: list[Any]
    nones: Collection[int] = ()  # the variables that are None where they have no value
    unset: Collection[int] = ()  # those of them that have no value, and are not None either

    def whole(self) -> list[Any]:
        """Both together."""
        return [
            with_flag(v, flag, n in self.nones and n not in self.unset)
            for n, (v, flag) in enumerate(zip(self.values, self.flags))
        ]


def attempt(
    trace: FunctionTrace, state: State, bodies: Sequence[Callable[[], None]], entry: Entry,
    plan: Plan,
) -> Carried | None:  # fmt: skip
    """One run of all bodies; None if the plan had to be changed."""
    count, done = len(trace.kept_lists), None
    try:
        done = _Round(trace, state, entry, plan).run(bodies)
    finally:
        if done is None:  # what this run made is traced anew
            del trace.kept_lists[count:]
    return done


class _Round:
    """The placeholders of a run: ``params``, which begin as ``init``, for leaf k of variable n
    (k is -1 for the flag), each a row of ``rows``, and then for the arrays in ``cells``."""

    def __init__(self, trace: FunctionTrace, state: State, entry: Entry, plan: Plan) -> None:
        self.trace, self.state, self.entry, self.plan = trace, state, entry, plan
        self.mark = next_cell()
        self.kept = set(plan.carried)
        self.start: list[Any] = entry.whole()
        self.holders: dict[int, list[Tracer]] = {}
        self.flags: dict[int, Tracer] = {}
        self.params: list[Tensor] = []
        self.init: list[Tensor] = []
        self.labels: list[str] = []
        self.rows: list[tuple[int, int, Spec]] = []
        # Whether leaves are arrays, and no scalars, at the end; None where one body says so.
        self.arrays: dict[tuple[int, int], bool | None] = {}
        self.left: list[list[Any]] = []  # what all variables hold at the end of each body
        self.fittings: list[Fitting] = []  # of each body
        self.planned, self.entered = plan.copy(), list(entry.values)
        self.lists: SharedLists | None = None
        for n in sorted(plan.carried):
            if type(self.start[n]) is Perhaps:
                plan.unsure.add(n)
            self.begin_carried(n)
        self.late = dict(sorted(plan.late.items()))
        for n in self.late:
            self.begin_late(n)
        self.begun = contents({n: self.start[n] for n in self.holders})
        self.cells: list[Cell] = list(plan.cells)
        for n, cell in enumerate(self.cells):
            self.add_param(f"array{n}", cell.current(trace))

    def add_param(self, label: str, first: Tensor) -> Tensor:
        self.params.append(Tensor(label, first.shape, first.dtype, Placeholder()))
        self.init.append(first)
        self.labels.append(label)
        return self.params[-1]

    def add(self, n: int, k: int, spec: Spec, first: Tensor, name: str) -> Tracer:
        """A placeholder for leaf k of variable n."""
        param = self.add_param(_label(name), first)
        if spec.weak:
            self.trace.weak.add(param)
        self.rows.append((n, k, spec))
        return Tracer(param, self.trace)

    def add_flag(self, n: int) -> Tracer:
        """A placeholder for the note whether variable n has a value."""
        name = self.state.names[n]
        first = tensor_of(self.trace, self.entry.flags[n], _FLAG)
        self.flags[n] = self.add(n, -1, _FLAG, first, f"{name}_is_bound")
        return self.flags[n]

    def begin_carried(self, n: int) -> None:
        """Variable n, which has a value before, or perhaps one."""
        plan, is_branch, value = self.plan, self.state.is_branch, self.entry.values[n]
        leaves, structure = tree.flatten(value)
        name = self.state.names[n]
        names = tree.leaf_names(name, structure) if len(leaves) > 1 else [name]
        fresh = []
        for k, leaf in enumerate(leaves):
            spec = plan.specs.get((n, k)) or spec_of(self.trace, leaf)
            holder = self.add(n, k, spec, tensor_of(self.trace, leaf, spec), names[k])
            holder._cell.is_array = bool(spec.shape) or (
                isinstance(leaf, Tracer) and leaf._cell.is_array
            )
            holder._cell.frozen = _frozen(leaf) or plan.frozen.get((n, k), "")
            begin_order(plan.orders, (n, k), holder, leaf, is_branch)
            fresh.append(holder)
        self.holders[n] = fresh
        self.start[n] = tree.unflatten(structure, fresh)
        if n in plan.unsure:
            self.start[n] = Perhaps(self.start[n], self.add_flag(n), n in self.entry.nones)

    def begin_late(self, n: int) -> None:
        """Variable n, which gets its first value of its kind inside."""
        structure, specs = self.late[n]
        held = []
        for k, known in enumerate(specs):
            spec = self.plan.specs.get((n, k), known)
            held.append(self.add(n, k, spec, zeros(self.trace, spec), self.state.names[n]))
        flag = self.add_flag(n) if n in self.plan.unsure else True
        if not self.state.is_branch:  # after the first iteration it has a value
            for k, value in enumerate(held):
                set_order(value, self.plan.orders.get((n, k)))
                value._cell.frozen = self.plan.frozen.get((n, k), "")
            self.start[n] = with_flag(tree.unflatten(structure, held), flag, n in self.entry.nones)

    def run(self, bodies: Sequence[Callable[[], None]]) -> Carried | None:
        """What the bodies end with; None if the plan had to be changed."""
        self.bodies = len(bodies)
        ends: list[list[Tensor]] = []
        cells: list[list[Tensor]] = []  # what the arrays hold at the end of each body
        shared: list[Shared] = []
        bound: list[set[int]] = []  # for each body the variables that surely have a value
        changed = False
        before, since = as_before(self.entry.whole()), next_serial()
        lists = self.lists_begun() if len(bodies) > 1 else {}
        try:
            for count, body in enumerate(bodies):
                if count:
                    self.hold_anew(lists)
                ours = {*self.holders, *self.late}
                self.state.put(show(self.start, self.lengths(), ours, self.limits()))
                with watching() as watched:
                    first = len(self.params) - len(self.cells)
                    for cell, param in zip(self.cells, self.params[first:]):
                        cell.write(param)
                    lend(self.holders, self.entry.values, self.state.what, self.state.names)
                    self.state.outcome.is_error = False
                    body()
                    found_after = self.state.get()
                    if has_failed(self.state.names, found_after):
                        self.state.outcome.is_error = True
                    check_set(self.state, self.entry.unset, found_after)
                    after = without_none(found_after, self.entry.nones)
                    self.left.append(found_after)
                    if self.is_written_outside(watched):
                        changed = True
                    else:
                        changed = not self.fitted(after) or changed
                        cells.append([c.current(self.trace) for c in self.cells])
                        changed = self.is_written_outside(watched) or changed
                if changed and not self.state.is_branch:  # the test sees what the body changes
                    return None
            is_other = changed or self.state.is_branch and bool(self.plan.hoped)
            if is_other and not self.refitted():
                return None
        finally:
            self.state.put(before)
        changed = False
        for fitting, held in zip(self.fittings, cells):
            ends.append([*(fitting.ends[n, k] for n, k, _ in self.rows), *held])
            after, is_error = fitting.after, fitting.is_error
            bound.append({n for n, v in enumerate(after) if is_error or is_bound(v) is True})
            if self.state.is_branch:
                shared += shared_arrays(
                    self.entry.values, list(map(bare, after)), self.holders, self.late,
                    self.mark, self.state.is_lasting,
                )  # fmt: skip
        stay = staying(self.holders, [[*map(bare, f.after)] for f in self.fittings])
        shared += kept_by_loop(self.state, self.entry.values, self.holders, stay)
        for n in self.kept:
            changed = True
            self.plan.carried.discard(n)
        for n in self.plan.hoped:
            changed = True
            del self.plan.late[n]
        self.plan.hoped.clear()
        if changed or len({len(e) for e in ends}) != 1:
            return None
        self.check_written()
        carried = {*self.plan.carried, *self.late}
        self.lists = SharedLists(self.state, before, self.begun, self.left, carried)
        sure: set[int] = set()
        if self.state.is_branch:
            sure = set.intersection(*bound)
        elif self.state.is_entered:
            sure = bound[0]
        return Carried(
            self.params, self.init, self.labels, ends,
            lambda results: self.finish(results, shared, sure, stay), since,
        )  # fmt: skip

    def is_written_outside(self, watched: Iterable[Cell]) -> bool:
        """Whether a body writes to arrays from before it that are not carried; then they will
        be."""
        outside = [c for c in watched if c.serial < self.mark and c not in self.plan.cells]
        self.plan.cells.update(dict.fromkeys(outside))
        return bool(outside)

    def lists_begun(self) -> dict[int, Any]:
        """What the variables that hold lists and dicts begin as, in parts."""
        held = {n: bare(self.start[n]) for n in (*self.holders, *self.late)}
        return {n: tree.flatten(value) for n, value in held.items() if holds_lists(value)}

    def hold_anew(self, lists: dict[int, Any]) -> None:
        """Begin with other ``lists`` that hold the same: the body before has changed its own."""
        for n, (leaves, structure) in lists.items():
            start, value = self.start[n], tree.unflatten(structure, leaves)
            is_unsure = type(start) is Perhaps
            self.start[n] = start._mlc_with(value) if is_unsure else value
        self.begun += contents({n: self.start[n] for n in lists if n in self.holders})

    def lengths(self) -> dict[int, Any]:
        """For each variable what those of the same length have in common, if the data choose it:
        the length itself where it is what it was before, as far as is known."""
        found: dict[int, Any] = {}
        for n, held in enumerate(self.start):
            if isinstance(bare(held), Opened):
                before, parted = length_of(self.entry.values[n]), self.plan.lengths.get(n, 0)
                is_kept = isinstance(before, Extent) and not parted
                if self.state.is_branch:  # which nobody comes back to
                    is_kept = before is not None
                found[n] = before if is_kept else (n if before is None else before, parted)
        return found

    def limits(self) -> dict[int, int]:
        """How long arrays may be before a body that makes them longer."""
        if self.state.is_branch:
            return {}
        return {n: room.limit for n, room in self.plan.rooms.items()}

    def check_written(self) -> None:
        """NotNative if a body writes to an array whose variable gets another value on another
        way, and others know that array: they would not see what was written."""
        for n, held in self.holders.items():
            entry = self.entry.values[n]
            olds = tree.flatten(entry)[0]
            if isinstance(entry, Opened):
                held, olds = written_of(bare(self.start[n]), entry)
            if isinstance(entry, (Grown, Tabled)) and any(h._cell.version for h in held):
                if names := other_names(entry):
                    raise NotNative(
                        f"{self.state.what} changes the list {self.state.names[n]} on one way and "
                        f"gives that name to another list on another; {' and '.join(names)}, the "
                        f"same list before, could not be told: copy it first"
                    )
            for holder, old in zip(held, olds):
                cell = holder._cell
                if not isinstance(old, Tracer) or not (cell.version or cell in WRITTEN):
                    continue
                WRITTEN.add(old._cell)
                what, name = self.state.what, self.state.names[n]
                if old._cell.place is not None:
                    raise NotNative(
                        f"{what} writes to the argument {name} on one way and gives that name to "
                        f"another array on another; its caller could not be told: copy it first"
                    )
                if names := other_names(old._cell):
                    raise NotNative(
                        f"{what} writes to {name} on one way and gives that name to another array "
                        f"on another; {' and '.join(names)}, the same array before, could not be "
                        f"told: copy it first"
                    )

    def fitting(self, after: list[Any]) -> Fitting:
        """What takes into account what a body ends with, ``after``."""
        start = without_none(self.start, self.entry.nones)
        return Fitting(self.trace, self.state, self.entry.values, self.plan, start, self.holders,
                       self.flags, self.late, self.kept, self.arrays, after)  # fmt: skip

    def fitted(self, after: list[Any]) -> bool:
        """Whether the plan holds of what a body ends with."""
        fitting = self.fitting(after)
        for n, end in enumerate(after):
            if not fitting.is_left_alone(n, end):
                fitting.add(n, end)
        fitting.part_lengths(self.lengths())
        self.fittings.append(fitting)
        return fitting.fits

    def refitted(self) -> bool:
        """Whether the plan holds of what all bodies of a branch end with, after it was changed in
        what they do not find when they begin: numbers that get their first value there."""
        if len(self.fittings) != self.bodies or self.kept:
            return False
        for _ in range(_MOST_FITTINGS):
            for n in self.plan.hoped:
                del self.plan.late[n]
            self.plan.hoped.clear()
            other = self.other_numbers()
            if other is None:
                return False
            self.planned = self.plan.copy()
            self.begin_again(other)
            fresh = []
            for old in self.fittings:
                self.state.outcome.is_error = old.is_error
                fitting = self.fitting(old.after)
                fitting.lengths, fitting.keys = old.lengths, old.keys
                fitting.ends = {key: end for key, end in old.ends.items() if key[0] not in other}
                for n in sorted(other):
                    fitting.add(n, old.after[n])
                fresh.append(fitting)
            self.fittings = fresh
            if all(fitting.fits for fitting in fresh):
                return True
        return False

    def other_numbers(self) -> set[int] | None:
        """The variables of which the plan has come to say something else; None if those are no
        numbers that get their first value in the bodies, or it says something else besides."""
        old, new = self.planned, self.plan
        for part in ("carried", "nones", "cells", "frozen", "lengths", "opened", "rooms"):
            if getattr(old, part) != getattr(new, part):
                return None
        if any(map(is_not, self.entered, self.entry.values)):  # one is to begin as another kind
            return None
        other = {n for n in {*old.late, *new.late} if old.late.get(n) != new.late.get(n)}
        specs = {*old.specs, *new.specs}
        other |= {n for n, k in specs if old.specs.get((n, k)) != new.specs.get((n, k))}
        other |= old.unsure ^ new.unsure
        if not other.isdisjoint(self.holders):
            return None
        ends = [fitting.after[n] for fitting in self.fittings for n in other]
        return other if all(is_numbers(bare(end)) for end in ends) else None

    def begin_again(self, other: set[int]) -> None:
        """Placeholders as the plan has them now, those of the variables ``other`` new."""
        rows = [*zip(self.params, self.init, self.labels)]
        places = self.rows
        self.rows, self.params, self.init, self.labels = [], [], [], []

        def keep(chosen: Sequence[int]) -> None:
            for at in chosen:
                param, first, label = rows[at]
                self.params.append(param)
                self.init.append(first)
                self.labels.append(label)
                if at < len(places):
                    self.rows.append(places[at])

        keep([at for at, (n, _, _) in enumerate(places) if n in self.holders])
        self.late = dict(sorted(self.plan.late.items()))
        for n in other:
            self.flags.pop(n, None)
        for key in [key for key in self.arrays if key[0] in other]:
            del self.arrays[key]
        for n in self.late:
            if n in other:
                self.begin_late(n)
            else:
                keep([at for at, (m, _, _) in enumerate(places) if m == n])
        keep(range(len(places), len(rows)))

    def length_after(self, n: int) -> Any:
        """What tells the length of variable n afterwards from others; itself where it is what it
        was before."""
        before = length_of(self.entry.values[n])
        ends = [fitting.lengths.get(n) for fitting in self.fittings]
        if isinstance(before, Extent) and all(before == end for end in ends):
            return before
        return (n,) if None in ends else (before if not self.state.is_branch else 0, *ends)

    def length_known(self, n: int) -> int | None:
        """The same, where it can be worked out."""
        opened, trips = self.entry.values[n], self.state.trips
        if self.state.is_branch or trips is None or not isinstance(opened, Opened):
            return None
        first, last = self.first_length(n), self.fittings[0].keys.get(n)
        known = length_after(first, last, opened.count, trips)
        return None if known is None or known > opened.whole.shape[0] else known

    def first_length(self, n: int) -> Expr | None:
        """The length that bodies find variable n with."""
        held = bare(self.start[n])
        extent = extent_of(held.shown) if isinstance(held, Opened) else None
        return None if extent is None else extent.key

    def note_length(self, n: int, value: Any) -> None:
        """Remember what is known of the length of variable n, which ends as ``value``."""
        opened, times = self.entry.values[n], 1 if self.state.is_branch else self.state.trips
        if not isinstance(value, Opened) or not isinstance(opened, Opened):
            return
        before = extent_of(opened.shown)
        shown = const(np.shape(opened.shown)[0]) if before is None else before.key
        first = shown if self.state.is_branch else self.first_length(n)
        if times is not None and first is not None:
            last = [fitting.keys.get(n) for fitting in self.fittings]
            note_length(value.count, shown, first, last, times)

    def finish(
        self, results: Sequence[Tensor], shared: list[Shared], sure: set[int],
        stay: set[tuple[int, int]],
    ) -> None:  # fmt: skip
        """Let all variables and arrays hold ``results``; those of ``sure`` need no flag."""
        leaves: dict[int, list[Tracer]] = {}
        flags: dict[int, Any] = {}
        kept: list[tuple[Tracer, Any]] = []
        values = list(self.entry.values)
        for (n, k, spec), tensor in zip(self.rows, results):
            if spec.weak:
                self.trace.weak.add(tensor)
            made = Tracer(tensor, self.trace)
            if k < 0:
                flags[n] = made
                continue
            if n in self.holders:
                made._cell.is_array = self.holders[n][k]._cell.is_array
            kind = self.arrays.get((n, k))
            if (self.state.is_branch or n in self.late) and kind is not None:
                made._cell.is_array = kind
            set_order(made, self.plan.orders.get((n, k)))
            made._cell.frozen = self.plan.frozen.get((n, k), "")
            if n in self.holders and not self.state.is_entered:  # it may be what it was
                made._cell.frozen = made._cell.frozen or _frozen(tree.flatten(values[n])[0][k])
            if (n, k) in stay:
                kept.append((made, tree.flatten(self.entry.values[n])[0][k]))
            leaves.setdefault(n, []).append(made)
        whole, counts = as_before(self.entry.whole()), dict[Any, Any]()
        for n, found in leaves.items():
            structure = self.late[n][0] if n in self.late else tree.flatten(values[n])[1]
            values[n] = tree.unflatten(structure, found)
            flag = True if n in sure else flags.get(n, True)
            self.note_length(n, values[n])
            length, known = self.length_after(n), self.length_known(n)
            held = with_flag(values[n], flag, n in self.entry.nones)
            whole[n] = leave(held, counts, length, known)
        for n in {*self.entry.unset} - {*leaves}:
            if whole[n] is UNDEFINED and (self.state.variable(n) or self.state.is_result(n)):
                whole[n] = None  # on all ways
        for cell, tensor in zip(self.cells, results[len(self.rows) :]):
            cell.write(tensor)
        note_kept(kept)
        freeze(shared, self.state.names, values)
        self.state.put(whole)
        if self.lists is not None:
            self.lists.keep(whole)


def _frozen(leaf: Any) -> str:
    """Why nobody may write to ``leaf``."""
    return leaf._cell.frozen if isinstance(leaf, Tracer) else ""


def _label(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).strip("_") or "value"
