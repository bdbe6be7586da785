"""Which computes become stages, and their bodies with everything else inlined.

Going from the outputs back to the inputs, each compute meets the stages that read it after all
its other users have been decided, so it is known how often each of its elements would be computed
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..ir.affine import Sum, as_sum
from ..ir.expr import Axis, Cast, Expr, Load, Reduce, Select, Var, load, reduce
from ..ir.rewrite import loads_of, postorder, substitute_loads
from ..ir.simplify import simplify
from ..te.classify import Kind, axes_of, is_affine_view, is_view, kind_of
from ..te.inline import expand, fresh_axes, remap_loads, resolve_loads
from ..te.tensor import Compute, Tensor
from .cost import is_free, own_cost
from .graph import Graph, Node, rebuild, unique_name
from .kernel import Stage

MAX_NODES = 400  # distinct nodes in the body of one stage
MAX_TENSORS = 24  # distinct tensors that one stage reads
AGAIN = 6  # additions that may be repeated to spare a store and a load
TRIVIAL = 2  # a compute this cheap is always repeated: one operation on one element
GENERATED = 8  # one that reads nothing may cost this much
MANY_READS = 16
FEW_PIECES = 2


@dataclass(frozen=True, eq=False)
class Made:
    """A stage, the node it makes, and the nodes that were inlined on the way, producers first."""

    stage: Stage
    node: Node
    inlined: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class _Instance:
    """One inlined copy: the body of ``tensor`` in place of the load ``at``."""

    node: Node
    tensor: Tensor
    at: Load
    mapping: dict[Var, Expr]
    loads: dict[Load, Load]


@dataclass(eq=False)
class _Root:
    """A stage to be: what it still loads, and what has been inlined so far, consumers first."""

    node: Node
    kind: Kind
    axes: dict[Var, Expr]
    loads: dict[Load, Load]
    size: int
    pending: dict[Tensor, dict[Load, None]] = field(default_factory=dict)
    instances: list[_Instance] = field(default_factory=list)


def inline_computes(graph: Graph) -> list[Made]:
    """The stages of ``graph`` in order. Their tensors are new; they load inputs, constants and
    each other.

    A compute is a stage of its own if it is an output or a reduction, or if it is dear and read
    often; all others are inlined. A reduction is never computed twice.
    """
    decisions = _Decisions(graph)
    readers: dict[Tensor, list[_Root]] = {}
    roots: list[_Root] = []
    for node in reversed(graph.nodes):
        users = list({id(r): r for t in node.tensors for r in readers.get(t, ())}.values())
        inlined = bool(users) and decisions.is_inlined(node, users)
        if inlined:
            for user in users:
                for tensor in _inline(user, node):
                    readers.setdefault(tensor, []).append(user)
        if not inlined or decisions.is_output(node):
            root = _new_root(node)
            roots.append(root)
            for tensor in root.pending:
                readers.setdefault(tensor, []).append(root)
    stages: dict[Tensor, Tensor] = {}
    taken = {tensor.name: 1 for tensor in graph.inputs}
    return [_build(root, stages, taken) for root in reversed(roots)]


def split_results(graph: Graph) -> Graph:
    """Computes that give several results without reducing become one compute for each result."""

    def split(node: Node) -> tuple[Tensor, ...] | None:
        if len(node.op.body) == 1 or node.op.reduction is not None:
            return None
        return tuple(
            Tensor(t.name, t.shape, t.dtype, replace(node.op, body=(node.op.body[t.index],)))
            for t in node.tensors
        )

    return rebuild(graph, split)


class _Decisions:
    """What is worth computing again."""

    def __init__(self, graph: Graph) -> None:
        self.outputs = set(graph.outputs)
        self.makers = graph.makers()
        users: dict[Tensor, int] = {}
        for node in graph.nodes:
            for tensor in node.op.inputs:
                users[tensor] = users.get(tensor, 0) + 1
        self.cost: dict[Node, int] = {}
        for node in graph.nodes:
            total = own_cost(node.op)
            for found in {n for part in node.op.body for n in loads_of(part)}:
                total += 0 if is_view(node.op) else 1
                maker = self.makers.get(found.source)
                if maker is None or maker.op.reduction is not None:
                    continue
                copies = max(users[found.source], node.size / max(found.source.size, 1))
                stored = self.is_output(maker) or self.cost[maker] * (copies - 1) > AGAIN
                if is_view(maker.op) or not stored:
                    total += self.cost[maker]
            self.cost[node] = min(total, 10_000)

    def is_output(self, node: Node) -> bool:
        return any(t in self.outputs for t in node.tensors)

    def is_inlined(self, node: Node, users: list[_Root]) -> bool:
        """Whether every user computes ``node`` for itself."""
        op = node.op
        if op.reduction is not None:
            return False
        (tensor,) = node.tensors
        for user in users:
            copies = len(user.pending[tensor])
            if node.weight and user.size + copies * node.weight > MAX_NODES:
                return False
            if len(user.pending) - 1 + len(op.inputs) > MAX_TENSORS and len(op.inputs) > 1:
                return False
            if user.kind is Kind.CONTRACTION and not (
                is_affine_view(op) or _is_widening(op) or is_free(op)
            ):
                return False
            if user.node.op.reduction is not None and len(op.inputs) > FEW_PIECES and _selects(op):
                return False
        if is_free(op):
            return True
        if self.is_output(node):
            return False
        cost = self.cost[node]
        reads = sum(_reads(found, user) for user in users for found in user.pending[tensor])
        if reads <= 1 or cost * (reads - 1) <= AGAIN:
            return True
        if not op.inputs:
            return cost <= GENERATED
        return cost <= TRIVIAL and (reads < MANY_READS or self.is_scalar_of_inputs(node))

    def is_scalar_of_inputs(self, node: Node) -> bool:
        """Whether ``node`` has one element, made without a reduction: loops compute it once."""
        return node.tensors[0].size == 1 and not any(t in self.makers for t in node.op.inputs)


def _is_widening(op: Compute) -> bool:
    """Whether ``op`` only converts a strided view to a wider type, which is cheap."""
    match op.body:
        case (Cast(value=Load() as inner) as outer,):
            affine = all(as_sum(index).is_affine for index in inner.indices)
            return affine and inner.dtype.bits < outer.dtype.bits <= 32
        case _:
            return False


def _selects(op: Compute) -> bool:
    return any(isinstance(node, Select) for part in op.body for node in postorder(part))


def _reads(found: Load, user: _Root) -> float:
    """How often ``user`` reads each element of the source of ``found``, on average."""
    size = max(found.source.size, 1)
    ratio = user.node.size / size
    if ratio <= 1:
        return ratio
    used: set[Axis] = set()
    for index in found.indices:
        total = as_sum(index)
        if any(loads_of(atom) for atom, _ in total.terms) or not _is_one_to_one(total):
            return ratio
        used |= axes_of(index)
    absent = 1
    for axis in user.axes.values():
        if isinstance(axis, Axis) and axis not in used:
            absent *= axis.extent
    return min(ratio, absent)


def _is_one_to_one(total: Sum) -> bool:
    """Whether different values of the variables give different sums, as in ``8 * i + j``, j < 8.

    Quotients and remainders come in pairs that do, so they count as such.
    """
    step = 1
    for atom, factor in sorted(total.terms, key=lambda term: abs(term[1])):
        if not isinstance(atom, Axis):
            return all(not isinstance(other, Axis) for other, _ in total.terms)
        if abs(factor) < step:
            return False
        step = abs(factor) * max(atom.extent, 1)
    return True


def _new_root(node: Node) -> _Root:
    op = node.op
    bound = op.axes + (() if op.reduction is None else op.reduction.axes)
    axes = fresh_axes(bound)
    loads: dict[Load, Load] = {}
    for part in _values(op):
        loads.update(remap_loads(part, axes))
    root = _Root(node, kind_of(op), axes, loads, node.weight)
    _note(root, loads.values())
    return root


def _values(op: Compute) -> tuple[Expr, ...]:
    root = op.reduction
    return op.body if root is None else root.values


def _note(root: _Root, loads: Iterable[Load]) -> None:
    for node in loads:
        root.pending.setdefault(node.source, {})[node] = None


def _inline(root: _Root, node: Node) -> list[Tensor]:
    """Inline ``node`` in ``root``; returns the tensors that ``root`` reads because of that."""
    (tensor,) = node.tensors
    op = node.op
    read: dict[Tensor, None] = {}
    for at in root.pending.pop(tensor):
        mapping: dict[Var, Expr] = dict(zip(op.axes, at.indices, strict=True))
        loads = remap_loads(op.body[0], mapping)
        root.instances.append(_Instance(node, tensor, at, mapping, loads))
        root.size += node.weight
        for moved in loads.values():
            if moved.source not in root.pending:
                read[moved.source] = None
        _note(root, loads.values())
    return list(read)


def _build(root: _Root, stages: dict[Tensor, Tensor], taken: dict[str, int]) -> Made:
    """The stage of ``root``. ``stages`` holds the new tensors by the old ones, and gets its own."""
    built: dict[Load, Expr] = {}
    for copy in reversed(root.instances):
        built[copy.at] = expand(copy.node.op.body[0], copy.mapping, copy.loads, built.get)
    op = root.node.op

    nodes = {copy.tensor: copy.node for copy in root.instances}

    def inlined_at(node: Load) -> Expr | None:
        maker = nodes.get(node.source)
        if node not in built and maker is not None:
            mapping: dict[Var, Expr] = dict(zip(maker.op.axes, node.indices, strict=True))
            loads = remap_loads(maker.op.body[0], mapping)
            built[node] = expand(maker.op.body[0], mapping, loads, built.get)
        return built.get(node)

    def finish(value: Expr) -> Expr:
        out = expand(value, root.axes, root.loads, built.get)
        # what remains of inlined tensors stands in indices that are data
        while any(node.source in nodes for node in loads_of(out)):
            out = resolve_loads(out, inlined_at)
        return simplify(substitute_loads(out, lambda node: _from_stage(node, stages)))

    axes = tuple(_axis(root.axes[axis]) for axis in op.axes)
    if op.reduction is None:
        body: tuple[Expr, ...] = tuple(finish(part) for part in op.body)
    else:
        fold = op.reduction
        values = tuple(finish(value) for value in fold.values)
        over = tuple(_axis(root.axes[axis]) for axis in fold.axes)
        body = tuple(
            reduce(fold.combiner, values, over, part.index)
            for part in op.body
            if isinstance(part, Reduce)
        )
    used = sorted(t.index for t in root.node.tensors)
    compute = replace(op, axes=axes, body=tuple(body[n] for n in used))
    tensors = []
    wish, dot, _ = root.node.tensors[0].name.partition(".")
    name = unique_name(wish, taken)
    for n, old in enumerate(root.node.tensors):
        label = f"{name}.{n}" if dot else name
        new = Tensor(label, old.shape, old.dtype, compute, n)
        stages[old] = new
        tensors.append(new)
    inlined = tuple({id(c.node): c.node for c in reversed(root.instances)}.values())
    return Made(Stage(tuple(tensors)), root.node, inlined)


def _from_stage(node: Load, stages: dict[Tensor, Tensor]) -> Expr | None:
    made = stages.get(node.source)
    return None if made is None else load(made, node.indices)


def _axis(expr: Expr) -> Axis:
    assert isinstance(expr, Axis)
    return expr
