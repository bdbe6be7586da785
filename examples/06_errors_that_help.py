"""Mistakes, and what mlc says to them: what was expected, what came, where, what to do instead."""

import numpy as np

import mlc
from mlc import te

x = np.ones((4, 8), np.float32)


@mlc.jit
def shapes_that_do_not_fit(a):
    return a @ a


@mlc.jit
def a_loop_that_changes_a_shape(a):
    while a[0, 0] > 0:
        a = np.concatenate([a, a], axis=1) - 1
    return a


@mlc.jit
def a_numpy_function_that_cannot_be_traced(a):
    return np.array2string(a @ a.T)


@mlc.jit
def a_tracer_that_leaks(a):
    using_the_leaked_tracer.kept = a
    return a + 1


def using_the_leaked_tracer():
    a_tracer_that_leaks(x)
    return using_the_leaked_tracer.kept * 2


def an_index_out_of_bounds():
    A = te.placeholder((10,), "float32", name="A")
    return te.compute((10,), lambda i: A[i + 1], name="shifted")


@mlc.jit
def an_argument_of_the_wrong_kind(a, name):
    return a + name


mistakes = [
    lambda: shapes_that_do_not_fit(x),
    lambda: a_loop_that_changes_a_shape(x),
    lambda: a_numpy_function_that_cannot_be_traced(x),
    using_the_leaked_tracer,
    an_index_out_of_bounds,
    lambda: an_argument_of_the_wrong_kind(x, object()),
]
for mistake in mistakes:
    try:
        mistake()
    except mlc.MlcError as error:
        print(f"{type(error).__name__}: {error}\n")
    else:
        raise SystemExit("a mistake went through unseen")
