"""From tensor expressions to the program that computes them as they are written."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError
from ..ir.expr import Reduce, reduce
from ..ir.program import Program, Scope
from ..records import replace
from . import program
from .key import topological
from .program import Nest
from .tensor import Compute, Constant, Placeholder, Tensor


def create_program(tensors: Sequence[Tensor], name: str = "") -> Program:
    """The program over ``tensors``: one block in naive loops for each compute, nothing fused.

    ``tensors`` are its parameters, in order: first placeholders, then the tensors to be filled.
    What lies between them is allocated. The program is called ``name``, or else after the last.
    """
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(t, Tensor) for t in tensors):
        raise ArgumentError(
            f"te.create_program wants a list of te tensors such as [A, B, C], got {tensors!r}"
        )
    inputs = [t for t in tensors if isinstance(t.op, Placeholder)]
    outputs = [t for t in tensors if isinstance(t.op, Compute)]
    if not outputs or [*inputs, *outputs] != list(tensors) or len(set(tensors)) < len(tensors):
        raise ArgumentError(
            "te.create_program wants placeholders and then the tensors to be filled, each once; "
            f"got {', '.join(t.name for t in tensors) or 'nothing'}"
        )
    needed = topological(outputs)
    for tensor in needed:
        if isinstance(tensor.op, Constant):
            raise ArgumentError(
                f"{outputs[-1].name} is computed from the constant {tensor.name}, which is no "
                "parameter of a program; make it a placeholder, and pass the array"
            )
        if isinstance(tensor.op, Placeholder) and tensor not in inputs:
            raise ArgumentError(
                f"{outputs[-1].name} is computed from the placeholder {tensor.name}, which is not "
                "in the list; add it"
            )
    parts: dict[Compute, dict[Tensor, None]] = {}
    for tensor in (*needed, *outputs):
        if isinstance(tensor.op, Compute):
            parts.setdefault(tensor.op, {})[tensor] = None
    nests = [nest_of(tuple(made)) for made in parts.values()]
    return program.create_program(
        name or outputs[-1].name, nests, inputs, outputs, local_scope=Scope.GLOBAL
    )


def nest_of(tensors: tuple[Tensor, ...]) -> Nest:
    """The nest that fills ``tensors``, results of one compute. Parts of a reduction that nobody
    reads get tensors all the same."""
    op = tensors[0].op
    assert isinstance(op, Compute)
    root = op.reduction
    if root is None:
        chosen = sorted(tensors, key=lambda t: t.index)
        return Nest(tuple(chosen), replace(op, body=tuple(op.body[t.index] for t in chosen)))
    by_part = {_part(op, t): t for t in tensors}
    first = tensors[0]
    body = tuple(
        reduce(root.combiner, root.values, root.axes, n) for n in range(len(root.combiner.dtypes))
    )
    full = replace(op, body=body)
    parts = tuple(
        by_part.get(n) or Tensor(f"{first.name}_rest", first.shape, part.dtype, full, n)
        for n, part in enumerate(body)
    )
    return Nest(parts, full)


def _part(op: Compute, tensor: Tensor) -> int:
    root = op.body[tensor.index]
    assert isinstance(root, Reduce)
    return root.index
