"""Which stages share a kernel.

Stages are met in order. A stage joins the kernels that it reads from when all of them can run
inside common loops over their first axes; see :class:`mlc.graph.kernel.Kernel` for what that
takes.

* Reductions along rows share the rows: softmax and layer norm become one kernel.
* A contraction, or a reduction over other dimensions, takes elementwise stages of its own shape
  only; short reductions over other dimensions of the same elements join, too: what the first has
  read is in the cache for the second.
* Elementwise stages over the same elements join even if neither reads the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from ..ir.expr import Const, Load, const, load
from ..ir.rewrite import loads_of
from ..te.classify import Kind, folds_rows, kind_of, points
from ..te.tensor import Tensor
from .build_stage import Made

MAX_STAGES = 32
MAX_TENSORS = 48
LONG_ROW = 64 << 10  # elements; stages over few rows that long run faster one by one
FEW_ROWS = 16
SMALL_REDUCTION = 4096
ROW_BYTES = 384 << 10  # what the stages of a kernel may hand each other per row
SHORT_ROW = 64  # elements; loops shorter than this should not be the innermost ones
SHORT_COLUMN = 512  # elements; columns up to this length fit in the cache, many side by side


class Member:
    """A stage with what the grouping asks about it."""

    __slots__ = (
        "is_reduction", "is_short_column", "kind", "loads", "made", "position", "shape", "size",
        "tensors",
    )  # fmt: skip

    def __init__(self, made: Made, position: int) -> None:
        self.made = made
        self.position = position
        self.shape = made.stage.shape
        self.tensors = made.stage.tensors
        self.loads: dict[Load, None] = {}
        self.size = made.node.size
        self.is_short_column = False
        call = made.stage.call
        if call is not None:
            self.kind = Kind.OPAQUE
            self.is_reduction = False
            for tensor in call.inputs:  # which elements are read does not matter: it reads all
                self.loads[load(tensor, (const(0),) * tensor.ndim)] = None  # type: ignore[index]
            return
        op = made.stage.compute
        root = op.reduction
        for part in op.body if root is None else root.values:
            self.loads.update(dict.fromkeys(loads_of(part)))
        self.kind = kind_of(op)
        self.is_reduction = root is not None
        if root is not None and self.kind is Kind.REDUCTION and not folds_rows(root):
            # made for many elements at once, as a contraction is
            self.kind = Kind.CONTRACTION
            self.is_short_column = points(root.axes) <= SHORT_COLUMN

    def agreement(self, node: Load) -> int:
        """How many first indices of ``node`` are the first axes of this stage."""
        axes = self.made.stage.compute.axes
        for d, (index, axis) in enumerate(zip(node.indices, axes, strict=False)):
            is_axis = index is axis or (axis.extent == 1 and isinstance(index, Const))
            if not is_axis or node.source.shape[d] != axis.extent:
                return d
        return min(len(axes), len(node.indices))


class Group:
    """The stages of a kernel to be.

    ``needs`` are groups whose tensors it reads; a group that was merged into another points to it.
    """

    __slots__ = ("into", "members", "needs", "shared")

    def __init__(self, member: Member) -> None:
        self.members = [member]
        self.shared = len(member.shape)
        self.needs: set[Group] = set()
        self.into: Group | None = None

    @property
    def first(self) -> int:
        return self.members[0].position

    @property
    def last(self) -> int:
        return self.members[-1].position


def group_stages(made: Sequence[Made]) -> list[Group]:
    """The kernels of ``made`` (in order) as groups, in an order in which they can run."""
    owner: dict[Tensor, Group] = {}
    latest: dict[Tensor, Group] = {}  # the last group that reads a tensor
    groups: list[Group] = []
    for position, stage in enumerate(made):
        member = Member(stage, position)
        group = Group(member)
        read = {current(owner[n.source]) for n in member.loads if n.source in owner}
        group.needs = set(read)
        groups.append(group)
        merged = group
        for other in sorted(read, key=lambda g: -g.last):
            merged = _merge(merged, current(other)) or merged
        if merged is group and not member.is_reduction and member.kind is not Kind.OPAQUE:
            for node in member.loads:
                other_reader = latest.get(node.source)
                if other_reader is None or node.source.shape != member.shape:
                    continue
                found = _merge_siblings(group, current(other_reader))
                if found is not None:
                    merged = found
                    break
        for tensor in member.tensors:
            owner[tensor] = merged
        for node in member.loads:
            latest[node.source] = merged
    return in_order([g for g in groups if g.into is None])


def current(group: Group) -> Group:
    """The group that ``group`` was merged into, or itself."""
    while group.into is not None:
        group = group.into
    return group


def _merge_siblings(group: Group, other: Group) -> Group | None:
    """Merge elementwise stages over the same elements."""
    shape = group.members[0].shape
    if any(m.is_reduction or m.shape != shape for m in other.members):
        return None
    return _merge(group, other)


def _merge(group: Group, other: Group) -> Group | None:
    """Both as one group if that is right and good; it takes the place of ``other``."""
    if group is other:
        return group
    members = sorted(group.members + other.members, key=lambda m: m.position)
    if any(m.kind is Kind.OPAQUE for m in members):
        return None
    shared = shared_axes(members, min(group.shared, other.shared))
    if not any(m.is_reduction for m in members):
        shared = max(
            min(shared, len(members[0].shape) - 1), 0
        )  # the last loop is left to the lanes
    if all(m.tensors[0].size == 1 for m in members):
        shared = 0  # a loop over one point would only hide the reduction from the threads
    elif all(len(m.shape) == shared and m.kind is not Kind.CONTRACTION for m in members):
        while shared and members[0].shape[shared - 1] == 1:
            shared -= 1
    if not _is_good(members, shared):
        return None
    if goes_round(group, other) or goes_round(other, group):
        return None
    return take_in(other, group, members, shared)


def take_in(other: Group, group: Group, members: list[Member], shared: int) -> Group:
    """``other``, with ``members`` of both; ``group`` is merged into it."""
    other.members = members
    other.shared = shared
    other.needs = {current(g) for g in (*group.needs, *other.needs)} - {group, other}
    group.into = other
    return other


def shared_axes(members: Sequence[Member], most: int) -> int:
    """How many first axes, up to ``most``, all of ``members`` can share loops over."""
    shared = most
    shape = members[0].shape
    for member in members:
        for d in range(shared):
            if d >= len(member.shape) or member.shape[d] != shape[d]:
                shared = d
                break
    made = {t for member in members for t in member.tensors}
    for member in members:
        for node in member.loads:
            if node.source in made:
                shared = min(shared, member.agreement(node))
    return shared


def _is_good(members: Sequence[Member], shared: int) -> bool:
    shape = members[0].shape
    if len(members) > MAX_STAGES:
        return False
    if shared == 0:
        if any(member.tensors[0].size != 1 for member in members):
            return False
        return sum(m.is_reduction and m.size > SMALL_REDUCTION for m in members) <= 1
    tensors = {n.source for m in members for n in m.loads} | {t for m in members for t in m.tensors}
    if len(tensors) > MAX_TENSORS:
        return False
    if any(m.kind is Kind.CONTRACTION for m in members):
        reductions = [m for m in members if m.is_reduction]
        return (
            shared == len(shape)
            and (len(reductions) == 1 or all(m.is_short_column for m in reductions))
            and all(m.shape == shape for m in members)
        )
    rows = max(points(members[0].made.stage.compute.axes[:shared]), 1)
    if not any(m.is_reduction for m in members) and shape[-1] < SHORT_ROW:
        return False
    handed = sum(t.size * t.dtype.itemsize for m in members[:-1] for t in m.tensors)
    if handed > ROW_BYTES * rows:
        return False
    if any(m.shape != shape or m.is_reduction for m in members) and rows < FEW_ROWS:
        return all(m.size <= LONG_ROW * rows for m in members)
    return True


def goes_round(start: Group, target: Group) -> bool:
    """Whether ``start`` needs ``target`` by way of a third group, so that they cannot be one."""
    stack = [g for g in map(current, start.needs) if g is not target and g is not start]
    seen = set(stack)
    while stack:
        group = stack.pop()
        if group.last <= target.first:
            continue
        for need in map(current, group.needs):
            if need is target:
                return True
            if need not in seen:
                seen.add(need)
                stack.append(need)
    return False


def in_order(groups: Sequence[Group]) -> list[Group]:
    """``groups`` so that each comes after those it needs."""
    users: dict[Group, list[Group]] = {}
    missing: dict[Group, int] = {}
    for group in groups:
        needs = {current(g) for g in group.needs} - {group}
        missing[group] = len(needs)
        for need in needs:
            users.setdefault(need, []).append(group)
    ready = [(g.last, g) for g in groups if missing[g] == 0]
    heapify(ready)
    order: list[Group] = []
    while ready:
        _, group = heappop(ready)
        order.append(group)
        for user in users.get(group, ()):
            missing[user] -= 1
            if missing[user] == 0:
                heappush(ready, (user.last, user))
    assert len(order) == len(groups), "kernels that need each other"
    return order
