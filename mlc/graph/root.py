"""A stage that is growing: what it still loads, and what has been inlined in it so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from ..ir.expr import Axis, Expr, Load, Var
from ..ir.rewrite import loads_of
from ..records import dataclass
from ..te.classify import Kind, is_affine, kind_of
from ..te.inline import remap_loads
from ..te.tensor import Compute, Tensor
from .graph import Node


@dataclass(frozen=True, eq=False)
class Instance:
    """One inlined copy: the body of ``tensor`` in place of the load ``at``."""

    node: Node
    tensor: Tensor
    at: Load
    mapping: dict[Var, Expr]
    loads: dict[Load, Load]


@dataclass(eq=False)
class Root:
    """The stage that makes ``node``.

    ``spatial`` and ``reduced`` are its own axes; ``mapping`` says what the axes of the node are in
    terms of those. ``loads`` are the loads of the node's body, before and after. ``pending`` holds
    what is to be loaded as things stand, by tensor, and ``instances`` what was inlined, consumers
    first. ``renamed`` are the new indices of loads whose tensor gets another shape.
    """

    node: Node
    kind: Kind
    spatial: tuple[Axis, ...]
    reduced: tuple[Axis, ...]
    mapping: dict[Var, Expr]
    loads: dict[Load, Load]
    size: int
    pending: dict[Tensor, dict[Load, None]] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    renamed: dict[Load, tuple[Axis, ...]] = field(default_factory=dict)

    @property
    def bound(self) -> tuple[Axis, ...]:
        return self.spatial + self.reduced

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.extent for axis in self.spatial)


def new_root(node: Node) -> Root:
    """A stage for ``node`` over axes of its own."""
    spatial = _fresh(node.compute.axes)
    return _root_at(node, spatial, dict(zip(node.compute.axes, spatial, strict=True)))


def new_root_for(node: Node, users: list[Root]) -> Root:
    """A stage for the reduction ``node``, in the shape that its only user wants.

    ``B[i, j] = f(A[j, i])`` with ``A[i, j] = sum(x[i, k] * y[j, k])`` becomes
    ``B[i, j] = f(A'[i, j])`` with ``A'[i, j] = sum(x[j, k] * y[i, k])``: now they can share loops.
    Contractions may be reordered, other reductions only be reshaped: their order follows memory.
    """
    root = new_root(node)
    if len(users) != 1 or len(node.tensors) != 1:
        return root
    (user,), (tensor,) = users, node.tensors
    loads = list(user.pending[tensor])
    if user.reduced or len(loads) != 1 or user.node.tensors[0].size != tensor.size:
        return root
    (found,) = loads
    if any(loads_of(index) for index in found.indices):  # data say which one element is read
        return root
    if tensor.shape == user.shape and all(
        a is b for a, b in zip(found.indices, user.spatial, strict=True)
    ):
        return root
    from ..te.address import covers

    if not covers(found, user.spatial, in_order=root.kind is not Kind.CONTRACTION):
        return root
    spatial = _fresh(user.spatial)
    at: dict[Var, Expr] = dict(zip(user.spatial, spatial, strict=True))
    moved = remap_loads(found, at)[found]
    other = _root_at(node, spatial, dict(zip(node.compute.axes, moved.indices, strict=True)))
    if not all(is_affine(new) or not is_affine(old) for old, new in other.loads.items()):
        return root
    user.renamed[found] = user.spatial
    return other


def inline_node(root: Root, node: Node) -> list[Tensor]:
    """Inline ``node`` in ``root``; returns the tensors that ``root`` reads because of that."""
    (tensor,) = node.tensors
    op = node.compute
    read: dict[Tensor, None] = {}
    for at in root.pending.pop(tensor):
        mapping: dict[Var, Expr] = dict(zip(op.axes, at.indices, strict=True))
        loads = remap_loads(op.body[0], mapping)
        root.instances.append(Instance(node, tensor, at, mapping, loads))
        root.size += node.weight
        for moved in loads.values():
            if moved.source not in root.pending:
                read[moved.source] = None
        _note(root, loads.values())
    return list(read)


def _root_at(node: Node, spatial: tuple[Axis, ...], mapping: dict[Var, Expr]) -> Root:
    op = node.compute
    fold = op.reduction
    reduced: tuple[Axis, ...] = ()
    if fold is not None:
        reduced = _fresh(fold.axes)
        mapping = mapping | dict(zip(fold.axes, reduced, strict=True))
    loads: dict[Load, Load] = {}
    for part in _values(op):
        loads.update(remap_loads(part, mapping))
    root = Root(node, kind_of(op), spatial, reduced, mapping, loads, node.weight)
    _note(root, loads.values())
    return root


def _fresh(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    return tuple(Axis(axis.name, axis.extent, axis.is_reduce) for axis in axes)


def _values(op: Compute) -> tuple[Expr, ...]:
    root = op.reduction
    return op.body if root is None else root.values


def _note(root: Root, loads: Iterable[Load]) -> None:
    for node in loads:
        root.pending.setdefault(node.source, {})[node] = None
