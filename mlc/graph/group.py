"""group_stages: which stages share a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ir.expr import Axis, Const, Load
from ..te.tensor import Compute, Tensor
from .fold import rebuild
from .kernel import Kernel, Stage
from .node import Node

ROW_BYTES = 192 << 10  # what the stages of a kernel may hand each other per row
MOST_STAGES = 16


@dataclass(eq=False)
class _Group:
    nodes: list[Node]
    shared: int
    contracts: bool

    @property
    def extents(self) -> tuple[int, ...]:
        return tuple(a.extent for a in self.nodes[0].op.axes)


def group_stages(
    nodes: Sequence[Node], outputs: Sequence[Tensor]
) -> tuple[list[Kernel], dict[Tensor, Tensor]]:
    """Kernels for ``nodes``, in order of execution, and the kernels' tensors for the graph's.

    A stage joins the kernel of its last producer when every load of that kernel's tensors keeps the common
    axes as they are, so that both run row by row (softmax: maximum, exponential, sum, quotient). A
    contraction always starts a kernel, and takes only element-wise stages over all of its axes after it.
    """
    groups: list[_Group] = []
    home: dict[Tensor, int] = {}
    for node in nodes:
        place = max((home[t] for t in node.op.inputs if t in home), default=-1)
        shared = _joint_axes(groups[place], node) if place >= 0 else None
        if shared is None:
            place = len(groups)
            groups.append(_Group([node], len(node.op.axes), node.is_contraction()))
        else:
            groups[place].nodes.append(node)
            groups[place].shared = shared
        home.update(dict.fromkeys(node.tensors, place))
    return _kernels(groups, set(outputs))


def _joint_axes(group: _Group, node: Node) -> int | None:
    """How many leading axes ``node`` and the group can have in common; None if it should not join."""
    axes = node.op.axes
    if node.is_contraction() or len(group.nodes) >= MOST_STAGES:
        return None
    made = {t for member in group.nodes for t in member.tensors}
    shared = min(group.shared, len(axes))
    for d in range(shared):
        if axes[d].extent != group.extents[d]:
            shared = d
            break
    for use in node.loads():
        if use.source in made:
            shared = min(shared, _kept_indices(use, axes))
    if group.contracts:
        whole = len(axes) == len(group.extents) == shared
        return shared if whole and not node.is_reduction else None
    if shared == 0:
        scalar = all(not t.shape for member in (*group.nodes, node) for t in member.tensors)
        return 0 if scalar and not node.is_reduction else None
    rows = 1
    for extent in group.extents[:shared]:
        rows *= extent
    handed = sum(t.size * t.dtype.itemsize for t in made) / max(rows, 1)
    if handed > ROW_BYTES:
        return None
    narrowing = shared < group.shared and any(m.is_reduction for m in group.nodes)
    if narrowing and _is_column_work(group, shared):
        return None
    if rows == 1 and max(member.points for member in (*group.nodes, node)) > 1 << 15:
        return None  # one row would leave the other threads idle
    return shared


def _is_column_work(group: _Group, shared: int) -> bool:
    """Whether a reduction of the group keeps axes that would no longer be common: it would hand over a
    whole slab of partial results per row."""
    return any(
        m.is_reduction and any(a.extent > 1 for a in m.op.axes[shared:]) for m in group.nodes
    )


def _kept_indices(use: Load, axes: tuple[Axis, ...]) -> int:
    """How many of the first indices of a load are just the axes."""
    kept = 0
    for index, axis in zip(use.indices, axes, strict=False):
        is_one = axis.extent == 1 and isinstance(index, Const)
        if index is not axis and not is_one:
            break
        kept += 1
    return kept


def _kernels(
    groups: Sequence[_Group], outputs: set[Tensor]
) -> tuple[list[Kernel], dict[Tensor, Tensor]]:
    fresh: dict[Tensor, Tensor] = {}
    staged = [[_stage(node, fresh) for node in group.nodes] for group in groups]
    readers: dict[Tensor, set[int]] = {}
    for place, stages in enumerate(staged):
        for stage in stages:
            for source in _compute(stage).inputs:
                readers.setdefault(source, set()).add(place)
    named: dict[str, int] = {}
    results = {fresh[t] for t in outputs}
    kernels = []
    for place, (group, stages) in enumerate(zip(groups, staged, strict=True)):
        made = [t for stage in stages for t in stage.tensors]
        inner = [t for t in made if t not in results and readers.get(t, set()) <= {place}]
        outer = [t for t in made if t not in set(inner)]
        inputs = dict.fromkeys(s for stage in stages for s in _compute(stage).inputs)
        taken = tuple(s for s in inputs if s not in set(made))
        shared = group.shared if len(stages) > 1 else 0
        name = _name(group, named)
        kernels.append(Kernel(name, tuple(stages), shared, taken, tuple(outer), tuple(inner)))
    return kernels, fresh


def _compute(stage: Stage) -> Compute:
    op = stage.tensors[0].op
    assert isinstance(op, Compute)
    return op


def _stage(node: Node, fresh: dict[Tensor, Tensor]) -> Stage:
    """The node's compute over the fresh tensors of earlier stages; ``fresh`` learns the new ones."""

    op = rebuild(node.op, fresh)
    for tensor in node.tensors:
        fresh[tensor] = Tensor(tensor.name, tensor.shape, tensor.dtype, op, tensor.index)
    return Stage(tuple(fresh[t] for t in node.tensors))


def _name(group: _Group, taken: dict[str, int]) -> str:
    """``softmax``-like names from the operators inside, unique in the module."""
    ops = list(dict.fromkeys(node.op.op for node in group.nodes))
    wish = "_".join(ops[:4]) if ops else "kernel"
    count = taken.get(wish, 0)
    taken[wish] = count + 1
    return wish if not count else f"{wish}_{count}"
