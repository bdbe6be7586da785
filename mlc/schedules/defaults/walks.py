"""Loops that every access walks as one."""

from __future__ import annotations

from ...ir.affine import linear_in
from ...ir.expr import Apply, Const, Expr, Var, const
from ...ir.program import Block, contiguous_strides, reads_of, writes_of
from ...ir.rewrite import variables_of
from ...ir.simplify import simplify
from ..schedule import Schedule
from .vectors import extent_of


def walked_as_one(s: Schedule, block: Block, outer: Var, inner: Var) -> bool:
    """Whether every access of ``block`` walks ``outer`` and ``inner`` as one loop."""
    axes = {id(v): it.axis for it in block.iters for v in (it.binding,) if isinstance(v, Var)}
    a, b = axes.get(id(outer)), axes.get(id(inner))
    extent = extent_of(s, inner)
    if a is None or b is None:
        return _fused_before(block, outer, inner, extent)
    accesses = [(n.source, n.indices) for n in reads_of(block)] + list(writes_of(block.body))
    for buffer, indices in accesses:
        strides = contiguous_strides(buffer.shape) if buffer.strides is None else buffer.strides
        place: Expr = const(0)
        for stride, index in zip(strides, indices, strict=True):
            place = place + index * stride
        place = simplify(place)
        along, near = linear_in(place, a), linear_in(place, b)
        if along is None or near is None or along != near * extent:
            return False
    return True


def _fused_before(block: Block, outer: Var, inner: Var, extent: int) -> bool:
    """The inner loop is a fused one: its last part decides, since the parts are walked as one."""
    outer_axis = next((it.axis for it in block.iters if it.binding is outer), None)
    parts = [
        it
        for it in block.iters
        if isinstance(it.binding, Apply)
        and it.binding.fn == "mod"
        and any(v is inner for v in variables_of(it.binding))
        and isinstance(it.binding.args[1], Const)
    ]
    if outer_axis is None or not parts:
        return False
    last = parts[-1].axis
    accesses = [(n.source, n.indices) for n in reads_of(block)] + list(writes_of(block.body))
    for buffer, indices in accesses:
        strides = contiguous_strides(buffer.shape) if buffer.strides is None else buffer.strides
        outer_step = inner_step = 0
        for stride, index in zip(strides, indices, strict=True):
            along_outer, along_inner = linear_in(index, outer_axis), linear_in(index, last)
            if along_outer is None or along_inner is None:
                return False
            outer_step += stride * along_outer
            inner_step += stride * along_inner
        if outer_step != inner_step * extent:
            return False
    return True
