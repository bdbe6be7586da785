"""Arguments of the wrong kind: every step says which, and what it takes instead."""

import contextlib
import inspect
import re

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.schedules import lookup
from mlc.schedules.arguments import KINDS, _parts, misfit
from mlc.schedules.schedule import step_method

N = 16


@T.program
def mm_relu(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    Y = T.alloc((N, N))
    for i, j, k in T.grid(N, N, N):
        with T.block("Y"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                Y[vi, vj] = 0.0
            Y[vi, vj] += A[vi, vk] * B[vk, vj]
    for i, j in T.grid(N, N):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = T.max(Y[vi, vj], 0.0)


JUNK = [None, 3, -1, 2.5, float("nan"), "nope", (), [], {"a": 1}, object(), True, b"x", len]


def annotations(wanted):
    while wanted:
        first, _, wanted = _parts(wanted)
        yield from annotations(first[9:-1]) if first.startswith("Sequence[") else [first]


@pytest.mark.parametrize("name", lookup.step_names())
def test_every_annotation_is_understood(name):
    for parameter in list(inspect.signature(step_method(name)).parameters.values())[1:]:
        if parameter.name != "unsafe":
            assert set(annotations(str(parameter.annotation))) <= set(KINDS), parameter


@pytest.mark.parametrize("name", lookup.step_names())
def test_no_error_of_pythons_leaves_a_step(name):
    own = list(inspect.signature(step_method(name)).parameters.values())[1:]
    for place in range(len(own)):
        for wrong in JUNK:
            s = mlc.Schedule(mm_relu)
            i, _, _ = s.loops("Y")
            good = {"Var": i, "int": 1, "str": "Y", "bool": False, "Callable[..., Any]": None}
            args = [next((good[k] for k in annotations(str(p.annotation)) if k in good), "Y")
                    for p in own]  # fmt: skip
            args[place] = wrong
            with contextlib.suppress(mlc.MlcError):
                getattr(s, name)(*args)


def refusal(step):
    s = mlc.Schedule(mm_relu)
    with pytest.raises(mlc.ScheduleError) as caught:
        step(s, *s.loops("Y"))
    assert caught.value.location is not None and caught.value.location.filename == __file__
    return caught.value.message


def test_what_is_wrong_is_said_in_words():
    assert refusal(lambda s, i, j, k: s.compute_inline(3)) == (
        "s.compute_inline(block) takes a block or its name as block, got 3"
    )
    assert refusal(lambda s, i, j, k: s.reindex("Y", ("read", 0))) == (
        "s.reindex(block, buffer, place) takes a buffer or its name or an integer as buffer, "
        "got ('read', 0)"
    )
    assert refusal(lambda s, i, j, k: s.pad_einsum("Y", 16)) == (
        "s.pad_einsum(block, paddings) takes a list (an integer each) as paddings, got 16"
    )
    assert refusal(lambda s, i, j, k: s.loop_partition(i, [4, "x"])).startswith(
        "loop_partition refused: loop i is cut at rising points between 1 and 15, got [4, 'x']"
    )
    assert refusal(lambda s, i, j, k: s.transform_layout("Y", lambda i, j: (j, i))) == (
        "s.transform_layout(block, buffer, index_map, pad_value) needs index_map, a function or a "
        "name"
    )
    assert refusal(lambda s, i, j, k: s.cache_read("Y", 0)).startswith(
        "s.cache_read(block, buffer, scope, consumers) needs scope, a memory: 'local' (of one "
        "thread: registers, or a small array), 'global', 'shared'"
    )
    assert refusal(lambda s, i, j, k: s.split()) == (
        "s.split(loop, factors, tail) needs loop, a loop from s.loops(...); and factors, a list "
        "(an integer or None each)"
    )
    assert refusal(lambda s, i, j, k: s.split(i, [2], factor=3)) == (
        "s.split(loop, factors, tail): got an unexpected keyword argument 'factor'"
    )
    assert refusal(lambda s, i, j, k: s.annotate(i, k, 1)).startswith(
        "annotate refused: the key of a hint is a string, got k"
    )


def test_errors_of_the_users_own_functions_stay():
    s = mlc.Schedule(mm_relu)

    def wrong(i, j):
        return i + None

    with pytest.raises(TypeError) as caught:
        s.transform_layout("Y", "Y", wrong)
    assert "takes" not in str(caught.value)


def test_arguments_that_fit_are_no_misfits():
    s = mlc.Schedule(mm_relu)
    i, _, k = s.loops("Y")
    assert not misfit(step_method("split"), (s, i, [None, 4]), {"tail": "cut"})
    assert not misfit(step_method("reorder"), (s, k, i), {})
    assert not misfit(step_method("compute_inline"), (s, s.block("Y")), {})


@T.program
def histogram(I: T.Buffer((N,), "int32"), H: T.Buffer((8,), "int32")):
    for i in T.serial(N):
        with T.block("H"):
            vi = T.axis.reduce(N, i)
            H[I[vi]] += 1


def test_an_index_of_any_integer_type_is_taken():
    places, counts = np.arange(N, dtype=np.int32) % 8, np.zeros(8, np.int32)
    mlc.build(histogram)(places, counts)
    assert counts.tolist() == [2] * 8
    assert "H[T.int64(I[vi])] += 1" in histogram.script()


def test_no_step_is_advised_that_would_be_refused():
    s = mlc.Schedule(histogram)
    (i,) = s.loops("H")
    advice = "take a loop that feeds spatial axes only; s.rfactor(i) would do if block 'H' had its"
    with pytest.raises(mlc.NotProvenError, match=re.escape(advice)):
        s.parallel(i)
    with pytest.raises(mlc.ScheduleError, match="is not a reduction with an init"):
        s.rfactor(i)
