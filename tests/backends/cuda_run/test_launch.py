"""Launches over a stand-in for the driver: what it is told is what the modules say."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.errors import ArgumentError, DeviceError, DeviceMemoryError, UnsupportedError
from mlc.runtime.cuda import card, launch
from mlc.runtime.cuda.arrays import device_put, read
from mlc.runtime.cuda.host import OnCard

from .fake_cupy import FakeCuPy, Problem

TWO = DeviceModule(
    "two",
    """
    extern "C" __global__ void first(const int* A, int* W) { W[threadIdx.x] = A[threadIdx.x] * 2; }
    extern "C" __global__ void second(const int* W, int* B) {
      MLC_SHARED(int, t, 0);
      t[threadIdx.x] = W[threadIdx.x];
      mlc_barrier();
      B[threadIdx.x] = t[31 - threadIdx.x] + 1;
    }
    """,
    (
        Launch(
            "first", (1, 1, 1), (32, 1, 1), 0, (Argument("array", 0), Argument("workspace", 256))
        ),
        Launch(
            "second",
            (1, 1, 1),
            (32, 1, 1),
            60000,
            (Argument("workspace", 256), Argument("array", 1)),
        ),
    ),
    512,
)


def arrays(cupy: FakeCuPy) -> tuple[Any, Any]:
    return cupy.asarray(np.arange(32, dtype=np.int32)), cupy.empty((32,), np.int32)


def test_what_is_made_for_other_cards_is_refused(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    with pytest.raises(UnsupportedError) as caught:
        launch.load(replace(TWO, architecture="sm_12a"))([a.data.ptr, b.data.ptr])
    assert caught.value.message == (
        "two was made for sm_12a alone, and card 0 is sm_90a; set mlc.config.cuda_architecture to "
        "None before it is compiled"
    )


@pytest.mark.parametrize("version", [13, 14])
def test_a_workspace_is_of_the_stream_that_uses_it(cupy: FakeCuPy, version: int) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    if version > 13:
        old, cupy.cuda.ExternalStream = cupy.cuda.ExternalStream, None  # it warns that it goes
        cupy.cuda.Stream.from_external = lambda given: old(given.__cuda_stream__()[1])
    run([a.data.ptr, b.data.ptr], stream=7)
    run([a.data.ptr, b.data.ptr])
    assert cupy.allocated_on == [7, 0]
    assert [each.stream for each in cupy.launches] == [7, 7, 0, 0]


def test_another_thread_launches_what_this_one_has_loaded(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    run([a.data.ptr, b.data.ptr])
    b[:] = 0
    thread = threading.Thread(target=run, args=([a.data.ptr, b.data.ptr],))
    thread.start()
    thread.join()
    assert (b.held == 2 * np.arange(31, -1, -1) + 1).all()


def test_a_module_is_launched_in_order(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    cupy.streams.number = 77
    run([a.data.ptr, b.data.ptr])
    np.testing.assert_array_equal(b.get(), np.arange(32)[::-1] * 2 + 1)
    told = [(x.kernel, x.grid, x.block, x.shared, x.stream) for x in cupy.launches]
    one, many = (1, 1, 1), (32, 1, 1)
    assert told == [("first", one, many, 0, 77), ("second", one, many, 60000, 77)]
    assert cupy.shared_asked == {"second": 60000}  # above 48 KiB a kernel has to ask
    assert cupy.allocated == [512]


def test_code_is_made_once_for_each_card(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    for number in (0, 0, 1, 1):
        cupy.current = number
        run([a.data.ptr, b.data.ptr], stream=5)
    assert cupy.compiled == [("two", "sm_90a"), ("two", "sm_80")]
    assert len(cupy.loaded) == 2
    assert [x.device for x in cupy.launches] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert {x.stream for x in cupy.launches} == {5}


def test_what_a_captured_graph_needs_is_kept(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    run([a.data.ptr, b.data.ptr])
    assert run._captured == []
    cupy.capturing = True
    run([a.data.ptr, b.data.ptr])
    assert len(run._captured) == 1


def test_a_first_call_is_captured_by_no_graph(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    cupy.capturing = True
    with pytest.raises(UnsupportedError, match=r"two has not run on card 0 yet: .* once before"):
        run([a.data.ptr, b.data.ptr])
    assert not cupy.loaded and not cupy.compiled


def test_a_workspace_of_the_callers(cupy: FakeCuPy) -> None:
    a, b = arrays(cupy)
    space = cupy.empty((512,), np.uint8)
    launch.load(TWO)([a.data.ptr, b.data.ptr], space.data.ptr)
    assert cupy.allocated == []
    np.testing.assert_array_equal(space.get()[256:384].view(np.int32), np.arange(32) * 2)


@pytest.mark.parametrize(
    ("what", "problem", "kind", "said"),
    [
        (
            "launch",
            Problem("CUDA_ERROR_INVALID_VALUE: invalid argument"),
            DeviceError,
            "launching the kernel first (grid (1, 1, 1), 32 threads and 0 bytes of shared memory a "
            "block) failed: CUDA_ERROR_INVALID_VALUE: invalid argument; python -m mlc doctor says "
            "what is installed here",
        ),
        (
            "launch",
            Problem("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", 700),
            DeviceError,
            "launching the kernel first (grid (1, 1, 1), 32 threads and 0 bytes of shared memory a "
            "block) failed: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered; "
            "a kernel that was launched before, maybe this one, did wrong, and this process cannot "
            "use the card any more: begin anew, and call the function with target='cuda-emulated', "
            "which says which access was wrong",
        ),
        (
            "launch",
            Problem("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many resources requested", 701),
            DeviceError,
            "launching the kernel first (grid (1, 1, 1), 32 threads and 0 bytes of shared memory a "
            "block) failed: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many resources requested; a "
            "block of it asks for more registers or threads than this card has; bind fewer threads "
            "in its schedule",
        ),
        (
            "load",
            Problem("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available", 209),
            DeviceError,
            "loading the kernels of two failed: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is "
            "available; the driver is for CUDA 13.2, and NVRTC may be newer: pip install "
            "'mlc[cuda13]' (or 'mlc[cuda12]' for a driver older than version 580)",
        ),
        (
            "alloc",
            MemoryError("Out of memory allocating 512 bytes"),
            DeviceMemoryError,
            "allocating a workspace of 512 bytes for <CUDA module two> ran out of memory on the "
            "card: Out of memory allocating 512 bytes; free what is held "
            "(cupy.get_default_memory_pool().free_all_blocks()), or use smaller arrays",
        ),
        (
            "load",
            Problem("CUDA_ERROR_OUT_OF_MEMORY: out of memory", 2),
            DeviceMemoryError,
            "loading the kernels of two ran out of memory on the card: CUDA_ERROR_OUT_OF_MEMORY: "
            "out of memory; free what is held (cupy.get_default_memory_pool().free_all_blocks()), "
            "or use smaller arrays",
        ),
    ],
)
def test_errors_name_the_kernel(
    cupy: FakeCuPy, what: str, problem: Exception, kind: type[Exception], said: str
) -> None:
    a, b = arrays(cupy)
    run = launch.load(TWO)
    cupy.fail[what] = problem
    with pytest.raises(kind) as caught:
        run([a.data.ptr, b.data.ptr])
    assert caught.value.message == said  # type: ignore[attr-defined]
    del cupy.fail[what]
    run([a.data.ptr, b.data.ptr])
    assert b.get()[0] == 63


def test_shared_memory_that_a_card_has_not(cupy: FakeCuPy) -> None:
    cupy.fail["attribute"] = Problem("CUDA_ERROR_INVALID_VALUE: invalid argument")
    both = (Argument("array", 0), Argument("array", 1))
    large = Launch("first", (1, 1, 1), (32, 1, 1), 200 << 10, both)
    with pytest.raises(DeviceError) as caught:
        launch.load(DeviceModule("large", TWO.source, (large,), 0))([0, 0])
    assert caught.value.message.startswith(
        "asking for 204800 bytes of shared memory for each block of the kernel first failed: CUDA_E"
    )


def test_host_arrays_are_copied_there_and_back(cupy: FakeCuPy) -> None:
    a, b = np.arange(32, dtype=np.int32), np.zeros(32, np.int32)
    OnCard(lambda: TWO).run([a], [b])
    np.testing.assert_array_equal(b, a[::-1] * 2 + 1)


def test_host_arrays_keep_their_strides(cupy: FakeCuPy) -> None:
    source = """extern "C" __global__ void k(const int* A, int* B) {
      B[threadIdx.x * 2] = A[-(int)threadIdx.x]; }"""
    both = (Argument("array", 0), Argument("array", 1))
    module = DeviceModule("k", source, (Launch("k", (1, 1, 1), (8, 1, 1), 0, both),), 0)
    a, b = np.arange(8, dtype=np.int32), np.full((8, 2), -1, np.int32)
    OnCard(lambda: module).run([a[::-1]], [b[:, 0]])
    np.testing.assert_array_equal(b, np.stack([a[::-1], np.full(8, -1)], 1))


def test_arrays_on_a_card_are_read_without_a_copy(cupy: FakeCuPy) -> None:
    a = cupy.asarray(np.arange(12.0).reshape(3, 4))
    found, part = read(a), read(a[:, ::2])
    assert found is not None and part is not None
    assert (found.pointer, found.shape, found.strides) == (a.data.ptr, (3, 4), None)
    assert (part.pointer, part.shape, part.strides) == (a.data.ptr, (3, 2), (32, 16))
    assert found.overlaps(part) and not found.overlaps(read(cupy.asarray(np.ones(3))))  # type: ignore[arg-type]
    assert read(np.ones(3)) is None and read(1.0) is None and read("cuda") is None


def test_device_put(cupy: FakeCuPy) -> None:
    a = device_put([1, 2, 3], "cuda:1")
    assert a.device.id == 1 and a.get().tolist() == [1, 2, 3]
    assert device_put(a, 1) is a
    assert device_put(a, 0).device.id == 0 and cupy.current == 0
    with pytest.raises(TypeError, match="a card is a number, or text such as 'cuda:0', got 'gpu'"):
        device_put(a, "gpu")
    for wrong in (-1, 1.0, None, True):
        with pytest.raises(ArgumentError, match="a card is a number, or text"):
            device_put(a, wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="card 2 was asked for, and this process sees cards 0 "):
        device_put(a, "cuda:2")
    for several in ({"w": np.ones(3)}, "text", [{}, {}]):
        with pytest.raises(
            ArgumentError, match=r"copies one array of numbers, got \w+; call it for"
        ):
            device_put(several)


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedError) as caught:
        card.card.__wrapped__()
    assert caught.value.message == (
        "target 'cuda' launches kernels through CuPy, which is not installed; pip install "
        "'mlc[cuda13]' (or 'mlc[cuda12]' for a driver older than version 580), or use "
        "target='cuda-emulated' to run them on the processor"
    )


@pytest.mark.parametrize("count", [Problem("cudaErrorInsufficientDriver: too old"), 0])
def test_no_driver_and_no_card(count: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    made = FakeCuPy()

    def get_count() -> int:
        if isinstance(count, Exception):
            raise count
        return int(count)

    made.cuda.runtime.getDeviceCount = get_count
    monkeypatch.setitem(sys.modules, "cupy", made)
    monkeypatch.setattr(card, "find_spec", lambda name: True)
    said = "the driver has none" if count == 0 else "cudaErrorInsufficientDriver: too old; install"
    with pytest.raises(UnsupportedError, match=said):
        card.card.__wrapped__()


def test_cupy_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(card, "find_spec", lambda name: True)

    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "cupy":
                try:
                    raise ModuleNotFoundError("No module named 'cuda'")
                except ModuleNotFoundError as error:
                    raise ImportError("=====\nFailed to import CuPy.\n=====") from error

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    said = "installed and cannot be imported: No module named 'cuda'; install it anew"
    with pytest.raises(UnsupportedError, match=said):
        card.card.__wrapped__()
