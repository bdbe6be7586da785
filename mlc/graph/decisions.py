"""Which computes are worth doing again where they are used, and which are stored."""

from __future__ import annotations

from ..dtypes import bfloat16, float16, float32
from ..ir.affine import Sum, as_sum
from ..ir.expr import Apply, Axis, Cast, Const, Load, Reduce, Select
from ..ir.rewrite import loads_of, postorder
from ..te.classify import Kind, axes_of, is_affine, is_affine_view, is_view
from ..te.tensor import Call, Compute, Tensor
from .cost import is_free, is_number, own_cost
from .graph import Graph, Node
from .root import Root

MAX_NODES = 400  # distinct nodes in the body of one stage
MAX_TENSORS = 24  # distinct tensors that one stage reads
AGAIN = 6  # additions that may be repeated to spare a store and a load
CHOSEN = 12  # the same, of what stands in one of several places, as a part that is joined does
TRIVIAL = 2  # a compute this cheap is always repeated: one operation on one element
GENERATED = 8  # one that reads nothing may cost this much
MANY_READS = 16
FEW_PIECES = 2


class Decisions:
    """What is worth computing again."""

    def __init__(self, graph: Graph) -> None:
        self.whole = set(graph.outputs)
        for node in graph.nodes:
            if isinstance(node.op, Call):
                self.whole.update(node.op.inputs)
        self.makers = graph.makers()
        users: dict[Tensor, int] = {}
        for node in graph.nodes:
            for tensor in node.op.inputs:
                users[tensor] = users.get(tensor, 0) + 1
        self.cost: dict[Node, int] = {}
        for node in graph.nodes:
            if isinstance(node.op, Compute):
                self.cost[node] = self._cost(node, node.op, users)

    def _cost(self, node: Node, op: Compute, users: dict[Tensor, int]) -> int:
        """What an element of ``node`` costs, with all that will not be stored before."""
        total = own_cost(op)
        for found in {n for part in op.body for n in loads_of(part)}:
            total += 0 if is_view(op) else 1
            maker = self.makers.get(found.source)
            if maker is None or isinstance(maker.op, Call) or maker.op.reduction is not None:
                continue
            copies = max(users[found.source], node.size / max(found.source.size, 1))
            stored = self.is_whole(maker) or self.cost[maker] * (copies - 1) > AGAIN
            if is_view(maker.op) or not stored:
                total += self.cost[maker]
        return min(total, 10_000)

    def is_whole(self, node: Node) -> bool:
        """Whether an array of all elements is needed: for an output, or for a call to read."""
        return any(t in self.whole for t in node.tensors)

    def is_inlined(self, node: Node, users: list[Root]) -> bool:
        """Whether every user computes ``node`` for itself."""
        op = node.op
        if isinstance(op, Call) or op.reduction is not None:
            return False
        (tensor,) = node.tensors
        for user in users:
            copies = len(user.pending[tensor])
            if node.weight and user.size + copies * node.weight > MAX_NODES:
                return False
            if len(user.pending) - 1 + len(op.inputs) > MAX_TENSORS and len(op.inputs) > 1:
                return False
            if user.kind is Kind.CONTRACTION and not (
                is_affine_view(op) or _is_widening(op) or is_number(op)
            ):
                return False
            if (
                user.node.compute.reduction is not None
                and len(op.inputs) > FEW_PIECES
                and _selects(op)
            ):
                return False
        if is_free(op):
            return True
        if self.is_whole(node):
            return False
        if _is_of_narrow(op) and all(
            user.kind is Kind.CONTRACTION
            or (_is_of_bytes(op) and _adds_products(user.node.compute))
            for user in users
        ):
            return True
        cost = self.cost[node]
        reads = sum(reads_of(found, user) for user in users for found in user.pending[tensor])
        most = CHOSEN if all(_joins(user.node.compute) for user in users) else AGAIN
        if reads <= 1 or cost * (reads - 1) <= most:
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
            return is_affine(inner) and inner.dtype.bits < outer.dtype.bits <= 32
        case _:
            return False


def _is_of_narrow(op: Compute) -> bool:
    """Whether ``op`` makes wider integers of bytes, or float32 of 16-bit floats: there are
    instructions for products of those, and what loads them widens them as it does."""
    match op.body:
        case (Cast(value=Load() as inner) as outer,):
            if not is_affine(inner):
                return False
            if inner.dtype in (bfloat16, float16):
                return outer.dtype is float32
            return inner.dtype.bits == 8 and outer.dtype.is_integer
        case _:
            return False


def _is_of_bytes(op: Compute) -> bool:
    """Whether ``op`` reads nothing but bytes."""
    return all(tensor.dtype.bits == 8 for tensor in op.inputs)


def _adds_products(op: Compute) -> bool:
    """Whether ``op`` is a sum of products, as that of a matrix with a vector is."""
    match op.body:
        case (Reduce(combiner=combiner, values=(Apply(fn="mul"),)),):
            return combiner.fn == "add"
        case _:
            return False


def _joins(op: Compute) -> bool:
    """Whether the place of an element says which of several arrays it is taken from."""
    match op.body:
        case (Select(condition=Apply(fn="lt", args=(Axis(), Const()))),):
            return True
        case _:
            return False


def _selects(op: Compute) -> bool:
    return any(isinstance(node, Select) for part in op.body for node in postorder(part))


def reads_of(found: Load, user: Root) -> float:
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
    for axis in user.bound:
        if axis not in used:
            absent *= int(axis.extent)
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
        step = abs(factor) * max(int(atom.extent), 1)
    return True
