"""Groups of stages as kernels: their names, and what goes in and out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..te.classify import Kind, kind_of
from ..te.tensor import Tensor
from .build_stage import Made
from .graph import Node, unique_name
from .group_stages import Group
from .kernel import Kernel

MAX_NAME = 48


def make_kernels(
    groups: Sequence[Group], outputs: Sequence[Tensor]
) -> tuple[tuple[Kernel, ...], tuple[Tensor, ...]]:
    """The kernels of ``groups``, and the tensors that hold ``outputs`` (those of the graph)."""
    new: dict[Tensor, Tensor] = {}
    readers: dict[Tensor, set[int]] = {}
    for number, group in enumerate(groups):
        for member in group.members:
            new.update(member.made.results)
            for node in member.loads:
                readers.setdefault(node.source, set()).add(number)
    ends = tuple(new[t] for t in outputs)
    taken: dict[str, int] = {}
    kernels = []
    for number, group in enumerate(groups):
        made = [t for member in group.members for t in member.tensors]
        inside = set(made)
        read = {n.source: None for member in group.members for n in member.loads}
        handed_on = [t for t in made if t in ends or readers.get(t, set()) - {number}]
        kernels.append(
            Kernel(
                unique_name(kernel_name([m.made for m in group.members]), taken),
                tuple(member.made.stage for member in group.members),
                group.shared if len(group.members) > 1 else 0,
                tuple(t for t in read if t not in inside),
                tuple(handed_on),
                tuple(t for t in made if t not in handed_on),
            )
        )
    return tuple(kernels), ends


def kernel_name(stages: Sequence[Made]) -> str:
    """``fused_matmul_add_maximum``: the operators in order, views left out."""
    labels: list[str] = []
    nodes = dict.fromkeys(node for made in stages for node in (*made.inlined, made.node))
    ends = {made.node for made in stages}
    for node in nodes:
        if kind_of(node.op) is Kind.VIEW and node not in ends:
            continue
        label = _label(node)
        if not labels or labels[-1] != label:
            labels.append(label)
    if len(labels) > 1 and any(kind_of(m.node.op) is Kind.VIEW for m in stages):
        views = {_label(m.node) for m in stages if kind_of(m.node.op) is Kind.VIEW}
        labels = [label for label in labels if label not in views] or labels
    if len(labels) <= 1:
        return "".join(labels)
    name = "_".join(("fused", *labels))
    kept = len(labels)
    while kept and len(name) > MAX_NAME:
        kept -= 1
        name = "_".join(("fused", *labels[:kept], f"and_{len(labels) - kept}_more"))
    return name


def _label(node: Node) -> str:
    name = node.tensors[0].name.partition(".")[0]
    if name.isascii() and name.isidentifier():  # nearly all are: no pattern is compiled for them
        return name.strip("_") or "kernel"
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "kernel"
