"""What a kernel computes as a text: the same for kernels that differ in names alone."""

from __future__ import annotations

from ..te.key import body_text
from ..te.tensor import Constant, Placeholder, Tensor
from .kernel import Kernel


def kernel_key(kernel: Kernel) -> str | None:
    """The alpha-normal form of ``kernel``: inputs, outputs and locals are numbered in their order.

    Shapes, dtypes and layouts count. None for a kernel that reads arrays which the function
    captured, part of whose work may be done ahead, and for one that may fail, whose errors name
    what it reads.
    """
    if any(isinstance(tensor.op, Constant) for tensor in kernel.inputs):
        return None
    call = kernel.stages[0].call
    if call is not None:
        from ..ir.structural import structural_key

        if call.program.attrs.get("refusals"):
            return None
        read: dict[Tensor, int] = {}
        for tensor in call.inputs:
            read.setdefault(tensor, len(read))
        heads = [f"{read[tensor]}{_head(tensor)}" for tensor in call.inputs]
        return "\n".join([*heads, structural_key(call.program)])
    numbers: dict[Tensor, int] = {}
    parts = [f"{kernel.shared} {len(kernel.inputs)} {len(kernel.outputs)}"]
    for tensor in (*kernel.inputs, *kernel.outputs, *kernel.locals):
        numbers[tensor] = len(numbers)
        parts.append(_head(tensor))
    for stage in kernel.stages:
        made = ",".join(f"{numbers[tensor]}.{tensor.index}" for tensor in stage.tensors)
        extents = [axis.extent for axis in stage.compute.axes]
        parts.append(f"{made} {extents} {body_text(stage.compute, numbers)}")
    return "\n".join(parts)


def _head(tensor: Tensor) -> str:
    op = tensor.op
    lies = f" {op.strides} {op.aligned}" if isinstance(op, Placeholder) else ""
    return f"{tensor.dtype.name}{tensor.shape}{lies}"
