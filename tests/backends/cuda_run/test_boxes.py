"""Boxes of arrays: by hand in the emulator, and what the driver is asked for."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.backends.cuda.device import Argument, DeviceModule, Launch, TensorMap
from mlc.errors import DeviceError, SimulationError, UnsupportedError
from mlc.runtime.cuda import emulate, tensor_maps
from mlc.runtime.cuda.arrays import device_put

from .fake_cupy import FakeCuPy

pytestmark = pytest.mark.usefixtures("cupy")

BEGIN = """extern "C" __global__ void k(const __grid_constant__ MlcBoxes A_boxes, uint16_t *B) {
  MLC_SHARED(uint16_t, box, 0);
  MLC_SHARED(uint64_t, slots, 2048);
  mlc_slots_begin<1>(slots, 1);
  mlc_barrier();
"""
FILL = """  if (threadIdx.x == 0) {
    const uint64_t *filled = mlc_slot_fill<1>(slots, 0, %d);
    mlc_load_box(box, A_boxes, filled, %d, %d);
  }
"""
WAIT = "  mlc_slot_wait<1>(slots, 0);\n"
COPY = "  for (int i = threadIdx.x; i < 1024; i += 32) B[i] = box[i];\n"


def box_of(body: str, shape: tuple[int, int] = (20, 96)) -> tuple[Any, Any]:
    """The array, and what a kernel makes of boxes of 16 rows of it."""
    a = np.arange(1, shape[0] * shape[1] + 1, dtype=np.uint16).reshape(shape)
    b = np.zeros((16, 64), np.uint16)
    described = TensorMap(
        Argument("array", 0), "float16", shape[::-1], (shape[1] * 2,), (64, 16)
    )  # fmt: skip
    launch = Launch("k", (1, 1, 1), (32, 1, 1), 2064, (described, Argument("array", 1)))
    emulate.run_arrays(DeviceModule("k", f"{BEGIN}{body}}}", (launch,), 0), [a, b])
    return a, b


@pytest.mark.parametrize(("column", "row"), [(0, 0), (16, 3), (48, 10), (-8, -2)])
def test_a_box_lies_mixed_and_is_zero_outside(column: int, row: int) -> None:
    a, b = box_of(FILL % (2048, column, row) + WAIT + COPY)
    wanted = np.zeros((16, 64), np.uint16)
    for i, j in np.ndindex(16, 64):
        if 0 <= row + i < a.shape[0] and 0 <= column + j < a.shape[1]:
            wanted[i, (j // 8 ^ i % 8) * 8 + j % 8] = a[row + i, column + j]
    np.testing.assert_array_equal(b, wanted)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (WAIT, "waits at line 6 until slot 0 is filled (phase 0), and no thread is left that "
               "brings it about: 1 arrivals and 0 bytes are missing"),
        (FILL % (4096, 0, 0) + WAIT, "until slot 0 is filled (phase 0), and no thread is left that "
                                     "brings it about: 0 arrivals and 2048 bytes are missing"),
        (FILL % (2048, 0, 0) + WAIT + (FILL % (2048, 0, 0)).replace("slots, 0", "slots, 1"),
         "waits at line 12 until slot 0 is free (phase 0), and no thread is left that brings it "
         "about: 1 arrivals and 0 bytes are missing"),
        (FILL % (2048, 0, 0), "a block ends without waiting for its boxes"),
        (FILL % (2048, 0, 0) + "  mlc_barrier();\n" + COPY + WAIT,
         "reads byte 0 of shared memory, where a box is to come that nobody has waited for"),
        (FILL % (2048, 0, 0) + "  mlc_barrier();\n  if (threadIdx.x == 0) mlc_mbarrier_wait(slots, "
         "0, 1);\n  else" + COPY,
         "reads byte 2 of shared memory, which thread (0, 0, 0) of its block wrote: no barrier "
         "lies between them"),
        ("  mlc_slots_begin<1>(slots, 1);\n", "makes an mbarrier for the second time"),
        ((FILL % (2048, 0, 0)) * 2 + WAIT,
         "arrives where slot 0 is filled, and nobody is missing there"),
    ],
)  # fmt: skip
def test_what_is_found(body: str, wanted: str) -> None:
    with pytest.raises(SimulationError) as caught:
        box_of(body)
    assert wanted in caught.value.message


def test_rows_begin_at_multiples_of_16_bytes() -> None:
    with pytest.raises(SimulationError, match="whose rows begin at no multiple of 16 bytes"):
        box_of(FILL % (2048, 0, 0) + WAIT, (20, 100))


def test_on_a_card(cupy: FakeCuPy) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-4, 4, (128, 128)).astype(ml_dtypes.bfloat16) for _ in range(2))
    with mlc.config.override(cuda_architecture="sm_90a"):
        f = mlc.jit(lambda x, y: np.maximum(x @ y, 0), target="cuda")
        entry = f.lower(x, y).compiled.device_module
        assert "MlcBoxes" not in entry.source  # too few tiles for all processors
    many = product_of_boxes(128)
    cupy.is_old = False
    on = device_put(x), device_put(y), device_put(np.zeros((128, 128), x.dtype))
    from mlc.runtime.cuda import launch

    run = launch.load(many)
    pointers = [array.data.ptr for array in on]
    run(pointers)
    run(pointers)
    assert cupy.encoded == pointers[:2]  # described once
    wanted = x.astype(np.float64) @ y.astype(np.float64)
    np.testing.assert_array_equal(cupy.asnumpy(on[2]), wanted.astype(x.dtype))
    other = device_put(y)
    run([pointers[0], other.data.ptr, pointers[2]])
    assert cupy.encoded == [*pointers[:2], other.data.ptr]
    cupy.fail["encode"] = RuntimeError()
    with pytest.raises(DeviceError, match=r"describing an array to the driver failed: cuTensorMap"):
        run([on[2].data.ptr, pointers[1], pointers[2]])


def product_of_boxes(size: int) -> DeviceModule:
    """bfloat16 matrices, C = A B."""
    from mlc import te
    from mlc.compile_device import program_device_module
    from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule

    a, b = (te.placeholder((size, size), "bfloat16", name) for name in "AB")
    r = te.reduce_axis(size, "r")
    y = te.compute(
        (size, size),
        lambda i, j: te.sum(te.cast(a[i, r], "float32") * te.cast(b[r, j], "float32"), axis=r),
    )
    c = te.compute((size, size), lambda i, j: te.cast(y[i, j], "bfloat16"), name="C")
    machine = GpuMachine(processors=1, architecture="sm_90a")
    s = default_gpu_schedule(te.create_program([a, b, c], "product"), machine)
    made = program_device_module(s.program)
    assert any(isinstance(x, TensorMap) for x in made.launches[0].arguments)
    return made


def test_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def nothing(name: str, *rest: Any) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", nothing)
    tensor_maps._encoder.cache_clear()
    described = TensorMap(Argument("array", 0), "float16", (64, 64), (128,), (64, 64))
    with pytest.raises(UnsupportedError) as caught:
        tensor_maps.driver_map(described, 0)
    assert caught.value.message == (
        "none of libcuda.so.1, libcuda.so can be loaded, and kernels for sm_90a ask the driver to "
        "describe arrays; install NVIDIA's driver (see nvidia-smi), or use target='cuda-emulated'"
    )
