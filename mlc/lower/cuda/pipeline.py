"""The way from a scheduled program to CUDA kernels: THE list of passes, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...dtypes import uint64
from ...ir.program import Buffer, For, Program, Scope, Stmt, blocks_of
from ..bind_blocks import bind_blocks
from ..compact_buffers import compact_buffers
from ..promote_registers import promote_registers
from ..simplify_program import is_empty, simplify_stmt
from .apply_atomics import apply_atomics
from .await_products import await_products
from .bind_threads import bind_device_threads
from .bound_rows import Rows, bound_rows
from .declare_late import declare_late
from .expand_calls import expand_device_calls
from .flatten_shared import flatten_shared
from .fold_threads import mark_teams
from .keep_scalars import keep_scalars
from .kernel import DeviceKernel, DeviceProgram, Thread
from .load_boxes import box_maps, boxed_buffers, load_boxes, without_box_loads
from .merge_guards import merge_guards
from .mix_rows import mixed_rows
from .overlap_stages import mark_stages, overlap_stages
from .place_barriers import place_barriers
from .place_private import place_private
from .place_shared import place_shared
from .share_fragments import check_rows, share_fragments, unroll_over_fragments
from .split_kernels import kernel_names, split_kernels
from .spread_virtual import VIRTUAL, spread_virtual
from .touching import buffers_made, buffers_touched, buffers_written, loops_in


def lower_cuda(program: Program, name: str = "", rows: Rows | None = None) -> DeviceProgram:
    """The kernels of ``program``, whose loops are bound to blocks and threads of a grid.

    Each statement at the top is a kernel; neighbours without bound loops share one of a single
    thread. ``rows`` says which extents are told at the call. Raises :class:`UnsupportedError` for
    what no grid can run.
    """
    blocks = [(s.name, {b.name for b in buffers_written(s.body)}) for s in blocks_of(program.body)]
    program = apply_atomics(mark_teams(expand_device_calls(program)))
    program = mark_stages(share_fragments(bind_blocks(program)))
    nests, temporaries = split_kernels(program)
    nests = [simplify_stmt(nest, {}) for nest in nests]
    kernels: list[DeviceKernel] = []
    more: list[Buffer] = []
    for title, nest in zip(kernel_names(name or program.name, nests), nests, strict=True):
        if is_empty(nest):
            continue
        kernel, made = _kernel(title, nest, program, temporaries)
        if rows is not None:
            kernel = bound_rows(kernel, rows)
            kernel = replace(kernel, body=simplify_stmt(merge_guards(kernel.body), kernel.ranges))
        written = {b.name for b in buffers_written(nest)}
        named = tuple(block for block, names in blocks if names & written)
        kernels.append(replace(kernel, blocks=named))
        more.extend(made)
    return DeviceProgram(tuple(kernels), (*temporaries, *more))


def _kernel(
    name: str, nest: Stmt, program: Program, temporaries: tuple[Buffer, ...]
) -> tuple[DeviceKernel, tuple[Buffer, ...]]:
    body, threads = bind_device_threads(nest, name)
    ranges = {t.var: t.extent for t in threads}
    body = flatten_shared(body, ranges)
    body = compact_buffers(program.with_body(body), _on_all(body, threads), ranges).body
    body = spread_virtual(body)
    body, private = place_private(body, threads, name)
    loaded = load_boxes(body, threads, name)
    body = overlap_stages(loaded.body)
    boxed = boxed_buffers(body)
    count, loaders = 2 * loaded.slots, loaded.loaders
    slots = Buffer("slots", (count,), uint64, None, Scope.SHARED) if count else None
    body, shared, shared_bytes = place_shared(body, name, boxed, slots)
    body = place_barriers(body, threads, shared, boxed)
    if loaders is not None:
        body, threads = loaders.without_loaders(body, loaded.cluster), loaders.threads
        ranges = {t.var: t.extent for t in threads}
    body = simplify_stmt(merge_guards(simplify_stmt(body, ranges)), ranges)
    body = keep_scalars(promote_registers(program.with_body(body)).body)
    body = unroll_over_fragments(await_products(body))
    body = declare_late(body)
    check_rows(body, name)
    touched = buffers_touched(without_box_loads(body)) - buffers_made(body)
    known = (*program.params, *temporaries, *private)
    params = tuple(b for b in _inputs_first(known, program) if b in touched)
    kernel = DeviceKernel(
        name, params, body, threads, shared, shared_bytes,
        maps=box_maps(body, known, name), slots=slots, mixed=mixed_rows(body),
        cluster=loaded.cluster,
    )  # fmt: skip
    return kernel, private


def _inputs_first(known: tuple[Buffer, ...], program: Program) -> tuple[Buffer, ...]:
    split = len(program.params) - program.outputs
    outputs = program.params[split:]
    return (*(b for b in known if b not in outputs), *outputs)


def _on_all(body: Stmt, threads: tuple[Thread, ...]) -> Callable[[Stmt, Buffer], Stmt]:
    """A statement as all threads run it that share a buffer, virtual ones among them."""
    virtual = [loop for loop in loops_in(body) if VIRTUAL in dict(loop.annotations)]

    def spread(stmt: Stmt, buffer: Buffer) -> Stmt:
        if buffer.scope is not Scope.SHARED:
            return stmt
        for thread in threads:
            if not thread.is_block:
                stmt = For(thread.var, thread.extent, stmt)
        for loop in virtual:
            stmt = For(loop.var, loop.extent, stmt)
        return stmt

    return spread
