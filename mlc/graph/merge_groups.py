"""Groups of stages made one, where that is right and good."""

from __future__ import annotations

from collections.abc import Sequence

from ..te.classify import Kind, points
from .group_stages import (
    FEW_ROWS,
    LONG_ROW,
    MAX_STAGES,
    MAX_TENSORS,
    ROW_BYTES,
    SHORT_ROW,
    SMALL_REDUCTION,
    Group,
    Member,
    current,
)


def merge_siblings(group: Group, other: Group, on_threads: bool) -> Group | None:
    """Merge elementwise stages over the same elements."""
    shape = group.members[0].shape
    if any(m.is_reduction or m.shape != shape for m in other.members):
        return None
    return merge(group, other, on_threads)


def merge(group: Group, other: Group, on_threads: bool) -> Group | None:
    """Both as one group if that is right and good; it takes the place of ``other``. A thread of
    many (``on_threads``) may have one element, and what stages hand each other of it."""
    if group is other:
        return group
    members = sorted(group.members + other.members, key=lambda m: m.position)
    if any(m.kind is Kind.OPAQUE for m in members):
        return None
    shared = shared_axes(members, min(group.shared, other.shared))
    if not on_threads or not _are_points(members, shared):
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


def _are_points(members: Sequence[Member], shared: int) -> bool:
    """Whether ``members`` make elements of one shape, each of its own elements of the others."""
    shape = members[0].shape
    if shared < len(shape) or members[0].size < 2 or len(members) > MAX_STAGES:
        return False
    if any(m.is_reduction or m.shape != shape for m in members):
        return False
    tensors = {n.source for m in members for n in m.loads} | {t for m in members for t in m.tensors}
    return len(tensors) <= MAX_TENSORS


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
            and not any(m.is_long_product for m in members)
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
