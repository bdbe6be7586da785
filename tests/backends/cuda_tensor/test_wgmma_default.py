"""Large products of 16-bit floats, made for Hopper alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc import te
from mlc.compile_device import program_device_module
from mlc.runtime.cuda import emulate
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.testing.cuda import assert_compiles, counting

TURNS = """\
    for (int ax2_0 = 0; ax2_0 < 8; ++ax2_0) {
      mlc_slot_wait<4>(slots, ax2_0);
      multiply();
      mlc_wgmma_wait<1>();
      if (ax2_0 > 0) {
        mlc_slot_leave<4>(slots, ax2_0 - 1);
      }
    }
    mlc_wgmma_wait<0>();
"""
FEW = GpuMachine(processors=1, architecture="sm_90a")


def product(
    m: int, n: int, k: int, turned: tuple[bool, bool], dtype: str, least: int | None = 0
) -> Any:
    a = te.placeholder((k, m) if turned[0] else (m, k), dtype, "A")
    b = te.placeholder((n, k) if turned[1] else (k, n), dtype, "B")
    return program_of(a, b, turned, least)


def program_of(a: Any, b: Any, turned: tuple[bool, bool], least: int | None = 0) -> Any:
    """C = max(A B, least), or A B."""
    m, k = a.shape[::-1] if turned[0] else a.shape
    n = b.shape[0] if turned[1] else b.shape[1]
    dtype = a.dtype
    r = te.reduce_axis(k, "r")

    def element(i: Any, j: Any) -> Any:
        left = a[r, i] if turned[0] else a[i, r]
        right = b[j, r] if turned[1] else b[r, j]
        return te.sum(te.cast(left, "float32") * te.cast(right, "float32"), axis=r)

    y = te.compute((m, n), element, name="Y")

    def result(i: Any, j: Any) -> Any:
        return te.cast(y[i, j] if least is None else te.max(y[i, j], least), dtype)

    c = te.compute((m, n), result, name="C")
    return te.create_program([a, b, c], "product")


@pytest.mark.parametrize(
    ("sizes", "turned", "dtype"),
    [((128, 128, 64), (False, True), "float16"), ((64, 64, 320), (False, False), "bfloat16"),
     ((128, 64, 128), (True, True), "float16"), ((128, 128, 320), (True, False), "float16"),
     ((128, 128, 128), (False, False), "float16"), ((64, 64, 192), (False, True), "bfloat16"),
     ((128, 256, 128), (False, False), "bfloat16"), ((128, 256, 64), (True, True), "float16")],
)  # fmt: skip
def test_products(sizes, turned, dtype) -> None:
    m, n, k = sizes
    program = product(m, n, k, turned, dtype)
    s = default_gpu_schedule(program, FEW)
    kind: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-8, 8, buffer.shape).astype(kind) for buffer in program.params[:2])
    c = np.zeros((m, n), kind)
    with mlc.config.override(emulated_order="random" if turned[1] else "reverse"):
        mlc.build(s.program, target="cuda-emulated")(a, b, c)
    left, right = (x.astype(np.float64) for x in (a, b))
    wanted = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    np.testing.assert_array_equal(c, np.maximum(wanted, 0).astype(kind))


def test_its_text(nvrtc: None) -> None:
    s = default_gpu_schedule(product(128, 128, 512, (False, True), "float16"), FEW)
    module = program_device_module(s.program)
    assert_compiles(module)
    assert module.architecture == "sm_90a"
    (made,) = module.launches
    assert made.block == (128, 3, 1) and made.shared_bytes == 4 * 32768 + 64
    assert module.source.count("  load_box_128x64_float16(") == 2  # by threads of their own
    assert module.source.count("mlc_barrier()") == 1 and "cp_async" not in module.source
    assert module.source.count("mlc_barrier_of<256>()") == 2
    loop = module.source[module.source.index("  } else {") :]
    loop = loop[loop.index("    for") : loop.index("    mlc_wgmma_done")]
    assert re.sub(r"wgmma_boxes.*;", "multiply();", loop) == TURNS


@pytest.mark.parametrize(
    ("sizes", "turned", "dtype", "order", "part"),
    [((256, 256, 192), (False, False), "float16", "random", 128),
     ((64, 64, 192), (False, True), "bfloat16", "reverse", 64)],
)  # fmt: skip
def test_what_is_only_converted_leaves_registers_so(
    sizes, turned, dtype, order, part, nvrtc: None
) -> None:
    """Rows of 16 bytes of each thread, without conflicts of banks."""
    m, n, k = sizes
    program = product(m, n, k, turned, dtype, None)
    module = program_device_module(default_gpu_schedule(program, FEW).program)
    assert_compiles(module, ["sm_90a"])
    assert f"  wgmma_store_{dtype}_part_{part}(" in module.source
    assert "*reinterpret_cast<uint4 *>(&C[" in module.source
    kind: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 4, buffer.shape).astype(kind) for buffer in program.params[:2])
    c = np.zeros((m, n), kind)
    with mlc.config.override(emulated_order=order), counting() as counted:
        emulate.run_arrays(module, [a, b, c])
    exact = a.astype(np.float64) @ (b.T if turned[1] else b).astype(np.float64)
    np.testing.assert_array_equal(c, exact.astype(kind))
    assert counted.accesses and not any(access.conflicts for access in counted.accesses)


@pytest.mark.parametrize(
    ("without", "wanted"),
    [("wait", "thread (0, 1, 0) of block (0, 0, 0) writes byte 0 of shared memory, which thread "
              "(3, 0, 0) of its block read: no barrier lies between them"),
     ("leave", "until slot 0 is filled (phase 1), and no thread is left that brings it about"),
     ("early", "thread (0, 1, 0) of block (0, 0, 0) writes byte 0 of shared memory, which thread "
               "(3, 0, 0) of its block read: no barrier lies between them")],
)  # fmt: skip
def test_a_slot_that_is_not_kept_is_found(without: str, wanted: str) -> None:
    program = product(64, 64, 320, (False, True), "float16")
    module = program_device_module(default_gpu_schedule(program, FEW).program)
    lines = module.source.split("\n")
    wait, leave = (
        next(n for n, line in enumerate(lines) if line.startswith(f"      {name}"))
        for name in ("mlc_slot_wait", "if (ax2_0 > 0)")
    )
    if without == "early":
        lines[leave], lines[leave + 1] = "if (true) {", "mlc_slot_leave<4>(slots, ax2_0);"
    elif without == "leave":
        lines[leave + 1] = ""
    else:
        lines[wait] = ""
    arrays = [np.zeros(buffer.shape, np.float16) for buffer in program.params]
    with pytest.raises(mlc.SimulationError) as caught:
        emulate.run_arrays(replace(module, source="\n".join(lines)), arrays)
    assert wanted in caught.value.message


@pytest.mark.parametrize(
    ("sizes", "turned", "order"),
    [((256, 256, 192), (False, True), "forward"), ((192, 64, 320), (False, False), "random"),
     ((64, 320, 128), (True, False), "reverse")],
)  # fmt: skip
def test_blocks_go_through_several_tiles(sizes, turned, order, nvrtc: None) -> None:
    """Boxes of the next tile come while results are stored: both have memory of their own."""
    m, n, k = sizes
    program = product(m, n, k, turned, "float16")
    module = program_device_module(default_gpu_schedule(program, FEW).program)
    (launch,) = module.launches
    assert launch.grid == (1, 1, 1) and "load_box" in module.source
    assert_compiles(module, ["sm_90a"])
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 4, buffer.shape).astype(np.float16) for buffer in program.params[:2])
    c = np.zeros((m, n), np.float16)
    with mlc.config.override(emulated_order=order):
        emulate.run_arrays(module, [a, b, c])
    left, right = (x.astype(np.float64) for x in (a, b))
    exact = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    np.testing.assert_array_equal(c, np.maximum(exact, 0).astype(np.float16))


@pytest.mark.parametrize(
    ("side", "processors", "grid", "turns"),
    [(4096, 132, (128, 1, 1), (4,)), (8192, 132, (128, 1, 1), (8, 2)), (4096, 108, (128, 4, 1), ()),
     (2048, 132, (16, 8, 1), ()), (4096, 256, (128, 2, 1), (2,))],
)  # fmt: skip
def test_as_many_blocks_as_turns_share_evenly(side, processors, grid, turns) -> None:
    hopper = GpuMachine(processors=processors, architecture="sm_90a")
    program = product(side, side, side, (False, True), "bfloat16")
    module = program_device_module(default_gpu_schedule(program, hopper).program)
    (launch,) = module.launches
    assert launch.grid == grid and launch.shared_bytes <= 227 << 10
    loads = module.source[module.source.index("mlc_slots_begin<") :]
    loads = loads[: loads.index("  load_box_")]
    found = tuple(int(n) for n in re.findall(r"for \(int .* < (\d+);", loads))
    assert found == (*turns, side // 64)


def test_views_are_fetched_by_threads(nvrtc: None) -> None:
    a = te.placeholder((128, 512), "float16", "A", strides=(520, 1))  # may begin anywhere
    b = te.placeholder((512, 128), "float16", "B")
    program = program_of(a, b, (False, False))
    module = program_device_module(default_gpu_schedule(program, FEW).program)
    assert_compiles(module)
    assert "wgmma_64x128x64" in module.source and "MlcBoxes" not in module.source


def test_batches() -> None:
    """Several arrays, rows in two dimensions, and what is added to the result."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-8, 8, shape).astype(np.float16) for shape in ((2, 64, 128), (2, 128, 64)))
    row = rng.integers(-8, 8, 64).astype(np.float16)
    with mlc.config.override(cuda_architecture="sm_90a", emulated_order="random"):
        for right in (b, b[0].copy()):
            wanted = np.maximum(a.astype(np.float64) @ right.astype(np.float64) + row, 0)
            lowered = boxes_of(lambda x, y, z: np.maximum(x @ y + z, 0), a, right, row)
            assert "load_box_" in lowered.source
            c = np.zeros((2, 64, 64), np.float16)
            emulate.run_arrays(lowered, [a, right, row, c])
            np.testing.assert_allclose(c, wanted, rtol=2e-3)


