"""Clusters of two blocks, each of which loads half of the boxes that both multiply."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.compile_device import program_device_module
from mlc.errors import ScheduleError, UnsupportedError
from mlc.ir.program import Program
from mlc.runtime.cuda import emulate
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.schedules.schedule import Schedule
from mlc.testing.cuda import assert_compiles

from .test_loaders import products
from .test_wgmma_default import product

TWO = GpuMachine(processors=2, architecture="sm_90a")
NAME = "product_kernel"


def module_of(sizes: tuple[int, int, int], turned: tuple[bool, bool]) -> DeviceModule:
    program = product(*sizes, turned, "float16")
    return program_device_module(default_gpu_schedule(program, TWO).program)


@pytest.mark.parametrize(
    ("sizes", "turned", "order", "shared", "own"),
    [((256, 128, 320), (False, True), "reverse", "64x64_float16_for_2(&B_", "128x64_float16(&A_"),
     ((256, 128, 192), (True, False), "forward", "32x64_float16_for_2(&B_", "64x64_float16(&A_"),
     ((128, 128, 192), (True, True), "random", "32x64_float16_for_2(&A_", "64x64_float16(&B_")],
)  # fmt: skip
def test_products(sizes, turned, order, shared, own, nvrtc: None) -> None:
    """Of several slots that are filled again, and of several tiles one after the other."""
    module = module_of(sizes, turned)
    (launch,) = module.launches
    assert launch.cluster == 2 and launch.grid == (2, 1, 1)
    assert f"load_box_{shared}" in module.source and f"load_box_{own}" in module.source
    assert_compiles(module)
    rng = np.random.default_rng(0)
    m, n, k = sizes
    a = rng.integers(-4, 4, (k, m) if turned[0] else (m, k)).astype(np.float16)
    b = rng.integers(-4, 4, (n, k) if turned[1] else (k, n)).astype(np.float16)
    c = np.zeros((m, n), np.float16)
    with mlc.config.override(emulated_order=order):
        emulate.run_arrays(module, [a, b, c])
    left, right = (x.astype(np.float64) for x in (a, b))
    exact = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    np.testing.assert_array_equal(c, np.maximum(exact, 0).astype(np.float16))


def test_what_neighbours_share() -> None:
    """Of many tiles the wider operand: two blocks have the same columns of the second array."""
    hopper = GpuMachine(processors=132, architecture="sm_90a")
    program = product(4096, 4096, 4096, (False, True), "bfloat16")
    module = program_device_module(default_gpu_schedule(program, hopper).program)
    (launch,) = module.launches
    assert (launch.grid, launch.cluster) == ((128, 1, 1), 2)
    assert "MLC_CLUSTER(2) product_kernel(" in module.source
    assert "load_box_128x64_bfloat16_for_2(&B_" in module.source  # half of 256 rows
    assert "load_box_128x64_bfloat16(&A_" in module.source


def test_an_odd_number_of_blocks_shares_nothing() -> None:
    three = GpuMachine(processors=3, architecture="sm_90a")
    program = product(128, 192, 192, (False, True), "float16")
    module = program_device_module(default_gpu_schedule(program, three).program)
    (launch,) = module.launches
    assert (launch.grid, launch.cluster) == ((3, 1, 1), 1) and "_for_" not in module.source


def spoiled(without: str) -> DeviceModule:
    """A product that is wrong in one thing that two blocks need of each other."""
    module = module_of((256, 128, 320), (False, True))
    source = module.source
    if without == "begin":
        source = source.replace("mlc_cluster_barrier", "mlc_barrier", 1)
    elif without == "end":
        source = "".join(source.rsplit("  mlc_cluster_barrier();\n", 1))
    elif without == "leave":
        source = source.replace("mlc_slot_leave<4, 2>", "mlc_slot_leave<4>")
        source = source.replace("mlc_slots_begin<4, 2>", "mlc_slots_begin<4>")
    else:
        source = re.sub(r"if \((\w+) == 0\)", r"if (\1 == 0 && blockIdx.x == 0)", source, count=1)
    assert source != module.source
    return replace(module, source=source)


@pytest.mark.parametrize(
    ("without", "order", "wanted"),
    [("begin", "reverse", "of another block of its cluster wrote: no barrier lies between them"),
     ("end", "forward", "uses shared memory of another block, which does not wait for that before "
                        "it ends"),
     ("leave", "reverse", "of another block of its cluster read: no barrier lies between them"),
     ("fill", "forward", "until slot 0 is filled (phase 0), and no thread is left that brings it "
                         "about: 0 arrivals and 8192 bytes are missing")],
)  # fmt: skip
def test_what_is_found(without: str, order: str, wanted: str) -> None:
    arrays = [np.zeros(shape, np.float16) for shape in ((256, 320), (128, 320), (256, 128))]
    with mlc.config.override(emulated_order=order), pytest.raises(mlc.SimulationError) as caught:
        emulate.run_arrays(spoiled(without), arrays)
    assert wanted in caught.value.message


HEAD = """extern "C" __global__ void k(int *B) {
  MLC_SHARED(int, box, 0);
  const int x = blockIdx.x, i = threadIdx.x;
"""


def run(body: str, grid: int = 4, threads: int = 32) -> np.ndarray:
    """What clusters of two blocks write."""
    b = np.zeros(grid * threads, np.int32)
    launch = Launch(
        "k", (grid, 1, 1), (threads, 1, 1), 128, (Argument("array", 0),), cluster=2
    )  # fmt: skip
    emulate.run_arrays(DeviceModule("k", f"{HEAD}{body}}}", (launch,), 0), [b])
    return b


HANDED = """  B[x * 32 + i] = x * 32 + i;
  mlc_cluster_barrier();
  box[i] = B[(x ^ 1) * 32 + i];
  mlc_cluster_barrier();
  B[x * 32 + i] = box[i];
"""


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_blocks_of_a_cluster_wait_for_each_other(order: str) -> None:
    with mlc.config.override(emulated_order=order):
        wanted = np.arange(128, dtype=np.int32).reshape(2, 2, 32)[:, ::-1].ravel()
        np.testing.assert_array_equal(run(HANDED), wanted)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [(HANDED.replace("mlc_cluster_barrier", "mlc_barrier"),
      "of another block of its cluster wrote: no barrier lies between them"),
     ("  if (x % 2) mlc_cluster_barrier();\n",
      "waits at the barrier of the cluster at line 4, but thread (31, 0, 0) of block (0, 0, 0) has "
      "ended: all threads of a cluster must reach its barrier"),
     ("  box[32 + i] = 1;\n", "writes bytes 128 to 131 of shared memory, which has 128 bytes"),
     ("  *(int *)mlc_in_block(box, x % 2 ^ 1) = 1;\n",
      "writes byte 0 of the shared memory of another block"),
     ("  mlc_in_block(box, 2);\n",
      "asks for shared memory of block 2 of its cluster, which has 2")],
)  # fmt: skip
def test_what_is_found_in_clusters(body: str, wanted: str) -> None:
    with pytest.raises((mlc.SimulationError, mlc.BoundsError)) as caught:
        run(body)
    assert wanted in caught.value.message


def test_clusters_are_whole() -> None:
    for grid, threads in ((3, 32), (4, 1024)):
        with pytest.raises(UnsupportedError, match="wants clusters of 2 blocks of"):
            run(HANDED, grid, threads)


def in_clusters(blocks: int) -> Program:
    s = Schedule(products(False))
    s.pipeline(s.loop("k"), [0, 0, 1], apart=True, cluster=blocks)
    return s.program


def test_what_is_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        program_device_module(in_clusters(2))
    assert caught.value.message == (
        "multiply loads boxes, which is done in a pipelined loop: loop k is to share boxes among "
        "clusters of 2 blocks, and there are 1 along blockIdx.x, of 128 threads; these must be "
        "whole clusters, of blocks of groups of 128 threads"
    )
    s = Schedule(products(False))
    with pytest.raises(ScheduleError) as refused:
        s.pipeline(s.loop("k"), [0, 0, 1], cluster=2)
    assert (
        "clusters have 2 blocks or more whose boxes are loaded apart, got cluster=2 and "
        "apart=False; say apart=True"
    ) in str(refused.value)
