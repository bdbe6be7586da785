"""Accesses of shared memory are counted by the turns that its banks take."""

import numpy as np
import pytest

import mlc
from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.runtime.cuda import emulate
from mlc.testing.cuda import counting

SOURCE = """
extern "C" __global__ void strided(const float *x, float *y) {
  MLC_SHARED(float, tile, 0);
  tile[threadIdx.x * STEP] = x[threadIdx.x];
  mlc_barrier();
  y[threadIdx.x] = tile[(31 - threadIdx.x % 32) * STEP];
}
"""


def strided(step):
    arrays = (Argument("array", 0), Argument("array", 1))
    launch = Launch("strided", (1, 1, 1), (64, 1, 1), 4 * 64 * step, arrays)
    return DeviceModule("strided", SOURCE.replace("STEP", str(step)), (launch,), 0)


@pytest.mark.parametrize("step, turns", [(1, 1), (2, 2), (8, 8), (32, 32), (33, 1)])
def test_words_of_one_bank_take_turns(step, turns):
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    with counting() as counted:
        emulate.run_arrays(strided(step), [x, y])
    written, read = sorted(counted.accesses, key=lambda access: access.line)
    assert (written.line, written.is_write, read.line, read.is_write) == (4, True, 6, False)
    assert written.text == f"tile[threadIdx.x * {step}] = x[threadIdx.x];"
    for access in (written, read):
        assert (access.bytes, access.accesses, access.least) == (4, 2, 2)
        assert (access.turns, access.conflicts) == (2 * turns, turns - 1)


def test_all_threads_may_read_one_word():
    module = strided(1)
    source = module.source.replace("(31 - threadIdx.x % 32)", "7")
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    with counting() as counted:
        emulate.run_arrays(DeviceModule("same", source, module.launches, 0), [x, y])
    assert (y == 7).all()
    assert [access.conflicts for access in counted.accesses] == [0, 0]
    assert "2 warps reads 4 bytes a thread in 2 turns, 2 at least" in str(counted)


def test_nothing_is_counted_elsewhere():
    x = np.zeros((64, 64), np.float32)
    turned = mlc.jit(lambda x: x.T + 1, target="cuda-emulated")
    with counting() as counted:
        turned(x)
    count = len(counted.accesses)
    assert count == 2
    turned(x)
    assert len(counted.accesses) == count
