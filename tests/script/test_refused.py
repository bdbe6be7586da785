"""What a program by hand is refused for, in these words, and at which line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import mlc
from mlc import script as T
from mlc.errors import MlcError

CASES: dict[str, tuple[Callable[..., None], str]] = {}


def refused(*parts: str) -> Callable[[Callable[..., None]], None]:
    """The function becomes a case: its text must be refused in words that hold all ``parts``.

    The line that is at fault carries the comment ``# here``.
    """

    def decorate(function: Callable[..., None]) -> None:
        CASES[function.__name__] = (function, parts)  # type: ignore[assignment]

    return decorate


@refused("axis vi of block 'C' has extent 128 but its binding i covers 0..126")
def the_loop_is_short(A: T.Buffer((128,)), C: T.Buffer((128,))) -> None:
    for i in T.serial(127):
        with T.block("C"):
            vi = T.axis.spatial(128, i)  # here
            C[vi] = A[vi]


@refused("has extent 128 but its binding i covers 0..129, and leaves the axis at i=128",
         "T.where(i < 128)")  # fmt: skip
def the_loop_is_long(A: T.Buffer((128,)), C: T.Buffer((128,))) -> None:
    for i in T.serial(130):
        with T.block("C"):
            vi = T.axis.spatial(128, i)  # here
            C[vi] = A[vi]


@refused("leaves the axis at i=2, j=3")
def the_guard_is_wrong(A: T.Buffer((11,)), C: T.Buffer((11,))) -> None:
    for i, j in T.grid(3, 4):
        with T.block("C"):
            vi = T.axis.spatial(11, i * 4 + j)  # here
            T.where(i * 4 + j < 12)
            C[vi] = A[vi]


@refused("A has 2 axes, shape (4, 4), but gets 1 index")
def too_few_indices(A: T.Buffer((4, 4)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[i] = A[i]  # here


@refused("C holds float32 but is given A[i], which is float64: write T.float32(A[i])")
def another_dtype(A: T.Buffer((4,), "float64"), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[i] = A[i]  # here


@refused("which is float64: write T.float32(")
def another_dtype_added(A: T.Buffer((4,), "float64"), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[i] += A[i]  # here


@refused("C holds int32 but is given 1.5, which is float64: write T.int32(1.5)")
def a_fraction_in_an_integer(C: T.Buffer((4,), "int32")) -> None:
    for i in T.serial(4):
        C[i] = 1.5  # here


@refused("C holds uint8: Python integer 300 out of bounds for uint8")
def a_number_too_large(C: T.Buffer((4,), "uint8")) -> None:
    for i in T.serial(4):
        C[i] = 300  # here


@refused("the index A[i] of C is uint64, and indices are int64: write T.int64(A[i])")
def an_index_that_may_not_fit(A: T.Buffer((4,), "uint64"), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[A[i]] = 1  # here


@refused("the index A[i] of C is float32, and indices are int64: write T.int64(A[i])")
def an_index_with_a_fraction(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[A[i]] = 1  # here


@refused("index i + 1 leaves axis 0 of A, which has 4 elements: at i=3 it is 4")
def an_index_leaves(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[i] = A[i + 1]  # here


@refused("index -1 leaves axis 0 of A, which has 4 elements: at every point it is -1")
def negative_indices_do_not_wrap(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    C[0] = A[-1]  # here


@refused("index i - 2 leaves axis 0 of A, which has 4 elements: at i=1 it is -1")
def the_condition_is_wrong(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.when(i >= 1):
            C[i] = T.select(i < 5, A[i - 2], 0)  # here


@refused("program too_many_points_to_look_at: ", "i=1023, j=1022", "A[1048574]")
def too_many_points_to_look_at(A: T.Buffer((1048574,)), C: T.Buffer((1024, 1024))) -> None:
    for i, j in T.grid(1024, 1024):
        with T.when(i + j < 2046):
            C[i, j] = A[i * 1024 + j]


@refused("index 5 leaves axis 0 of A")
def a_region_leaves(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    T.call("f", A[2:6], C)  # here


@refused("the size of a region is a constant >= 1")
def a_region_without_a_size(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        T.call("f", A[0:i], C)  # here


@refused("axis vi is used outside its block; axes belong to their block: bind new ones")
def an_axis_of_another_block(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.block("B"):
            vi = T.remap("S", [i])
            C[vi] = A[vi]
        with T.block("C"):
            C[vi] = A[vi]  # here


@refused("loop variable i is used after its loop has ended")
def a_loop_has_ended(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[i] = A[i]
    C[i] = 0  # here


@refused("loop variable i is used in the body of block 'C', which speaks of its own axes alone",
         "vi = T.axis.spatial(4, i)")  # fmt: skip
def a_loop_variable_in_a_block(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.block("C"):
            C[i] = A[i]  # here


@refused("has no truth value while the program is traced", "T.when(condition)")
def an_if_on_a_value(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        C[i] = 0
        if A[i]:  # here
            C[i] = 1


@refused("has no truth value", "T.when")
def an_if_on_an_index(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        if i < 2:  # here
            C[i] = A[i]


@refused("the loop over i is left by break or return", "T.when(condition)")
def a_break(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):  # here
        C[i] = A[i]
        break


@refused("program a_result returns", "a program returns nothing")
def a_result(A: T.Buffer((4,)), C: T.Buffer((4,))) -> Any:
    for i in T.serial(4):
        C[i] = A[i]
    return C


@refused("a slice of A cannot be assigned to", "for i in T.serial(n): A[i] = ...")
def a_slice_is_written(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    A[0:2] = 0  # here


@refused("A is written but stands before C, which is not", "they stand last")
def an_input_is_written(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        A[i] = C[i]


@refused("it writes none of its parameters")
def nothing_is_written(A: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.when(A[i] > 0):
            pass


@refused("parameter A of program no_annotation must say what buffer it is")
def no_annotation(A, C: T.Buffer((4,))) -> None:  # type: ignore[no-untyped-def]
    C[0] = A[0]


@refused("the annotation of parameter A of program an_unknown_size: name 'size' is not defined")
def an_unknown_size(A: T.Buffer((size,))) -> None:  # type: ignore[name-defined]  # noqa: F821
    A[0] = 0


@refused("A[0] was read before line", "wrote A, and is used after", "T.alloc")
def a_value_has_changed(A: T.Buffer((4,))) -> None:
    old = A[0] + 1
    A[0] = A[1]
    A[1] = old  # here


@refused("A[0] was read before line", "wrote A, and is used after")
def a_value_has_changed_and_is_read_again(A: T.Buffer((4,))) -> None:
    old = A[0]
    A[0] = A[1]
    A[1] = A[0] - old  # here


@refused("A[0] was read before an iteration of a loop in between wrote A")
def a_value_changes_in_a_loop(A: T.Buffer((4,))) -> None:
    first = A[0]
    for i in T.serial(4):
        A[i] = first  # here


@refused("buffer mine does not exist here")
def memory_is_gone(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        mine = T.alloc((1,))
        mine[0] = A[i]
        C[i] = mine[0]
    C[0] = mine[0]  # here


@refused("T.axis.spatial belongs directly into a block", "it stands outside")
def an_axis_outside(A: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        vi = T.axis.spatial(4, i)  # here
        C[vi] = A[vi]


@refused("T.init() must come before the statements of block 'C'")
def a_late_init(A: T.Buffer((4,)), C: T.Buffer(())) -> None:
    for k in T.serial(4):
        with T.block("C"):
            vk = T.remap("R", [k])
            C[()] += A[vk]
            with T.init():  # here
                C[()] = 0


@refused("block 'C' has a T.init() but no reduce axis")
def an_init_without_a_reduction(C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.block("C"):  # here
            vi = T.remap("S", [i])
            with T.init():
                C[vi] = 0
            C[vi] += 1


@refused("the initial value of block 'C' depends on the reduce axis vk")
def an_init_of_a_reduce_axis(C: T.Buffer((), "int64")) -> None:
    for k in T.serial(4):
        with T.block("C"):
            vk = T.remap("R", [k])
            with T.init():
                C[()] = vk  # here
            C[()] += 1


@refused("the T.init() of block 'C' writes C, which its body does not update")
def an_init_of_something_else(A: T.Buffer((4,)), C: T.Buffer(()), D: T.Buffer(())) -> None:
    D[()] = 0
    for k in T.serial(4):
        with T.block("C"):  # here
            vk = T.remap("R", [k])
            with T.init():
                C[()] = 0
            D[()] += A[vk]


@refused("T.remap takes loop variables, got i + 1", "T.axis.spatial(extent, expression)")
def a_remap_of_an_expression(C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.block("C"):
            vi = T.remap("S", [i + 1])  # here
            C[vi] = 0


@refused("T.remap wants S or R for each loop", "got 'SX' for 2 loops")
def a_remap_of_another_kind(C: T.Buffer((4, 4))) -> None:
    for i, j in T.grid(4, 4):
        with T.block("C"):
            vi, vj = T.remap("SX", [i, j])  # here
            C[vi, vj] = 0


@refused("an axis begins at 0: expected an extent or (0, extent), got (1, 5)")
def an_axis_from_one(C: T.Buffer((4,))) -> None:
    for i in T.serial(4):
        with T.block("C"):
            vi = T.axis.spatial((1, 5), i)  # here
            C[vi] = 0


@refused("T.otherwise() must follow a `with T.when(condition):` at once")
def otherwise_what(C: T.Buffer((4,))) -> None:
    C[0] = 1
    with T.otherwise():  # here
        C[1] = 2


@refused("vi is no spatial axis of block 'C'",
         "vi=0 and vi=1 both combine into C[0]", "make vi a reduce axis")  # fmt: skip
def a_reduction_called_spatial(A: T.Buffer((4,)), C: T.Buffer((1,))) -> None:
    for i in T.serial(4):
        with T.block("C"):  # here
            vi = T.remap("S", [i])
            C[0] += A[vi]


@refused("vk is no reduce axis of block 'C'", "vk=0 and vk=1 both write C[0]")
def a_reduce_axis_that_stores(A: T.Buffer((4, 4)), C: T.Buffer((4,))) -> None:
    for i, k in T.grid(4, 4):
        with T.block("C"):  # here
            vi, vk = T.remap("SR", [i, k])
            C[vi] = A[vi, vk]


@refused("parallel loop i is refused: iterations of loop i are not independent", "x[1]")
def a_race(x: T.Buffer((9,))) -> None:
    for i in T.parallel(8):  # here
        x[i + 1] = x[i]


@refused("T.serial wants an extent that is an integer, got 2.5")
def half_an_iteration(C: T.Buffer((4,))) -> None:
    for i in T.serial(2.5):  # here
        C[i] = 0


@refused("'Fast' is no memory; scopes are names such as 'global'")
def no_such_memory(C: T.Buffer((4,))) -> None:
    mine = T.alloc((4,), scope="Fast")  # here
    C[0] = mine[0]


@refused("argmax updates 2 elements at once, and 1 of them was assigned")
def half_an_update(at: T.Buffer((), "int64"), top: T.Buffer(())) -> None:
    argmax = T.comm_reducer(lambda a, b: b, (0, 0), ("int64", "float32"), name="argmax")
    at[()], _ = argmax((at[()], top[()]), (1, 2.0))
    top[()] = 0  # here


@refused("T.exp takes 1 arguments, got 2")
def too_many_arguments(C: T.Buffer((4,))) -> None:
    C[0] = T.exp(1, 2)  # here


@pytest.mark.unproven
@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    function, parts = CASES[name]
    with pytest.raises(MlcError) as caught:
        T.program(function)
    text = str(caught.value)
    for part in parts:
        assert part in text
    lines, first = inspect.getsourcelines(function)
    marked = [first + n for n, line in enumerate(lines) if "# here" in line]
    if marked:
        assert f"{__file__}:{marked[0]} " in text, f"expected line {marked[0]}\n{text}"


def test_outputs_that_contradict_what_is_written() -> None:
    def copies(A: T.Buffer((4,)), B: T.Buffer((4,)), C: T.Buffer((4,))) -> None:
        for i in T.serial(4):
            B[i] = A[i]
            C[i] = A[i]

    assert T.program(copies).outputs == 2
    with pytest.raises(mlc.ArgumentError, match="has outputs=1, but it writes B, which is not"):
        T.program(outputs=1)(copies)
    with pytest.raises(mlc.ArgumentError, match="has outputs=3, but it never writes A"):
        T.program(outputs=3)(copies)
    with pytest.raises(mlc.ArgumentError, match="has 3 parameters, and outputs=4"):
        T.program(outputs=4)(copies)
    with pytest.raises(mlc.ArgumentError, match=r"writes=\('C',\), but it writes B, C"):
        T.program(outputs=1, writes=("C",))(copies)


def test_unsafe_programs_are_not_asked() -> None:
    @T.program(attrs={"unsafe": ("iterations are known to be apart",)})
    def race(x: T.Buffer((9,))) -> None:
        for i in T.parallel(8):
            x[i + 1] = x[i]

    assert race.attrs["unsafe"] and "unsafe" in race.script()


def test_notation_outside_of_a_program() -> None:
    with pytest.raises(mlc.ArgumentError, match=r"T.grid stands outside of a program"):
        T.grid(4, 4)
    with pytest.raises(AttributeError, match=r"module 'mlc.script' has no attribute 'expp'"):
        T.expp  # noqa: B018


def test_the_notation_is_listed() -> None:
    names = dir(T)
    assert {"grid", "exp", "float32", "program", "Buffer"} <= set(names)
    assert all(getattr(T, name).__doc__ for name in names)
