"""Which stages share a kernel.

Stages are met in order. A stage joins the kernels that it reads from when all of them can run
inside common loops over their first axes; see :class:`mlc.graph.kernel.Kernel` for what that
takes.

* Reductions along rows share the rows: softmax and layer norm become one kernel.
* A contraction, or a reduction over other dimensions, takes elementwise stages of its own shape
  only; short reductions over other dimensions of the same elements join, too: what the first has
  read is in the cache for the second. On processors large products of long sums take none: these
  are made in runs, after each of which the cache holds what the next one reads.
* Elementwise stages over the same elements join even if neither reads the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import float32, float64
from ..ir.expr import Const, Load, const, load
from ..ir.rewrite import loads_of
from ..te.classify import Kind, kind_of, points
from ..te.tensor import Compute, Tensor
from .build_stage import Made

MAX_STAGES = 32
MAX_TENSORS = 48
LONG_ROW = 64 << 10  # elements; stages over few rows that long run faster one by one
FEW_ROWS = 16
SMALL_REDUCTION = 4096
ROW_BYTES = 384 << 10  # what the stages of a kernel may hand each other per row
SHORT_ROW = 64  # elements; loops shorter than this should not be the innermost ones
LONG_SUM = 4096  # products whose panels of columns a second cache has little room for
LARGE_PRODUCT = 64  # rows, and columns
SHORT_COLUMN = 512  # elements; columns up to this length fit in the cache, many side by side


class Member:
    """A stage with what the grouping asks about it."""

    __slots__ = (
        "is_long_product", "is_reduction", "is_short_column", "kind", "loads", "made", "position",
        "shape", "size", "tensors",
    )  # fmt: skip

    def __init__(self, made: Made, position: int) -> None:
        self.made = made
        self.position = position
        self.shape = made.stage.shape
        self.tensors = made.stage.tensors
        self.loads: dict[Load, None] = {}
        self.size = made.node.size
        self.is_short_column = self.is_long_product = False
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
        if root is not None:
            from ..te.folds import folds_rows  # few graphs fold anything

            self.is_long_product = points(root.axes) > LONG_SUM and _is_large_product(op)
            if self.kind is Kind.REDUCTION and not folds_rows(root):
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


def _is_large_product(op: Compute) -> bool:
    """Whether ``op`` multiplies matrices of float32 or float64 of many rows and columns."""
    from ..te.folds import contraction_of

    found = contraction_of(op, LARGE_PRODUCT)
    if found is None or op.body[0].dtype not in (float32, float64):
        return False
    return found.lhs.dtype is found.rhs.dtype is op.body[0].dtype


def group_stages(made: Sequence[Made], in_runs: bool = True) -> list[Group]:
    """The kernels of ``made`` (in order) as groups, in an order in which they can run. Products
    of long sums are made ``in_runs`` on processors; threads of cards may have an element each."""
    if len(made) == 1:
        return [Group(Member(made[0], 0))]
    from .merge_groups import merge, merge_siblings

    owner: dict[Tensor, Group] = {}
    latest: dict[Tensor, Group] = {}  # the last group that reads a tensor
    groups: list[Group] = []
    for position, stage in enumerate(made):
        member = Member(stage, position)
        member.is_long_product &= in_runs
        group = Group(member)
        read = {current(owner[n.source]) for n in member.loads if n.source in owner}
        group.needs = set(read)
        groups.append(group)
        merged = group
        for other in sorted(read, key=lambda g: -g.last):
            merged = merge(merged, current(other), not in_runs) or merged
        if merged is group and not member.is_reduction and member.kind is not Kind.OPAQUE:
            for node in member.loads:
                other_reader = latest.get(node.source)
                if other_reader is None or node.source.shape != member.shape:
                    continue
                found = merge_siblings(group, current(other_reader), not in_runs)
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


def in_order(groups: Sequence[Group]) -> list[Group]:
    """``groups`` so that each comes after those it needs."""
    users: dict[Group, list[Group]] = {}
    missing: dict[Group, int] = {}
    for group in groups:
        needs = {current(g) for g in group.needs} - {group}
        missing[group] = len(needs)
        for need in needs:
            users.setdefault(need, []).append(group)
    ready = sorted((g for g in groups if missing[g] == 0), key=lambda g: -g.last)
    order: list[Group] = []
    while ready:
        group = ready.pop()
        order.append(group)
        for user in users.get(group, ()):
            missing[user] -= 1
            if missing[user] == 0:
                place = len(ready)
                while place and ready[place - 1].last < user.last:
                    place -= 1
                ready.insert(place, user)
    assert len(order) == len(groups), "kernels that need each other"
    return order
