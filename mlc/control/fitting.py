"""What the variables of a loop or branch hold at the end of a body, as what is carried of them."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from ..dtypes import boolean
from ..errors import MlcError
from ..ir.expr import Expr, const
from ..te.extent import Extent
from ..te.tensor import Tensor
from ..tracer import tree
from ..tracer.chosen import coded
from ..tracer.complex.value import Complex
from ..tracer.grown import Grown, Tabled
from ..tracer.masked import Masked
from ..tracer.storage import WATCH, Cell
from ..tracer.trace import FunctionTrace
from ..tracer.tracer import Tracer
from .array_rooms import room_wanted, widened, within
from .carried_tables import as_carried as carried_table
from .chosen_state import becomes_chosen, fitted_constant
from .complex_state import fitted, fitted_late, widens
from .exits import VALUE, spoken
from .host_changes import UNDEFINED
from .list_rows import as_carried, holds_new_rows
from .open_arrays import (
    Opened,
    as_opened,
    extent_of,
    from_known,
    is_written,
    length_of,
    opened_before,
    solid,
)
from .orders import end_order
from .perhaps import Perhaps, bare, is_bound, is_or_none
from .plan import BeginsAsNone, BeginsAsRows, NotNative, Plan, State, alone
from .spec import ONE_DTYPE, Spec, merged
from .values import is_carriable, is_value, nothing, spec_of, tensor_of, tree_text

_OF_PARTS = Opened, Perhaps, Masked, Complex  # what may have to be made into something else first


class Fitting:
    """The ``ends`` of leaf k of variable n, or of its flag (k is -1), for what all hold ``after``;
    ``fits`` is False once the plan had to be changed."""

    def __init__(
        self, trace: FunctionTrace, state: State, entry: list[Any], plan: Plan, start: list[Any],
        holders: dict[int, list[Tracer]], flags: dict[int, Tracer], late: dict[int, Any],
        kept: set[int], arrays: dict[tuple[int, int], bool | None], after: list[Any],
    ) -> None:  # fmt: skip
        self.trace, self.state, self.entry, self.plan = trace, state, entry, plan
        self.start, self.holders, self.flags, self.late = start, holders, flags, late
        self.kept, self.arrays, self.after = kept, arrays, after
        self.is_error = state.outcome.is_error
        self.lengths: dict[int, Any] = {}  # of arrays at the end, where the data choose them
        self.keys: dict[int, Expr] = {}  # the same as expressions
        self.listed: list[Any] = []  # lists that variables hold at the end
        self.ends: dict[tuple[int, int], Tensor] = {}
        self.fits = True

    def is_left_alone(self, n: int, held: Any) -> bool:
        """Whether variable n is not carried and holds what it held, as most of many items do."""
        is_ours = n in self.holders or n in self.late
        if is_ours or held is not self.start[n] or isinstance(held, _OF_PARTS):
            return False
        return type(held) is not Tracer or extent_of(held) is None

    def add(self, n: int, held: Any) -> None:
        """Take into account what variable n holds at the end."""
        before, end = bare(self.start[n]), bare(held)
        if is_or_none(held) and n not in self.plan.nones:
            raise BeginsAsNone(f"{self.state.what} leaves {self.name(n)} perhaps None", n)
        if n in self.holders and isinstance(before, Opened):
            if self.entry[n].whole.shape != before.whole.shape:  # another body needs more room
                self.fits = False
                return
        is_shown = isinstance(before, Opened) and end is before.shown
        is_ours = n in self.holders or n in self.late
        if is_shown and is_ours and is_written(before.held):
            end = Opened(before.held, before.count, end)
        elif is_shown:
            held, end = self.start[n], before
        else:
            room = self.plan.rooms.get(n)
            end = alone(partial(self.resized, n, end, before))()
            if self.plan.rooms.get(n) is not room:
                return
            if n in self.late and self.late[n][0].type is Opened:
                end = from_known(end)
        if isinstance(end, Opened):
            self.lengths[n] = length_of(end)
            extent = extent_of(end.shown)
            self.keys[n] = const(np.shape(end.shown)[0]) if extent is None else extent.key
        if isinstance(end, Grown) and (end is not before or n in self.holders):
            end = as_carried(before, end, self.entry[n], self.listed)
        elif isinstance(end, Tabled) and (end is not before or n in self.holders):
            end = carried_table(end, self.entry[n], self.listed)
        flag = self.state.outcome.is_error or is_bound(held)  # after an error nothing is read
        if n in self.late:
            end = fitted_late(self.late[n][0], end)
        else:
            end = fitted(before, end)
        end = fitted_constant(self.state, before, end)
        if n not in self.late and becomes_chosen(self.state, before, end):
            self.entry[n] = coded(before)
            self.plan.carried.add(n)
            self.fits = False
            return
        if widens(n, before, end, self.entry, self.plan, lambda leaf: spec_of(self.trace, leaf)):
            self.fits = False
            return
        if self.opens(n, before, end):
            self.fits = False
            return
        if n in self.plan.hoped and end is not UNDEFINED and not self.is_as_hoped(n, end):
            return
        if not is_ours and (held is self.start[n] or _is_same(before, end)):
            return
        is_noted = bool(self.state.variable(n)) or n in self.plan.nones
        if flag is not True and n not in self.plan.unsure and is_noted:
            if self.is_unsure(n, end):
                self.plan.unsure.add(n)
                self.fits = False
                if is_ours:
                    return
        if not is_ours:
            self.plan_for(n, before, end)
            return
        if end is UNDEFINED:
            self.end_without(n, before)
        elif not self.end_with(n, end):
            return
        if n in self.flags:
            self.ends[n, -1] = tensor_of(self.trace, flag, Spec((), boolean))
            if flag is not self.flags[n]:
                self.kept.discard(n)

    def resized(self, n: int, end: Any, before: Any) -> Any:
        """``end`` as an array of open length, in the room of what was there ``before``, if it is
        one; where that is too little the plan says so."""
        end = solid(end)
        if self.is_longer(n, end, before):
            return end
        if isinstance(before, Opened):
            end = within(end, self.plan.rooms.get(n))
        return as_opened(end, before)

    def is_longer(self, n: int, end: Any, before: Any) -> bool:
        """Whether variable n, carried as an array of open length, needs more room than it has; then
        the plan and the state before say so."""
        if n not in self.holders or not isinstance(before, Opened):
            return False
        room = room_wanted(self.state, self.plan.rooms.get(n), before, end)
        if room is None:
            return False
        self.plan.rooms[n] = room
        self.entry[n] = widened(self.entry[n], room.rows)
        self.fits = False
        return True

    def opens(self, n: int, before: Any, end: Any) -> bool:
        """Whether variable n was carried as an array of known length, and gets one that the data
        choose; then the plan and the state before say so."""
        if n in self.late:
            if not isinstance(end, Opened) or not tree.is_single(self.late[n][0]):
                return False
            leaves, structure = tree.flatten(end)
            self.plan.late[n] = structure, tuple(spec_of(self.trace, leaf) for leaf in leaves)
            self.plan.specs = {key: spec for key, spec in self.plan.specs.items() if key[0] != n}
            return True
        if n not in self.plan.carried or isinstance(before, Opened):
            return False
        if isinstance(end, Opened) or self.is_resized(before, end):
            self.plan.opened.add(n)
            self.entry[n] = opened_before(self.entry[n])
        if not isinstance(self.entry[n], Opened):
            return False
        self.plan.specs = {key: spec for key, spec in self.plan.specs.items() if key[0] != n}
        return True

    def is_resized(self, before: Any, end: Any) -> bool:
        """Whether an array gets longer or shorter where nobody else can choose between lengths."""
        held = isinstance(before, (Tracer, Complex)) and isinstance(end, (Tracer, Complex))
        if not held or self.state.must_fit or self.state.is_branch and self.trace.has_room:
            return False
        old, new = np.shape(before), np.shape(end)
        return bool(old) and old[1:] == new[1:] and len(old) == len(new) and old != new

    def part_lengths(self, groups: dict[int, Any]) -> None:
        """Let those whose lengths were the same before, and are not at the end, have their own."""
        if self.state.is_branch:
            return
        first: dict[Any, Any] = {
            length: length for length in groups.values() if type(length) is Extent
        }
        for n, group in groups.items():
            key = self.lengths.get(n)
            if key is not None and first.setdefault(group, key) != key:
                self.plan.lengths[n] = self.plan.lengths.get(n, 0) + 1
                self.fits = False

    def is_as_hoped(self, n: int, end: Any) -> bool:
        """Whether variable n gets a first value of the kind that the plan began with."""
        self.plan.hoped.discard(n)
        if is_carriable(end):
            leaves, structure = tree.flatten(end)
            if self.late[n] == (structure, tuple(spec_of(self.trace, leaf) for leaf in leaves)):
                return True
        del self.plan.late[n]
        self.fits = False
        return False

    def is_unsure(self, n: int, end: Any) -> bool:
        """Whether a variable that may have no value can be carried with a flag that says so."""
        if n in self.holders or n in self.late:
            return True
        return is_carriable(bare(self.start[n]) if end is UNDEFINED else end)

    def plan_for(self, n: int, before: Any, end: Any) -> None:
        """Variable n changes, and is not carried yet."""
        what, name = self.state.what, self.name(n)
        self.fits = False
        if isinstance(before, Masked) and isinstance(end, Opened):
            self.plan.opened.add(n)
            before = self.entry[n] = opened_before(before)
        if before is UNDEFINED:
            if not is_carriable(end):
                text = f"{what} gives {name} {tree_text(end)}, which is no array or number"
                if end is None and (self.state.is_branch or self.state.is_result(n)):
                    raise BeginsAsNone(text, n)
                raise NotNative(text)
            if not self.state.is_branch and n not in self.state.begun and holds_new_rows(end):
                text = f"{what} gives {name} lists in a list, which were made in it"
                raise BeginsAsRows(text, n)
            self.be_late(n, end)
            is_noted = bool(self.state.variable(n)) or n in self.plan.nones
            if not (self.state.is_branch or self.state.is_entered) and is_noted:
                self.plan.unsure.add(n)
        elif is_carriable(before):
            self.plan.carried.add(n)
        elif self.state.is_branch and is_carriable(end):
            self.be_late(n, end)
        else:
            instead = ""
            if self.state.names[n].startswith("the items of "):
                instead = (
                    "; make it in this function, of numbers, arrays of one shape and tuples of "
                    "them, or write into an array and count"
                )
            elif isinstance(before, (str, Enum)) and isinstance(end, (str, Enum)):
                instead = "; let it be a whole number, such as a member of an enum.IntEnum"
            text = (
                f"{what} changes {name} from {tree_text(before)} to {tree_text(end)}; only arrays "
                f"and numbers can change in it{instead}"
            )
            if before is None and is_carriable(end):
                raise BeginsAsNone(text, n)
            raise NotNative(text)

    def be_late(self, n: int, end: Any) -> None:
        leaves, structure = tree.flatten(end)
        self.plan.late[n] = structure, tuple(spec_of(self.trace, leaf) for leaf in leaves)
        if n in self.plan.nones and not self.state.is_branch:  # the first iteration finds None
            self.plan.unsure.add(n)

    def end_without(self, n: int, before: Any) -> None:
        """A body leaves variable n without a value: what is carried of it does not matter."""
        if n in self.late:
            for k, spec in enumerate(self.late[n][1]):
                self.ends[n, k] = nothing(self.trace, self.plan.specs.get((n, k), spec))
            return
        self.kept.discard(n)
        for k, leaf in enumerate(self.holders[n]):
            self.ends[n, k] = tensor_of(self.trace, leaf, self.known(n, k))

    def known(self, n: int, k: int) -> Spec:
        """The type that leaf k of variable n is carried as."""
        if n in self.holders:
            return self.plan.specs.get((n, k)) or spec_of(
                self.trace, tree.flatten(self.entry[n])[0][k]
            )
        return self.plan.specs.get((n, k), self.late[n][1][k])

    def end_with(self, n: int, end: Any) -> bool:
        """A body gives variable n the value ``end``. False if it is to be carried as another."""
        leaves, structure = tree.flatten(end)
        first = tree.flatten(self.entry[n])[1] if n in self.holders else self.late[n][0]
        what, name, plan = self.state.what, self.name(n), self.plan
        if self.state.is_branch and n in self.holders and self.is_other(n, structure, leaves):
            plan.carried.discard(n)
            self.be_late(n, end)
            self.fits = False
            return False
        if structure != first or not all(map(is_value, leaves)):
            begun = bare(self.start[n])
            old, new = tree_text(begun), tree_text(end)
            if old == new and structure != first:
                old, new = tree.structure_text(first), tree.structure_text(structure)
            text = f"{what} changes what {name} is made of: expected {old}, got {new}"
            if begun is None or end is None:
                raise BeginsAsNone(text, n)
            raise NotNative(text)
        if self.state.names[n] != VALUE:  # nobody writes to anything after that
            for leaf in leaves:
                _check_view(leaf, name, what)
        self.note_frozen(n, leaves)
        if n not in self.holders or not _keeps(self.holders[n], leaves, self.entry[n], plan):
            self.kept.discard(n)
        labels = tree.leaf_names(name, structure) if len(leaves) > 1 else [name]
        for k, leaf in enumerate(leaves):
            known = self.known(n, k)
            own = spec_of(self.trace, leaf)
            spec = merged(known, own, labels[k], what, self.state.must_fit)
            is_branch = self.state.is_branch
            if is_branch and ONE_DTYPE.get() and own.dtype is not known.dtype:
                raise NotNative(f"{what} leaves {labels[k]} as {known} or {own}")
            is_first = n in self.late and not is_branch
            if end_order(plan.orders, (n, k), leaf, is_branch, is_first) or spec != known:
                plan.specs[n, k] = spec
                self.fits = False
            self.ends[n, k] = tensor_of(self.trace, leaf, spec)
            if not self.state.outcome.is_error:
                is_array = _is_array(leaf)
                alike = self.arrays.get((n, k), is_array) is is_array
                self.arrays[n, k] = is_array if alike else None
        return True

    def note_frozen(self, n: int, leaves: list[Any]) -> None:
        """What a list holds stays what it is, whatever the variable is called by then."""
        for k, leaf in enumerate(leaves):
            if isinstance(leaf, Tracer) and leaf._cell.frozen and (n, k) not in self.plan.frozen:
                self.plan.frozen[n, k] = leaf._cell.frozen
                self.fits = self.fits and self.state.is_branch

    def name(self, n: int) -> str:
        return spoken(self.state.names[n])

    def is_other(self, n: int, structure: Any, leaves: list[Any]) -> bool:
        """Whether a branch gives variable n a value of another kind than it had."""
        if not leaves or not all(map(is_value, leaves)):
            return False
        olds, first = tree.flatten(self.entry[n])
        if structure != first:
            return True
        return any(
            spec_of(self.trace, a).shape != spec_of(self.trace, b).shape
            for a, b in zip(leaves, olds)
        )


def _check_view(leaf: Any, name: str, what: str) -> None:
    """NotNative for a view of an array that changes: what is carried would not follow it."""
    watched = WATCH.get()
    if isinstance(leaf, Tracer) and leaf._view is not None and leaf.shape:
        if watched is not None and leaf._cell in watched:
            raise NotNative(
                f"{what} keeps {name}, a view of an array that it writes to; keep the place "
                f"instead, or a copy ({name}.copy())"
            )


def _keeps(holders: list[Tracer], leaves: list[Any], entry: Any, plan: Plan) -> bool:
    """Whether a variable still names the same arrays, which may have been written to: then those
    are what is carried."""
    olds = tree.flatten(entry)[0]
    if not all(a is b for a, b in zip(holders, leaves, strict=True)):
        for holder, old in zip(holders, olds):
            if holder._cell.version and isinstance(old, Tracer) and old._cell.place is not None:
                raise NotNative(
                    "an argument is written to and then given another name in a loop; its caller "
                    "could not be told: copy it first"
                )
        return False
    if not all(isinstance(old, Tracer) and (old.shape or old._cell.is_array) for old in olds):
        return False
    for holder, old in zip(holders, olds):
        if holder._cell.version:
            plan.cells[old._cell] = None
    return True


def _is_array(leaf: Any) -> bool:
    """Whether ``leaf`` is an array for NumPy, be it one of shape (), and no scalar."""
    return isinstance(leaf, np.ndarray) or isinstance(leaf, Tracer) and not leaf._is_scalar()


def _is_same(before: Any, after: Any) -> bool:
    if type(before) is not type(after) or isinstance(before, (Tracer, np.ndarray)):
        return False
    try:
        return bool(before == after)
    except (MlcError, ValueError, TypeError):
        return False


def is_numbers(end: Any) -> bool:
    """Whether a variable that ends so holds nothing but numbers, which nobody can write to."""
    return end is UNDEFINED or is_carriable(end) and all(map(_is_number, tree.flatten(end)[0]))


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, Tracer):
        cell = leaf._cell
        is_plain = type(cell) is Cell and cell.array is None and leaf._view is None
        return is_plain and not leaf.shape and not cell.is_array
    return not isinstance(leaf, np.ndarray)
