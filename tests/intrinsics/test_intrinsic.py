"""Intrinsics: declared by what they mean, called over regions, implemented in LLVM IR or C."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.backends.numpy import lnumpy_text
from mlc.ir.expr import const
from mlc.ir.forms import check_blocks
from mlc.ir.intrinsic import call_effects, expand_calls, intrinsic_named, regions_of_call
from mlc.ir.program import Buffer, Evaluate, Program, Region, walk
from mlc.ir.structural import structural_key
from mlc.lower.expand_intrinsics import expand_intrinsics

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "clang", "gcc"))), reason="no C compiler"
)


@mlc.intrinsic
def it_mma(A: T.Buffer((4, 3)), B: T.Buffer((3, 4)), C: T.Buffer((4, 4))):
    for i, j, k in T.grid(4, 4, 3):
        C[i, j] += A[i, k] * B[k, j]


@mlc.intrinsic
def it_softsum(x: T.Buffer((1, 4)), y: T.Buffer((4,)), total: T.Buffer((1,))):
    """Two outputs, a block with an init, a local buffer."""
    part = T.alloc((4,), "float32", scope="local")
    for i in T.serial(4):
        with T.block("part"):
            v = T.axis.spatial(4, i)
            part[v] = x[0, v] * 2.0
    for i in T.serial(4):
        with T.block("y"):
            v = T.axis.spatial(4, i)
            y[v] = part[v] + 1.0
    for i in T.serial(4):
        with T.block("total"):
            v = T.axis.reduce(4, i)
            with T.init():
                total[0] = 0.0
            total[0] += part[v]


@T.program
def by_hand(A: T.Buffer((8, 6)), B: T.Buffer((6, 8)), C: T.Buffer((8, 8))):
    for i, j in T.grid(8, 8):
        with T.block("zero"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = 0.0
    for i, j, k in T.grid(2, 2, 2):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            T.reads(A[vi * 4 : vi * 4 + 4, vk * 3 : vk * 3 + 3])
            T.writes(C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4])
            it_mma(
                A[vi * 4 : vi * 4 + 4, vk * 3 : vk * 3 + 3],
                B[vk * 3 : vk * 3 + 3, vj * 4 : vj * 4 + 4],
                C[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4],
            )


def operands() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (8, 6)), rng.integers(-9, 9, (6, 8))
    return a.astype("float32"), b.astype("float32")


def check(program: Program, *targets: str) -> None:
    a, b = operands()
    for target in targets:
        c = np.full((8, 8), np.nan, "float32")
        mlc.build(program, target=target)(a, b, c)
        np.testing.assert_array_equal(c, a @ b)


def fresh(name: str) -> object:
    """The product under a name of its own, to be implemented in a test."""

    def meaning(A: T.Buffer((4, 3)), B: T.Buffer((3, 4)), C: T.Buffer((4, 4))):
        for i, j, k in T.grid(4, 4, 3):
            C[i, j] += A[i, k] * B[k, j]

    return mlc.intrinsic(meaning, name=name, override=True)


def renamed(name: str) -> Program:
    """``by_hand`` with calls of another intrinsic."""
    from mlc.schedules.step import rebuild

    def change(stmt: object) -> object:
        return Evaluate(name, stmt.args) if isinstance(stmt, Evaluate) else None

    return by_hand.with_body(rebuild(by_hand.body, change))


def test_runs_everywhere_without_an_implementation() -> None:
    check_blocks(by_hand)
    check(by_hand, "interpret", "numpy", "cpu")


def test_low_level_numpy_shows_the_call() -> None:
    text = lnumpy_text(by_hand)
    assert "def it_mma(A, B, C):\n    for i in range(4):" in text
    assert "it_mma(A[i * 4:i * 4 + 4, k * 3:k * 3 + 3], B[k * 3:k * 3 + 3, " in text


def test_what_a_call_touches() -> None:
    (call,) = [s for s in walk(by_hand.body) if isinstance(s, Evaluate)]
    reads, writes = call_effects(call)
    assert [r.buffer.name for r in reads] == ["A", "B", "C"]
    assert [r.buffer.name for r in writes] == ["C"]
    soft = intrinsic_named("it_softsum")
    assert [b.name for b in soft.read] == ["x"]
    assert [b.name for b in soft.written] == ["y", "total"]


def test_a_meaning_with_blocks_and_memory_of_its_own() -> None:
    """Dimensions of one element come and go: an operand (1, 4) may be a column."""
    x = Buffer("x", (4, 3), mlc.dtypes.float32)
    y, total = (Buffer(n, (2, 4), mlc.dtypes.float32) for n in ("y", "total"))
    zero, one = const(0), const(1)
    call = Evaluate(
        "it_softsum",
        (
            Region(x, (zero, const(2)), (4, 1)),
            Region(y, (one, zero), (1, 4)),
            Region(total, (zero, const(3)), (1, 1)),
        ),
    )
    program = Program("p", (x, y, total), call, 2)
    values = np.arange(12, dtype="float32").reshape(4, 3)
    for target in ("interpret", "numpy", "cpu"):
        made, sums = np.zeros((2, 4), "float32"), np.zeros((2, 4), "float32")
        mlc.build(program, target=target)(values, made, sums)
        np.testing.assert_array_equal(made[1], values[:, 2] * 2 + 1)
        assert sums[0, 3] == values[:, 2].sum() * 2
        assert np.count_nonzero(sums) == 1
        assert not made[0].any()


def test_expansion_makes_new_loops() -> None:
    once = expand_calls(by_hand.body)
    twice = expand_calls(by_hand.body)
    names = [{id(s) for s in walk(body) if hasattr(s, "var")} for body in (once, twice)]
    before = {id(s) for s in walk(by_hand.body)}
    assert (names[0] - before).isdisjoint(names[1] - before)
    assert not any(isinstance(s, Evaluate) for s in walk(expand_intrinsics(by_hand).body))
    plain = by_hand.with_body(by_hand.body.stmts[0])
    assert expand_calls(plain.body) is plain.body


C_SOURCE = """
static float times(float a, float b) { return a * b; }

