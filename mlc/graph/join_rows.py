"""join_rows: two contractions around a reduction of rows become one kernel over blocks of rows.

``softmax(q @ k.T) @ v`` is three kernels, and what they hand each other has an element for every
pair of a query and a key. All of them can run inside loops over the rows of the first product:
then a block of rows is all that exists of it at a time, and stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..te.classify import Kind, points
from ..te.folds import contraction_of
from ..te.tensor import Tensor
from .group_stages import Group, Member, current, in_order
from .merge_groups import goes_round, shared_axes, take_in

FEW_ROWS = 8  # a batch with fewer rows is no product of matrices
MOST_ROW_BYTES = 24 << 10  # so that a block of several rows fits in the cache
LEAST_BYTES = 64 << 10  # what is smaller stays in the cache anyway


def join_rows(groups: Sequence[Group]) -> list[Group]:
    """``groups`` with those that make, reduce and use the rows of one product joined."""
    owner = {t: group for group in groups for m in group.members for t in m.tensors}
    found = False
    for last in groups:
        product = _product(last)
        if product is None:
            continue
        rows = _made_by(product, owner, last)
        if rows is None or _product(rows) is not None or not _reduces_rows(rows, product):
            continue
        for first in _read_by(rows, owner):
            start = _product(first)
            if start is not None and start.shape[:-1] == product.shape[:-1]:
                found = _join(first, rows, last, len(product.shape) - 1) or found
                break
    return in_order([g for g in groups if g.into is None]) if found else list(groups)


def _product(group: Group) -> Member | None:
    """The contraction of a group that has one, with all that its rows need, and nothing else to
    reduce."""
    reductions = [m for m in group.members if m.is_reduction]
    if len(reductions) != 1 or reductions[0].kind is not Kind.CONTRACTION:
        return None
    (member,) = reductions
    op = member.made.stage.compute
    roles = contraction_of(op)
    if roles is None or len(op.axes) < 2 or op.axes[-2].extent < FEW_ROWS:
        return None
    row, column = op.axes[-2:]
    sides = (set(roles.m), set(roles.n))
    return member if any(row in a and column in b for a, b in (sides, sides[::-1])) else None


def _made_by(product: Member, owner: dict[Tensor, Group], last: Group) -> Group | None:
    """The group that makes the operand of which ``product`` reads its own row only."""
    for node in product.loads:
        group = owner.get(node.source)
        if group is None or current(group) is current(last):
            continue
        if product.agreement(node) >= len(product.shape) - 1:
            return current(group)
    return None


def _read_by(group: Group, owner: dict[Tensor, Group]) -> Iterator[Group]:
    for member in group.members:
        for node in member.loads:
            maker = owner.get(node.source)
            if maker is not None and current(maker) is not group:
                yield current(maker)


def _reduces_rows(group: Group, product: Member) -> bool:
    """Whether the group works row by row, and a block of its rows can be kept."""
    shared = len(product.shape) - 1
    reductions = [m for m in group.members if m.is_reduction]
    if not reductions or any(m.kind is not Kind.REDUCTION for m in reductions):
        return False
    if any(m.kind is Kind.OPAQUE or len(m.shape) <= shared for m in group.members):
        return False
    widest = max((t for m in group.members for t in m.tensors), key=lambda t: t.size)
    row = points(product.made.stage.compute.axes[:-1])
    size = widest.size * widest.dtype.itemsize
    return size >= LEAST_BYTES and size // row <= MOST_ROW_BYTES


def _join(first: Group, rows: Group, last: Group, shared: int) -> bool:
    """All three in one, if they share that many axes and need each other only."""
    parts = (first, rows, last)
    members = sorted((m for g in parts for m in g.members), key=lambda m: m.position)
    if any(m.shape[:shared] != members[0].shape[:shared] for m in members):
        return False
    if any(m.kind is Kind.OPAQUE for m in members) or shared_axes(members, shared) != shared:
        return False
    whole = first
    for group in (rows, last):
        if goes_round(group, whole) or goes_round(whole, group):
            return whole is not first
        both = sorted((*whole.members, *group.members), key=lambda m: m.position)
        whole = take_in(group, whole, both, shared)
    return True
