"""Signatures of a function that has many: those in use are tried first."""

import ctypes
import threading

import numpy as np
import pytest

import mlc
from mlc.runtime.native_call import first_signature, is_native

pytestmark = pytest.mark.skipif(not is_native(), reason="calls are not native here")
COUNT = 14


@pytest.fixture(scope="module")
def many():
    @mlc.jit
    def shifted(x):
        return x + 1

    for n in range(1, COUNT + 1):
        for _ in range(3):
            shifted(np.zeros(n, np.float32))
    return shifted


def chain(function):
    found = []
    address = first_signature(function)
    while address:
        found.append(address)
        address = ctypes.c_void_p.from_address(address).value or 0
    return found


def test_the_last_of_many_signatures_moves_to_the_front(many):
    before = chain(many)
    assert len(before) == COUNT
    assert many(np.zeros(1, np.float32)).tolist() == [1]
    after = chain(many)
    assert after == [before[-1], *before[:-1]]
    many(np.zeros(1, np.float32))
    many(np.zeros(COUNT, np.float32))  # the second of them: near enough
    assert chain(many) == after


def test_each_is_still_found_in_any_order(many):
    order = np.random.default_rng(0).integers(1, COUNT + 1, 200)
    for n in order:
        assert many(np.zeros(n, np.float32)).shape == (n,)
    assert len(set(chain(many))) == COUNT
    assert len(many.cache_info().rows) == COUNT


def test_a_new_signature_and_debug_mode_keep_the_others(many):
    many(np.zeros(1, np.float32))
    many(np.zeros(2, np.float32))
    known = set(chain(many))
    mlc.config.debug = True
    try:
        assert not chain(many)
    finally:
        mlc.config.debug = False
    assert set(chain(many)) == known
    for _ in range(3):
        many(np.zeros(COUNT + 1, np.float32))
    assert set(chain(many)) > known and len(chain(many)) == len(known) + 1


def test_threads_that_reorder_at_once_lose_none(many):
    known = set(chain(many))
    wrong = []

    def call(seed):
        for n in np.random.default_rng(seed).integers(1, COUNT + 1, 2000):
            if many(np.zeros(n, np.float32)).shape != (n,):
                wrong.append(n)

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and set(chain(many)) == known and len(chain(many)) == len(known)
