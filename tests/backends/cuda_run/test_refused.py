"""What the emulator says of kernels that are wrong, which a card would run and say nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mlc.errors import BoundsError, MlcError, SimulationError

Run = Callable[..., None]

HEAD = """extern "C" __global__ void k(const float* A, float* B) {
  MLC_SHARED(float, tile, 0);
  int t = threadIdx.x, i = blockIdx.x * 64 + t;
"""
WHO = r"the kernel k is wrong: thread \(\d+, 0, 0\) of block \(\d, 0, 0\) "
# body, what is raised, what is said after the thread
WRONG = {
    "no barrier": (
        "tile[t] = A[i]; B[i] = tile[63 - t];",
        SimulationError,
        r"(reads|writes) byte \d+ of shared memory, which thread \(\d+, 0, 0\) of its block "
        r"(wrote|read): no barrier lies between them",
    ),
    "no barrier at the end of a loop": (
        "for (int n = 0; n < 2; n++) { tile[t] = A[i] + n; mlc_barrier(); B[i] = tile[63 - t]; }",
        SimulationError,
        r"(reads|writes) byte \d+ of shared memory, which .*: no barrier lies between them",
    ),
    "a barrier of the warp alone": (
        "tile[t] = A[i]; mlc_syncwarp(); B[i] = tile[63 - t];",
        SimulationError,
        r"(reads|writes) byte \d+ of shared memory, which",
    ),
    "two threads write an element": (
        "tile[t / 2] = A[i]; mlc_barrier(); B[i] = tile[t / 2];",
        SimulationError,
        r"writes byte \d+ of shared memory, which .* wrote: no barrier lies between them",
    ),
    "two blocks write an element": (
        "if (t == 0) B[0] = 1.0f;",
        SimulationError,
        r"writes byte 0 of B, which a thread of another block wrote: nothing orders blocks of one "
        r"launch",
    ),
    "reads what another block writes": (
        "B[i] = A[i]; B[i] = B[127 - i];",
        SimulationError,
        r"(reads|writes) byte \d+ of B, which a thread of another block (wrote|read)",
    ),
    "an atomic and a plain access": (
        "if (t == 0) mlc_atomic_add(B, 1.0f); if (t == 33) B[0] = 1.0f;",
        SimulationError,
        r"writes byte 0 of B, which",
    ),
    "past the end": (
        "B[i + 1] = A[i];",
        BoundsError,
        r"writes bytes 512 to 515 of B, which has 512 bytes",
    ),
    "before the start": (
        "B[i] = A[i - 2];",
        BoundsError,
        r"reads bytes -(8|4) to -(5|1) of A, which has 512 bytes",
    ),
    "past shared memory": (
        "tile[t + 1] = A[i]; B[i] = 1.0f;",
        BoundsError,
        r"writes bytes 256 to 259 of shared memory, which has 256 bytes",
    ),
    "an atomic past the end": (
        "mlc_atomic_add(B + 128, 1.0f);",
        BoundsError,
        r"writes bytes 512 to 515 of B",
    ),
    "an asynchronous copy past the end": (
        "mlc_cp_async_4(tile + t, A + 128); mlc_cp_async_commit(); mlc_cp_async_wait<0>();",
        BoundsError,
        r"reads bytes 512 to 515 of A, which has 512 bytes",
    ),
    "a local array": (
        "int own[4] = {1, 2, 3, 4}; own[int(A[t]) % 4] += 1; B[i] = own[int(A[t])];",
        BoundsError,
        r"takes element \d+ of a local array, which is not there \(line 4\)",
    ),
    "null": ("B[i] = *(const float*)0;", BoundsError, "reads 4 bytes at an address that belongs"),
    "divergent barrier": (
        "if (t < 40) mlc_barrier(); else mlc_barrier_at(9); B[i] = A[i];",
        SimulationError,
        r"waits at the barrier of line 4, but thread .* waits at the barrier of line 9: all "
        r"threads of a block must reach the same barrier",
    ),
    "divergent barriers of one line": (
        "if (t < 40) mlc_barrier(); else mlc_barrier(); B[i] = A[i];",
        SimulationError,
        r"waits at the barrier of line 4, but thread .* waits at the barrier of line 4: these are "
        r"two, and all threads of a block must reach the same barrier",
    ),
    "ended before a barrier": (
        "if (t == 40) return; mlc_barrier(); B[i] = A[i];",
        SimulationError,
        r"waits at the barrier of line 4, but thread \(40, 0, 0\) of block \(\d, 0, 0\) has ended: "
        r"all threads of a block must reach the same barrier",
    ),
    "a lane that stays out of a shuffle": (
        "float v = A[i]; if (t != 7) v += mlc_shfl_down(v, 1); B[i] = v;",
        SimulationError,
        r"waits in mlc_shfl_down at line 4, but thread \(7, 0, 0\) of block \(\d, 0, 0\) has "
        r"ended: all lanes of a warp must take part in a warp operation",
    ),
    "lanes in different warp operations": (
        "float v = A[i]; if (t == 7) mlc_syncwarp(); else v += mlc_shfl_down(v, 1); B[i] = v;",
        SimulationError,
        r"waits in mlc_shfl_down at line 4, but .* waits in mlc_syncwarp at line 4",
    ),
    "division by zero": (
        "B[i] = float(7 / (t - 5));",
        SimulationError,
        r"divides an integer by zero, or the least one by -1 \(line 4\)",
    ),
    "a vector off its place": (
        "B[i] = i < 126 ? reinterpret_cast<const float2*>(A + i)->x : 0.0f;",
        SimulationError,
        r"accesses a vector at address 0x[0-9a-f]+, which is not a multiple of its size \(line 4\)",
    ),
    "nobody waits for a copy": (
        "mlc_cp_async_4(tile + t, A + i); mlc_cp_async_commit(); B[i] = A[i];",
        SimulationError,
        r"ends without waiting for its asynchronous copies",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_kernel_is_an_error(name: str, run: Run, order: str) -> None:
    body, error, said = WRONG[name]
    a, b = np.arange(128, dtype=np.float32), np.zeros(128, np.float32)
    with pytest.raises(error, match=WHO + said) as caught:
        run(HEAD + body + "\n}\n", [a, b], grid=2, block=64, shared=256)
    assert isinstance(caught.value, MlcError)


RIGHT = {
    "within a warp": "tile[t] = A[i]; mlc_syncwarp(); B[i] = tile[t ^ 1];",
    "barriers of one line": "for (int n = 0; n < 3; n++) { tile[t] = A[i]; mlc_barrier();"
    "B[i] = tile[63 - t]; mlc_barrier(); }",
    "halves of a word": "char* c = (char*)tile; c[t] = t; mlc_barrier(); B[i] = c[63 - t];",
    "many readers": "if (!t) tile[0] = A[0]; mlc_barrier(); B[i] = tile[0]; mlc_barrier();"
    "if (t == 9) tile[0] = 1.0f;",
    "after an error the next launch is clean": "B[i] = A[127 - i];",
    "a fence hands over between blocks": """
      MLC_SHARED(int, last, 0);
      if (t == 0) { B[blockIdx.x] = A[i]; mlc_threadfence();
        last[0] = mlc_atomic_add((int*)B + 2, 1) == 1; mlc_threadfence();
        if (last[0]) B[3] = B[0] + B[1]; }""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_kernel_is_none(name: str, run: Run, order: str) -> None:
    a, b = np.arange(128, dtype=np.float32), np.zeros(128, np.float32)
    run(HEAD + RIGHT[name] + "\n}\n", [a, b], grid=2, block=64, shared=256)


def test_an_uninitialised_element_of_shared_memory_is_nan(run: Run) -> None:
    b = np.zeros(128, np.float32)
    run(HEAD + "B[i] = tile[t];\n}\n", [b.copy(), b], grid=2, block=64, shared=256)
    assert np.isnan(b).all()
