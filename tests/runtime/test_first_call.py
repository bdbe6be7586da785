"""What the first call of a small elementwise function loads: its user waits for every module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CALL = """
import sys
import numpy as np, mlc
def small(a, b): return np.maximum(a * b + a, 0.0)
x = np.ones(1000, np.float32)
assert mlc.jit(small)(x, x)[0] == 2.0
print(*sorted(sys.modules))
"""
SIZES = (
    CALL.replace("x = ", "before = set(sys.modules); x = ").rpartition("print")[0]
    + """
made = [m for n, m in sys.modules.items() if n.startswith("mlc.") and n not in before]
import marshal
codes = [m.__spec__.loader.get_code(m.__name__) for m in made]
print(len(made), sum(len(marshal.dumps(code)) for code in codes))
"""
)
PRODUCT = """
import sys
import numpy as np, mlc
a, b = np.ones((384, 1024), np.float32), np.ones((1024, 1024), np.float32)
assert mlc.jit(lambda a, b: a @ b)(a, b)[0, 0] == 1024.0
print(*sorted(sys.modules))
"""
# Proofs over integer systems, tails of loops, reductions, and texts that are compiled once for all.
NEVER = {
    "mlc.ir.integer_system", "mlc.schedules.legality.pairs", "mlc.schedules.legality.space",
    "mlc.schedules.legality.starts", "mlc.schedules.legality.threads", "mlc.schedules.tails",
    "mlc.schedules.regions", "mlc.lower.compacting", "mlc.te.evaluate", "mlc.runtime.entry_ir",
    "mlc.control.lambdas", "mlc.graph.kernel_key", "mlc.backends.llvm.lookups",
    "mlc.graph.search_rows", "mlc.graph.join_rows", "mlc.schedules.defaults.transpose",
    "mlc.ir.intrinsic", "mlc.ir.gufuncs", "mlc.backends.llvm.casts", "mlc.backends.llvm.halves",
    "mlc.backends.llvm.known_lanes", "mlc.te.address", "mlc.lower.replace_buffers",
    "mlc.backends.llvm.lanes", "mlc.backends.llvm.parallel", "mlc.backends.llvm.quotients",
    "mlc.lower.promote_registers", "mlc.ops.reduce", "mlc.control.convert", "random", "binascii",
    "mlc.schedules.lookup", "mlc.schedules.refusal", "mlc.schedules.legality.orders", "_heapq",
    "mlc.schedules.unproven", "mlc.graph.merge_groups", "mlc.lower.vector_chunks",
    "mlc.lower.block_starts", "mlc.lower.compact_buffers", "mlc.lower.expand_intrinsics",
    "mlc.ir.empty_reductions", "mlc.backends.llvm.registers", "mlc.backends.llvm.debug",
    "mlc.backends.llvm.integers", "mlc.backends.llvm.rare_floats", "mlc.backends.llvm.selects",
    "mlc.backends.llvm.accumulation", "mlc.backends.llvm.branches", "mlc.backends.llvm.gathers",
    "mlc.backends.llvm.llvmlite_binding", "mlc.tracer.number", "mlc.runtime.threads", "mlc.control",
    "mlc.graph.merge_parts", "mlc.graph.rules.powers", "mlc.graph.rules.reductions",
    "mlc.graph.rules.views", "mlc.ir.call_names", "mlc.ir.viewers", "mlc.ir.work",
    "mlc.lower.bind_threads", "mlc.lower.place_buffers", "mlc.lower.unroll_partly",
    "mlc.schedules.steps.annotate", "mlc.ir.empty_loops", "mlc.te.folds",
    "mlc.graph.fold_constants",
}  # fmt: skip
# What was loaded when this was written, and a little room: each takes its part of a millisecond.
MOST_MODULES, MOST_BYTES = 78, 780_000
# A process that finds the kernel on disk needs no compiler at all.
COMPILER = (
    "mlc.graph.pipeline", "mlc.schedules.schedule", "mlc.lower.", "mlc.backends.llvm.emit",
    "mlc.control.convert", "mlc.kernel_code", "mlc.native_text", "mlc.runtime.threads",
)  # fmt: skip


def loaded(folder: Path, call: str = CALL) -> set[str]:
    """The parts of mlc that a process has after its first call."""
    return set(printed(folder, call))


def printed(folder: Path, call: str) -> list[str]:
    """What a process prints whose disk cache lies in ``folder``."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLC_")}
    environment |= {"MLC_CACHE_DIR": str(folder), "MLC_TUNED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", call], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_small_function_loads_what_it_needs(tmp_path: Path) -> None:
    cold = loaded(tmp_path)
    assert "mlc.lower.pipeline" in cold
    assert not cold & NEVER
    cached = loaded(tmp_path)
    assert cached < cold
    assert not [name for name in cached if name.startswith(COMPILER)]


def test_a_small_function_loads_little(tmp_path: Path) -> None:
    modules, size = map(int, printed(tmp_path, SIZES))
    assert 40 < modules <= MOST_MODULES and size <= MOST_BYTES, (modules, size)


def test_a_product_that_packs_its_columns_loads_neither_texts_nor_other_steps(
    tmp_path: Path,
) -> None:
    cold = loaded(tmp_path, PRODUCT)
    assert {"mlc.schedules.defaults.packing", "mlc.schedules.steps.compute_at"} <= cold
    other = {"mlc.schedules.inlining", "mlc.schedules.boxes", "mlc.schedules.steps.compute_inline"}
    narrow = {"byte_products", "half_products", "tile_products", "groups", "reduction"}
    other |= {f"mlc.schedules.defaults.{name}" for name in narrow}
    other |= {"mlc.ir.intrinsic", "mlc.schedules.legality.threads", "mlc.graph.join_rows"}
    assert not cold & {"mlc.ir.show", *other}