void %s(const float *A, int64_t am, int64_t ak, const float *B, int64_t bk, int64_t bn,
        float *C, int64_t cm, int64_t cn) {
    for (int m = 0; m < 4; m++)
        for (int n = 0; n < 4; n++)
            for (int k = 0; k < 3; k++)
                C[m * cm + n * cn] += times(A[m * am + k * ak], B[k * bk + n * bn]);
}
"""


@needs_compiler
def test_an_implementation_in_c() -> None:
    made = fresh("it_in_c")

    @made.implementation("c")
    def source() -> str:
        return C_SOURCE % "it_in_c"

    check(renamed("it_in_c"), "cpu", "interpret")
    assert "@mlc_c_it_in_c_" in mlc.build(renamed("it_in_c")).lower().llvm


@needs_compiler
def test_c_without_a_cache_on_disk() -> None:
    made = fresh("it_c_uncached")
    made.intrinsic.implement("c", C_SOURCE % "it_c_uncached")
    with mlc.config.override(cache=False):
        check(renamed("it_c_uncached"), "cpu")


@needs_compiler
def test_c_source_is_held_to_the_operands() -> None:
    made = fresh("it_bad_c")
    made.intrinsic.implement("c", "void it_bad_c(float *A) {}")
    with pytest.raises(mlc.CompileError) as caught:
        mlc.build(renamed("it_bad_c"))
    assert "the C implementation of intrinsic 'it_bad_c' does not compile" in str(caught.value)
    assert "(A[4, 3], B[3, 4], C[4, 4]) a pointer and an int64_t stride" in str(caught.value)
    assert "too many arguments" in str(caught.value)


def test_without_a_c_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fresh("it_no_compiler")
    made.intrinsic.implement("c", C_SOURCE % "it_no_compiler" + "// never compiled before\n")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(mlc.UnsupportedError, match="no C compiler was found"):
        mlc.build(renamed("it_no_compiler"))


LLVM_TEXT = """
; ModuleID = 'kernel'
source_filename = "kernel.c"
target triple = "x86_64-unknown-linux-gnu"
@scale = internal constant float 1.0
declare float @llvm.fma.f32(float %a, float, float) #1

define internal float @times(float %a, float %b, float %c) #0 {
  %one = load float, ptr @scale, align 4
  %d = fmul float %a, %one
  %r = call float @llvm.fma.f32(float %d, float %b, float %c) #2
  ret float %r
}

