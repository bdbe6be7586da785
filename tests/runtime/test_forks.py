"""What a forked child finds: locks that others held, and code in which others were tracing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm import library
from mlc.forks import free_after_fork
from mlc.runtime import cache, threads
from mlc.tracer import creation

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
HALF = 0.5


def in_child(work: Callable[[], bool]) -> None:
    """``work`` is true in a forked child, and ends there within ten seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(0 if work() else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, "the child hung" if os.WIFSIGNALED(status) else "the child went wrong"


class Held:
    """An object with a lock that another thread holds in the block."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        free_after_fork(self)


@pytest.mark.parametrize(
    "owner",
    [Held(threading.Lock()), Held(threading.RLock()), cache, creation, threads],
    ids=lambda owner: getattr(owner, "__name__", str(type(getattr(owner, "_lock", None)))),
)
def test_locks_of_others_are_free(owner: Any) -> None:
    entered, done = threading.Event(), threading.Event()

    def hold() -> None:
        with owner._lock:
            entered.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(5)
    before = owner._lock
    try:
        in_child(lambda: owner._lock.acquire(timeout=5))
        assert owner._lock is before and not before.acquire(blocking=False)
    finally:
        done.set()
        thread.join()


def test_a_fork_inside_of_a_lock() -> None:
    held = Held(threading.RLock())

    def leave() -> bool:
        with held._lock:
            return True

    with held._lock:
        child = os.fork()
    if child == 0:
        os._exit(0 if leave() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_functions_that_others_compile_can_be_called() -> None:
    tracing, forked = threading.Event(), threading.Event()

    @mlc.jit
    def slow(x):
        if threading.current_thread() is not threading.main_thread():
            tracing.set()
            forked.wait()
        return np.zeros(3) + x * HALF

    x = np.arange(3.0)
    thread = threading.Thread(target=lambda: slow(x))
    thread.start()
    tracing.wait()
    assert np is not sys.modules["numpy"], "while a function is traced, NumPy is the stand-in"
    try:
        in_child(lambda: np is sys.modules["numpy"] and slow(x).tolist() == [0.0, 0.5, 1.0])
    finally:
        forked.set()
        thread.join()
    assert np is sys.modules["numpy"]
    assert slow(x).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("lock", ["ours", "llvmlite"])
def test_a_fork_waits_for_threads_inside_of_llvm(lock: str) -> None:
    from llvmlite.binding import ffi

    entered, left = threading.Event(), threading.Event()

    def work() -> None:
        with library._in_use() if lock == "ours" else ffi.lib._lock:
            entered.set()
            time.sleep(0.1)
            left.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(5)
    x = np.arange(3.0)
    compiled = mlc.jit(lambda x: np.exp(x) * HALF)
    in_child(lambda: left.is_set() and not library._users and "ret" in compiled.lower(x).asm)
    thread.join()
    assert "ret" in compiled.lower(x).asm


IMPORTS = """
import os, signal, sys, threading, time
import numpy as np
import mlc

x = np.ones((8, 8))
compiled = mlc.jit(lambda x: np.exp(x) @ x.T + np.sort(x).sum())
thread = threading.Thread(target=compiled, args=(x,))
thread.start()
time.sleep(float(sys.argv[1]))
child = os.fork()
if child == 0:
    signal.alarm(10)
    mlc.jit(lambda x: np.tanh(x) + np.sort(x))(x)
    os._exit(0)
thread.join()
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize("after", [0.002, 0.01])
def test_a_fork_waits_for_imports_of_other_threads(tmp_path: Path, after: float) -> None:
    environment = {**os.environ, "MLC_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", IMPORTS, str(after)]
    assert subprocess.run(command, env=environment).returncode == 0