def boxes_of(f: Any, *arrays: Any) -> Any:
    """The kernels of a function for a card of one processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlc.compile_device.machine_for", lambda *given: FEW)
        return mlc.jit(f, target="cuda-emulated").lower(*arrays).compiled.device_module


@pytest.mark.parametrize(
    ("sizes", "turned", "dtype", "order", "least"),
    [((120, 256, 184), (False, True), "float16", "forward", 0),
     ((128, 120, 184), (False, False), "bfloat16", "reverse", None),
     ((248, 56, 184), (True, False), "float16", "random", None)],
)  # fmt: skip
def test_boxes_reach_past_the_ends(sizes, turned, dtype, order, least, nvrtc: None) -> None:
    """What is outside of an array is 0, NaN beside it or not, and results there are not stored."""
    m, n, k = sizes
    program = product(m, n, k, turned, dtype, least)
    s = default_gpu_schedule(program, FEW)
    module = program_device_module(s.program)
    assert_compiles(module, ["sm_90a"])
    assert "load_box_" in module.source and "wgmma_boxes_" in module.source
    kind: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 4, buffer.shape).astype(kind) for buffer in program.params[:2])
    a[(slice(None), -1) if turned[0] else -1] = np.nan
    c = np.zeros((m, n), kind)
    with mlc.config.override(emulated_order=order):
        emulate.run_arrays(module, [a, b, c])
    left, right = (x.astype(np.float64) for x in (a, b))
    exact = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    wanted = exact if least is None else np.maximum(exact, least)
    np.testing.assert_array_equal(c.astype(np.float64), wanted.astype(kind).astype(np.float64))


@pytest.mark.parametrize("sizes", [(40, 128, 128), (128, 128, 132), (128, 80, 64)])
def test_others_go_the_way_of_all_cards(sizes) -> None:
    s = default_gpu_schedule(product(*sizes, (False, True), "float16"), FEW)
    module = program_device_module(s.program)
    assert "mma_16x16x16" in module.source and module.architecture == ""


def test_where_it_is_chosen() -> None:
    x = np.ones((1536, 1536), np.float16)  # more tiles than processors

    def source() -> Any:
        return mlc.jit(np.matmul, target="cuda-emulated").lower(x, x).compiled.device_module

    assert "wgmma" not in source().source
    with mlc.config.override(cuda_architecture="sm_90a"):
        module = source()
    assert "wgmma" in module.source and module.architecture == "sm_90a"
    with pytest.raises(mlc.ArgumentError, match="an architecture is a name such as 'sm_90a'"):
        mlc.config.cuda_architecture = "hopper"


def test_tiles_that_run_at_once_share_what_they_read() -> None:
    """Eight tiles of rows come before the next one of columns, where there are many of both."""
    program = product(512, 9 * 64, 128, (False, True), "float16")
    hopper = GpuMachine(processors=72, architecture="sm_90a")
    module = program_device_module(default_gpu_schedule(program, hopper).program)
    (launch,) = module.launches
    assert launch.grid == (72, 1, 1) and " % 8 * 64" in module.source
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 4, buffer.shape).astype(np.float16) for buffer in program.params[:2])
    c = np.zeros((512, 576), np.float16)
    with mlc.config.override(emulated_checks=False):
        emulate.run_arrays(module, [a, b, c])
    exact = np.maximum(a.astype(np.float64) @ b.T.astype(np.float64), 0)
    np.testing.assert_array_equal(c, exact.astype(np.float16))


@pytest.mark.parametrize(
    ("turned", "order"),
    [((False, True), "forward"), ((True, False), "reverse"), ((False, False), "random")],
)
def test_few_results_of_many_steps_are_made_in_parts(turned, order, nvrtc: None) -> None:
    program = product(128, 128, 1024, turned, "float16")
    four = GpuMachine(processors=4, architecture="sm_90a")
    module = program_device_module(default_gpu_schedule(program, four).program)
    assert_compiles(module)
    parts, whole = module.launches
    assert (parts.grid, parts.block) == ((1, 1, 4), (128, 3, 1)) and whole.grid == (64, 1, 1)
    assert "load_box_128x64" in module.source or "load_box_64x64" in module.source
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-2, 3, buffer.shape).astype(np.float16) for buffer in program.params[:2])
    c = np.zeros((128, 128), np.float16)
    with mlc.config.override(emulated_order=order):
        emulate.run_arrays(module, [a, b, c])
    left, right = (x.astype(np.float64) for x in (a, b))
    exact = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    np.testing.assert_array_equal(c, np.maximum(exact, 0).astype(np.float16))