define dso_local void @NAME(ptr nocapture noundef %A, i64 %am, i64 %ak, ptr %B, i64 %bk, i64 %bn,
    ptr %C, i64 %cm, i64 %cn) local_unnamed_addr #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %k = urem i64 %i, 3
  %mn = udiv i64 %i, 3
  %m = udiv i64 %mn, 4
  %n = urem i64 %mn, 4
  %a0 = mul i64 %m, %am
  %a1 = mul i64 %k, %ak
  %a2 = add i64 %a0, %a1
  %ap = getelementptr float, ptr %A, i64 %a2
  %b0 = mul i64 %k, %bk
  %b1 = mul i64 %n, %bn
  %b2 = add i64 %b0, %b1
  %bp = getelementptr float, ptr %B, i64 %b2
  %c0 = mul i64 %m, %cm
  %c1 = mul i64 %n, %cn
  %c2 = add i64 %c0, %c1
  %cp = getelementptr float, ptr %C, i64 %c2
  %a = load float, ptr %ap, align 4
  %b = load float, ptr %bp, align 4, !tbaa !1
  %c = load float, ptr %cp, align 4
  %r = call float @times(float %a, float %b, float %c)
  store float %r, ptr %cp, align 4
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 48
  br i1 %more, label %loop, label %done
done:
  ret void
}

