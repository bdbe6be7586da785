"""The memory of large results: given again after it is freed, and never before."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.config import config
from mlc.errors import ArgumentError
from mlc.runtime import native_call, result_memory, symbols
from mlc.runtime.symbols import ALIGNED, LARGE

pytestmark = pytest.mark.skipif(
    not native_call.is_native(), reason="memory is kept where calls are native"
)
_SET_HANDLER = 304  # slot of PyDataMem_SetHandler in NumPy's C API
N = LARGE // 4 + 1000  # float32 elements of a result that is large enough


@mlc.jit
def filled(value: Any, like: Any) -> Any:
    return np.broadcast_to(value, like.shape) + like


@pytest.fixture(autouse=True)
def kept_memory() -> Iterator[None]:
    config.result_memory = 1 << 28
    like = np.zeros(N, np.float32)
    filled(like[:1], like)
    native_call.native_entry(build=True)
    mlc.release_memory()
    yield
    del config.result_memory
    mlc.release_memory()


LIKE = np.zeros(N, np.float32)


def make(value: float, n: int = N) -> Any:
    like = LIKE if n == N else np.zeros(n, np.float32)
    for _ in range(3 if native_call.native_entry(build=False) else 12):
        out = filled(np.full(1, value, np.float32), like)
        if handler_of(out) == "mlc_results":
            return out
        del out
    raise AssertionError("the native entry made no result")


def handler_of(array: Any) -> str:
    try:
        from numpy._core.multiarray import get_handler_name
    except ImportError:
        from numpy.core.multiarray import get_handler_name
    return str(get_handler_name(array))


def test_a_freed_result_gives_its_memory_to_the_next() -> None:
    first = make(1)
    address = first.ctypes.data
    assert first.flags.owndata and first.base is None and address % 4096 == 0
    del first
    assert result_memory.result_memory().kept >= N * 4
    second = make(2)
    assert second.ctypes.data == address
    assert result_memory.result_memory().kept == 0
    np.testing.assert_array_equal(second[[0, -1]], 2)


@pytest.mark.parametrize("size", [ALIGNED, 70_001, 5_000_000])
def test_results_begin_at_cache_lines(size: int) -> None:
    held = [make(value, size // 4) for value in range(5)]
    for value, array in enumerate(held):
        assert array.ctypes.data % 64 == 0
        assert array.flags.owndata and array.base is None
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned
        assert (array == value).all()
    first, second = held[:2]
    first.resize(size // 2, refcheck=False)
    assert (first[: size // 4] == 0).all() and not first[size // 4 :].any()
    second.resize(3, refcheck=False)
    np.testing.assert_array_equal(second, 1)
    del held
    assert result_memory.result_memory().kept == 0


def test_a_handler_that_is_set_makes_results() -> None:
    image = result_memory._loaded.image
    make(1, ALIGNED)
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(
        symbols.numpy_api()[_SET_HANDLER]
    )
    own = _Handler.from_buffer_copy(_Handler.from_address(image.address("mlc_results_handler")))
    own.name = b"somebody else's"
    new = ctypes.pythonapi["PyCapsule_New"]
    new.restype, new.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )
    name = b"mem_handler"
    old = set_handler(new(ctypes.addressof(own), name, None))
    try:
        array = filled(LIKE[:1], LIKE[:ALIGNED])
        assert handler_of(array) == "somebody else's"
        del array
    finally:
        set_handler(old)
    assert handler_of(filled(LIKE[:1], LIKE[:ALIGNED])) == "mlc_results"


def test_memory_that_a_view_reads_is_not_given_again() -> None:
    view = make(1)[100:200]
    second = make(2)
    assert not np.shares_memory(view.base, second)
    np.testing.assert_array_equal(view, 1)
    raw = memoryview(make(3))  # type: ignore[arg-type]
    fourth = make(4)
    assert raw[0] == 3 and fourth[0] == 4


def test_living_results_are_apart() -> None:
    held = [make(i) for i in range(4)]
    for i, array in enumerate(held):
        assert array[0] == array[-1] == i
    starts = sorted(a.ctypes.data for a in held)
    assert all(b - a >= N * 4 for a, b in pairwise(starts))


def test_a_much_smaller_result_gets_memory_of_its_own() -> None:
    large = make(1, 2 * N)
    address = large.ctypes.data
    del large
    assert make(2).ctypes.data != address
    assert result_memory.result_memory().kept >= 8 * N


def test_other_arrays_keep_numpys_memory() -> None:
    result = make(1)
    assert handler_of(np.empty(N, np.float32)) == handler_of(result + 1) == "default_allocator"
    assert handler_of(filled(LIKE[:1], LIKE[:100])) == "default_allocator"


def test_resize() -> None:
    array = make(7)
    array.resize(2 * N, refcheck=False)
    assert (array[: N : N // 7] == 7).all() and not array[N :: N // 7].any()
    array.resize(10, refcheck=False)
    np.testing.assert_array_equal(array, 7)
    array.resize(0, refcheck=False)
    array.resize(N, refcheck=False)
    assert not array[:: N // 7].any() and array.flags.owndata


def test_the_limit_is_kept_and_nothing_switches_it_off() -> None:
    config.result_memory = 5 * N
    held = [make(i) for i in range(3)]
    del held
    gc.collect()
    assert 4 * N <= result_memory.result_memory().kept <= 5 * N
    config.result_memory = 0
    assert result_memory.result_memory().kept == 0
    array = filled(LIKE[:1], LIKE)
    assert handler_of(array) == "default_allocator"
    del config.result_memory
    assert result_memory.result_memory().limit == config.result_memory > 0


def test_a_block_beyond_the_limit_is_freed_and_older_ones_stay() -> None:
    config.result_memory = 6 * N
    small, large = make(1), make(2, 2 * N)
    address = small.ctypes.data
    del small
    del large
    assert make(3).ctypes.data == address


def test_release_memory_says_how_much_it_was() -> None:
    del config.result_memory
    config.result_memory = "200M"
    array = make(1)
    del array
    assert mlc.release_memory() >= 4 * N
    assert mlc.release_memory() == 0 == result_memory.result_memory().kept


def test_a_size_is_wanted() -> None:
    expected = (
        "mlc.config.result_memory is -1, but a size is a number of bytes, or text such as "
        "'512M' or '2G'."
    )
    with pytest.raises(ArgumentError) as caught:
        config.result_memory = -1
    assert str(caught.value).splitlines()[0] == expected


@pytest.mark.parametrize("n", [N, 1 << 16])
def test_tracemalloc_counts_results(n: int) -> None:
    like = np.zeros(n, np.float32)
    filled(like[:1], like)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        array = filled(like[:1], like)
        assert handler_of(array) == "mlc_results"
        assert 4 * n <= tracemalloc.get_traced_memory()[0] - before < 4 * n + 10_000
        del array
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()


def test_debug_mode() -> None:
    with config.override(debug=True):
        for value in range(12):
            array = filled(np.full(1, value, np.float32), LIKE)
            assert array[0] == array[-1] == value
            del array


class _Handler(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in ("malloc", "calloc", "realloc", "free")),
    )


def functions() -> tuple[Any, Any, Any, Any]:
    make(0)
    image = result_memory._loaded.image
    handler = _Handler.from_address(image.address("mlc_results_handler"))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    return (
        ctypes.CFUNCTYPE(pointer, pointer, size)(handler.malloc),
        ctypes.CFUNCTYPE(pointer, pointer, size, size)(handler.calloc),
        ctypes.CFUNCTYPE(pointer, pointer, pointer, size)(handler.realloc),
        ctypes.CFUNCTYPE(None, pointer, pointer, size)(handler.free),
    )


def churn(seed: int, turns: int, failures: list[str]) -> None:
    """Random requests of a handler; what lives has its number at its first and last 8 bytes."""
    malloc, calloc, realloc, free = functions()
    choose = random.Random(seed)
    living: dict[int, tuple[int, int]] = {}  # address: size, number

    def mark(address: int, size: int, number: int) -> None:
        for at in (address, address + (size - 8) // 8 * 8):
            ctypes.c_uint64.from_address(at).value = number
        living[address] = size, number

    for turn in range(turns):
        number = seed << 32 | turn
        size = choose.choice([100, LARGE - 1, LARGE, LARGE + 5000, 2 * LARGE]) + choose.randrange(9)
        match choose.randrange(5):
            case 0 | 1:
                mark(malloc(None, size), size, number)
            case 2 if turn % 9 == 0:
                address = calloc(None, size, 1)
                if any(ctypes.string_at(address, 4096 if size > 4096 else size)):
                    failures.append("zeros are not zero")
                mark(address, size, number)
            case 3 if living and turn % 3 == 0:
                address = choose.choice(list(living))
                _, was = living.pop(address)
                address = realloc(None, address, size)
                if ctypes.c_uint64.from_address(address).value != was:
                    failures.append("a resized block lost what it held")
                mark(address, size, number)
            case _ if living:
                address = choose.choice(list(living))
                size, was = living.pop(address)
                for at in (address, address + (size - 8) // 8 * 8):
                    if ctypes.c_uint64.from_address(at).value != was:
                        failures.append("two blocks had the same memory")
                free(None, address, size)
        if len(living) > 6:
            address = next(iter(living))
            free(None, address, living.pop(address)[0])
    for address, (size, _) in living.items():
        free(None, address, size)


def test_a_thousand_requests() -> None:
    failures: list[str] = []
    churn(1, 1000, failures)
    assert not failures
    assert 0 < result_memory.result_memory().kept <= config.result_memory


def test_threads() -> None:
    failures: list[str] = []
    threads = [threading.Thread(target=churn, args=(seed, 200, failures)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert 0 < result_memory.result_memory().kept <= config.result_memory
    mlc.release_memory()
    assert result_memory.result_memory().kept == 0


def test_impossible_sizes_are_refused() -> None:
    malloc, calloc, realloc, free = functions()
    block = malloc(None, 64)
    assert malloc(None, 1 << 63) is None
    assert calloc(None, 1 << 40, 1 << 40) is None
    assert realloc(None, block, 1 << 63) is None
    free(None, block, 64)
    free(None, None, 0)
    first = realloc(None, None, 64)
    assert first
    free(None, first, 64)


def _in_child(address: int, answers: Any) -> None:
    again = make(5)
    answers.put((again.ctypes.data == address, float(again[-1])))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_memory_of_its_own() -> None:
    held, freed = make(3), make(4)
    address = freed.ctypes.data
    del freed
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(address, answers))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert answers.get() == (True, 5.0)
    assert held[0] == 3 and make(6).ctypes.data == address


def test_results_may_outlive_everything() -> None:
    code = (
        "import sys, mlc, numpy as np\n"
        "f = mlc.jit(lambda a: a + 1)\n"
        f"a = np.ones({N}, np.float32)\n"
        "for _ in range(12): kept = f(a)\n"
        "del kept; kept = f(a)\n"
        "sys.kept, sys.modules['late'] = kept, [kept]\n"
        "from mlc.runtime.result_memory import result_memory\n"
        "print(result_memory().reused > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_program_with_few_long_results_loads_nothing_of_it() -> None:
    code = (
        "import sys, mlc, numpy as np\n"
        "f = mlc.jit(lambda a: a + 1)\n"
        "name = 'mlc.runtime.result_memory'\n"
        "def calls(n, times=12):\n"
        "    a = np.ones(n)\n"
        "    kept = [f(a) for _ in range(times)]\n"
        "    return name in sys.modules, sum(a.ctypes.data % 64 > 0 for a in kept)\n"
        f"print(calls(100)[0], calls(512)[0], calls(513, {symbols.MANY})[0], calls(513)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False False True 0\n"), done.stderr


def kept_workspaces() -> int:
    """Bytes of the blocks that are kept."""
    return sum(1 << size for size, block in enumerate(symbols._workspace_cells) if block)


def test_workspaces_are_kept_up_to_a_limit() -> None:
    @mlc.jit
    def sorted_twice(x: Any) -> Any:
        return np.sort(np.sort(x)[::-1] * 2.0)[:8]

    x = np.random.default_rng(0).random(1 << 20)  # a workspace of more than 8 MB
    small = x[: 1 << 15]

    def kept(argument: Any) -> int:
        mlc.release_memory()
        for _ in range(3):
            np.testing.assert_array_equal(sorted_twice(argument), 2 * np.sort(argument)[:8])
        return kept_workspaces()

    try:
        config.workspace_memory = "1G"
        whole = kept(x)
        assert whole > 8 << 20
        config.workspace_memory = 2 * whole - 1  # less than two of the size: it is not kept
        assert kept_workspaces() == kept(x) == 0
        few = kept(small)
        assert 1 << 18 < few < whole
        sorted_twice(small)
        config.workspace_memory = 0
        assert kept_workspaces() == kept(small) == 0
        config.workspace_memory = 2 * whole
        assert kept(x) == whole
        assert 0 < kept(small) + whole < 2 * whole
    finally:
        del config.workspace_memory
