"""What other compilers for Python call the things of this one, for errors about names."""

from __future__ import annotations

from collections.abc import Iterable

# (module, name elsewhere): what to write here.
_HERE = {
    "mlc": {
        "njit": "mlc.jit",
        "prange": "plain range: loops over traced values are native; s.parallel spreads loops of "
        "a schedule over threads",
        "vectorize": "mlc.jit: NumPy's functions work on whole arrays",
        "guvectorize": "mlc.jit, or mlc.op for an operator of one's own",
        "grad": "no grad yet; mlc.testing.check_gradients checks one that is written by hand",
        "vmap": "no vmap yet: write the function over arrays with one axis more",
        "array": "mlc.numpy.asarray; jitted functions take NumPy's arrays as they are",
        "nd": "no array type of its own: functions take NumPy's arrays",
        "target": "target=, an argument of mlc.jit and mlc.build",
        "parallel": "s.parallel(loop), a step of a schedule",
        "tir": "mlc.script",
        "prim_func": "T.program, of mlc.script",
        "register_func": "T.call_extern, for functions of libraries in C",
        "evaluator": "mlc.time",
        "time_evaluator": "mlc.time",
        "pure_callback": "no way back into Python: call the function between two jitted ones",
    },
    "mlc.script": {
        "And": "a & b",
        "Or": "a | b",
        "Not": "~a",
        "rsqrt": "1 / T.sqrt(x)",
        "prim_func": "T.program",
        "ir_module": "T.Module",
        "alloc_buffer": "T.alloc",
        "allocate": "T.alloc",
        "sblock": "T.block",
        "sblock_alloc_buffer": "T.alloc",
        "block_attr": "T.annotate",
        "sblock_attr": "T.annotate",
        "func_attr": "T.program(attrs={...}); a program goes by the name of its function, and its "
        "buffers never overlap",
        "match_buffer": "a parameter, A: T.Buffer(shape, dtype)",
        "handle": "a parameter, A: T.Buffer(shape, dtype)",
        "if_then_else": "T.select",
        "Select": "T.select",
        "Cast": "T.float32(x) and the like",
        "cast": "T.float32(x) and the like",
        "vectorize": "T.vectorized",
        "unroll": "T.unrolled",
        "thread": "T.thread_binding",
        "evaluate": "T.call",
        "call_packed": "T.call_extern",
        "access_ptr": "a region such as A[0:16, 0:16], which calls take as it is",
        "tvm_access_ptr": "a region such as A[0:16, 0:16], which calls take as it is",
        "Range": "a region such as A[0:16]",
    },
    "mlc.te": {
        "rsqrt": "1 / te.sqrt(x)",
        "logical_and": "a & b",
        "logical_or": "a | b",
        "logical_not": "~a",
        "create_prim_func": "te.create_program",
        "create_schedule": "mlc.Schedule(te.create_program([A, B, C]))",
        "thread_axis": 's.bind(loop, "threadIdx.x"), a step of a schedule',
        "if_then_else": "te.select",
        "where": "te.select",
        "extern": "te.call",
        "reduce": "te.comm_reducer",
        "var": "mlc.dim",
        "size_var": "mlc.dim",
        "hybrid": "T.program, of mlc.script, which te.call calls",
        "scan": "T.program, of mlc.script, which te.call calls",
    },
    "a schedule": {
        "get_block": "s.block",
        "get_sblock": "s.block",
        "get_loops": "s.loops",
        "get_child_blocks": "s.child_blocks",
        "get_producers": "s.producers",
        "get_consumers": "s.consumers",
        "get_output_blocks": "s.output_blocks",
        "mod": "s.program",
        "tile": "s.split for each loop, then s.reorder",
        "compute_root": "no need: blocks are computed on their own unless they are moved",
        "inline": "s.compute_inline",
        "set_axis_separator": "s.transform_layout",
    },
}


def hint(module: str, name: str, names: Iterable[str], prefix: str) -> str:
    """``; there is ...`` for a ``name`` that ``module`` has not, whose ``names`` begin with
    ``prefix`` where they are used; nothing where none comes near."""
    here = _HERE.get(module, {}).get(name)
    if here is None:
        from difflib import get_close_matches

        near = get_close_matches(name, list(names), 1, 0.7)
        here = prefix + near[0] if near else None
    return f"; there is {here}" if here else ""