attributes #0 = { nounwind }
attributes #1 = { nounwind }
attributes #2 = { nounwind }
!1 = !{!2, !2, i64 0}
!2 = !{!"float", !3}
!3 = !{!"root"}
"""


def test_an_implementation_in_llvm() -> None:
    """The text of another compiler: its own target, attributes and metadata do not matter."""
    made = fresh("it_in_llvm")
    made.implementation("llvm")(lambda: LLVM_TEXT.replace("NAME", "it_in_llvm"))
    check(renamed("it_in_llvm"), "cpu", "interpret")
    other = fresh("it_in_llvm_too")
    other.implementation("llvm")(lambda: LLVM_TEXT.replace("NAME", "it_in_llvm_too"))
    both = renamed("it_in_llvm")
    body = both.body.stmts
    extra = renamed("it_in_llvm_too").body.stmts[1]
    twice = both.with_body(type(both.body)((*body, extra)))
    a, b = operands()
    c = np.zeros((8, 8), "float32")
    mlc.build(twice)(a, b, c)
    np.testing.assert_array_equal(c, 2 * (a @ b))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("define void @it_bad(ptr %a) { ret void }", "it_bad has the type void \\(ptr\\)"),
        ("define void @other(ptr %a) { ret void }", "it defines \\['other'\\]"),
        ("define void @it_bad(ptr %a) { ret i32 0 }", "is refused by LLVM"),
    ],
)
def test_llvm_text_is_held_to_the_operands(text: str, message: str) -> None:
    made = fresh("it_bad")
    made.implementation("llvm")(lambda: text)
    with pytest.raises(mlc.ArgumentError, match=message):
        mlc.build(renamed("it_bad"))


def test_an_implementation_by_simpler_calls() -> None:
    made = fresh("it_in_steps")

    @mlc.intrinsic
    def it_row(a: T.Buffer((3,)), B: T.Buffer((3, 4)), c: T.Buffer((4,))):
        for k, j in T.grid(3, 4):
            c[j] += a[k] * B[k, j]

    @made.implementation("program")
    def rows(A: T.Buffer((4, 3)), B: T.Buffer((3, 4)), C: T.Buffer((4, 4))):
        for i in T.serial(4):
            with T.block("row"):
                v = T.axis.spatial(4, i)
                T.writes(C[v : v + 1, 0:4])
                it_row(A[v : v + 1, 0:3], B[0:3, 0:4], C[v : v + 1, 0:4])

    check(renamed("it_in_steps"), "cpu", "interpret")
    with pytest.raises(mlc.ArgumentError, match="the implementation of it_in_steps takes"):

        @made.implementation("program")
        def wrong(A: T.Buffer((4, 3)), C: T.Buffer((4, 4))):
            for i, j in T.grid(4, 4):
                C[i, j] = A[i, 0]


def test_cache_keys_hold_the_implementation() -> None:
    made = fresh("it_key")
    program = renamed("it_key")
    keys = {structural_key(program)}
    made.intrinsic.implement("llvm", LLVM_TEXT)
    keys.add(structural_key(program))
    made.intrinsic.implement("llvm", LLVM_TEXT + "\n")
    keys.add(structural_key(program))
    assert len(keys) == 3


def test_names_mean_one_thing() -> None:
    fresh("it_named")
    again = fresh("it_named")

    def other(x: T.Buffer((4,)), y: T.Buffer((4,))):
        for i in T.serial(4):
            y[i] = x[i]

    with pytest.raises(mlc.ArgumentError, match="'it_named' with another meaning exists"):
        mlc.intrinsic(other, name="it_named")
    assert intrinsic_named("it_named") is again.intrinsic
    mlc.intrinsic(other, name="it_named", override=True)
    assert intrinsic_named("it_named") is not again.intrinsic
    with pytest.raises(mlc.ArgumentError, match="there is no intrinsic 'it_missing'"):
        intrinsic_named("it_missing")
    with pytest.raises(
        mlc.ArgumentError, match="one of llvm, llvm past, llvm seen, c, cuda, program; got 'p'"
    ):
        again.implementation("p")(lambda: "")
    with pytest.raises(mlc.ArgumentError, match="must return its source as a string, got int"):
        again.implementation("c")(lambda: 1)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((4, 4), "float32", "operand A of intrinsic it_mma has shape \\(4, 3\\), but the region"),
        ((3, 4), "float32", "has shape \\(4, 3\\), but the region of A has extents \\(3, 4\\)"),
        ((4, 3), "float64", "operand A of intrinsic it_mma is float32, but A is float64"),
    ],
)
def test_regions_fit_the_operands(shape: tuple[int, ...], dtype: str, message: str) -> None:
    b, c = (Buffer(n, s, mlc.dtypes.float32) for n, s in (("B", (3, 4)), ("C", (4, 4))))
    a = Buffer("A", shape, getattr(mlc.dtypes, dtype))
    with pytest.raises(mlc.ArgumentError, match=message):
        regions_of_call(Evaluate("it_mma", (a, b, c)))
    with pytest.raises(mlc.ArgumentError, match="takes 3 regions, one for each of A, B, C"):
        regions_of_call(Evaluate("it_mma", (a, b)))


def test_in_debug_mode_the_region_is_checked() -> None:
    """A start that depends on data may leave the buffer."""
    made = fresh("it_checked")
    made.implementation("llvm")(lambda: LLVM_TEXT.replace("NAME", "it_checked"))
    at = Buffer("at", (1,), mlc.dtypes.int64)
    a, b, c = (
        Buffer(n, s, mlc.dtypes.float32) for n, s in (("A", (8, 3)), ("B", (3, 4)), ("C", (4, 4)))
    )
    zero = const(0)
    call = Evaluate("it_checked", (Region(a, (at[0], zero), (4, 3)), b, c))
    program = Program("p", (at, a, b, c), call)
    arrays = [np.ones(x.shape, "float32") for x in (a, b, c)]
    with mlc.config.override(debug=True):
        built = mlc.build(program)
        built(np.array([4]), *arrays)
        assert arrays[2][0, 0] == 4
        with pytest.raises(mlc.BoundsError):
            built(np.array([5]), *arrays)


def test_a_call_that_does_not_fit_is_refused_where_it_stands() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:

        @T.program
        def wrong(A: T.Buffer((8, 6)), B: T.Buffer((6, 8)), C: T.Buffer((8, 8))):
            with T.block("C"):
                it_mma(A[0:4, 0:4], B[0:3, 0:4], C[0:4, 0:4])

    assert "operand A of intrinsic it_mma has shape (4, 3)" in str(caught.value)
    assert f"{__file__}" in str(caught.value)
    with pytest.raises(mlc.ArgumentError, match="the call of it_mma stands outside of a program"):
        it_mma(1, 2, 3)


def test_code_is_checked_against_the_meaning() -> None:
    made = fresh("it_right")
    made.implementation("llvm")(lambda: LLVM_TEXT.replace("NAME", "it_right"))
    made.check()
    wrong = fresh("it_wrong")
    text = LLVM_TEXT.replace("NAME", "it_wrong").replace("mul i64 %n, %bn", "mul i64 %n, 1")
    wrong.implementation("llvm")(lambda: text)
    with pytest.raises(mlc.CompileError, match="the code of intrinsic it_wrong makes C\\["):
        wrong.check()
    beside = fresh("it_beside")
    text = LLVM_TEXT.replace("NAME", "it_beside").replace(
        "done:", "done:\n  %pp = getelementptr float, ptr %C, i64 4\n  store float 9.0, ptr %pp"
    )
    beside.implementation("llvm")(lambda: text)
    with pytest.raises(mlc.CompileError, match="its meaning makes it"):
        beside.check()
