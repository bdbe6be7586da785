import ctypes
import functools
import gc
import inspect
import pickle
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import types
import weakref

import ml_dtypes
import numpy as np
import pytest

from mlc.backends.llvm.target import host_target
from mlc.errors import ArgumentError, CompileError
from mlc.runtime import native_call
from mlc.runtime.entry import ArraySpec, EntrySpec, ScalarSpec, StaticSpec
from mlc.runtime.executor import Executable
from mlc.runtime.image import compile_image
from mlc.runtime.native_call import callable_type, install, is_installed, prepare

pytestmark = pytest.mark.skipif(
    not native_call.is_native(), reason="calls are not native on this platform"
)

TYPES = {
    "float32": "float", "float64": "double", "int32": "i32", "int64": "i64", "bool": "i8",
    "bfloat16": "i16", "int8": "i8",
}  # fmt: skip


def copies(*pairs, code=0):
    """A kernel that copies ``count`` elements of a type from one buffer to another, per pair."""
    lines = ["define i32 @mlc_main(ptr %b, ptr %w) {"]
    for k, (source, target, dtype, count) in enumerate(pairs):
        kind = f"<{count} x {TYPES[dtype]}>"
        lines += [
            f"  %s{k} = getelementptr ptr, ptr %b, i64 {source}",
            f"  %p{k} = load ptr, ptr %s{k}",
            f"  %v{k} = load {kind}, ptr %p{k}, align 1",
            f"  %t{k} = getelementptr ptr, ptr %b, i64 {target}",
            f"  %q{k} = load ptr, ptr %t{k}",
            f"  store {kind} %v{k}, ptr %q{k}, align 1",
        ]
    return "\n".join([*lines, f"  ret i32 {code}", "}", ""])


ADD = """
define i32 @mlc_main(ptr %b, ptr %w) {
  %p0 = load ptr, ptr %b
  %g1 = getelementptr ptr, ptr %b, i64 1
  %p1 = load ptr, ptr %g1
  %g2 = getelementptr ptr, ptr %b, i64 2
  %p2 = load ptr, ptr %g2
  %x = load <8 x float>, ptr %p0, align 4
  %y = load <8 x float>, ptr %p1, align 4
  %z = fadd <8 x float> %x, %y
  store <8 x float> %z, ptr %p2, align 4
  ret i32 0
}
"""


class Function:
    """How a jitted function uses the type: metadata, a slow path, a chain of signatures."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.executables = []
        prepare(self, self.slow)

    def slow(self, *args, **kwargs):
        return ("slow", args, kwargs)

    def add(self, executable):
        if self.executables:
            executable.signature.follow(self.executables[-1].signature.address)
        self.executables.append(executable)
        install(self, executable.signature.address, build=True)

    def __repr__(self):
        return f"<compiled {self.__name__}>"

    def __reduce__(self):
        return self.__qualname__


Jitted = callable_type("mlc.Jitted", vars(Function))


@functools.cache
def image_of(text):
    return compile_image(text, host_target())


def make(text, spec, *args, **kwargs):
    def add(a, b):
        "Adds."

    function = Jitted(add)
    function.add(Executable(image_of(text), spec, *args, **kwargs))
    return function


def is_slow(result):
    return type(result) is tuple and len(result) == 3 and result[0] == "slow"


F8 = ArraySpec((8,), "float32")


@pytest.fixture
def add():
    return make(ADD, EntrySpec((F8, F8), (F8,)))


@pytest.fixture
def ab():
    return np.arange(8, dtype=np.float32), np.full(8, 0.5, np.float32)


def test_new_array(add, ab):
    assert is_installed(add)
    result = add(*ab)
    assert type(result) is np.ndarray and result.dtype == np.float32
    np.testing.assert_array_equal(result, ab[0] + ab[1])


def test_out_by_position_and_by_name(add, ab):
    out = np.empty(8, np.float32)
    assert add(*ab, out) is out
    np.testing.assert_array_equal(out, ab[0] + ab[1])
    out[:] = 0
    assert add(*ab, out=out) is out
    np.testing.assert_array_equal(out, ab[0] + ab[1])
    out[:] = 0
    name = "".join(["o", "ut"])  # not the interned name, but ** interns nothing
    assert add(*ab, **{name: out}) is out or is_slow(add(*ab, **{name: out}))


@pytest.mark.parametrize(
    "call",
    [
        lambda f, a, b: f(),
        lambda f, a, b: f(a),
        lambda f, a, b: f(a, b, a.copy(), a),
        lambda f, a, b: f(a, b, None),
        lambda f, a, b: f(a, b, out=None),
        lambda f, a, b: f(a, b, out=(a.copy(),)),
        lambda f, a, b: f(a, b, other=a.copy()),
        lambda f, a, b: f(a, b, a.copy(), out=a.copy()),
        lambda f, a, b: f(a, b=b),
        lambda f, a, b: f(b=b, a=a),
        lambda f, a, b: f(a, out=a.copy()),
        lambda f, a, b: f(a, b, out=a.copy(), other=1),
        lambda f, a, b: f(a, 1.0),
        lambda f, a, b: f(a, None),
        lambda f, a, b: f(a.tolist(), b),
        lambda f, a, b: f(a.astype("f8"), b),
        lambda f, a, b: f(a.astype(">f4"), b),
        lambda f, a, b: f(a.view("i4"), b),
        lambda f, a, b: f(a[:7], b),
        lambda f, a, b: f(np.concatenate([a, a])[::2], b),
        lambda f, a, b: f(a[::-1], b),
        lambda f, a, b: f(a.reshape(2, 4), b),
        lambda f, a, b: f(a.reshape(8, 1), b),
        lambda f, a, b: f(np.zeros(33, "i1")[1:].view("f4"), b),
        lambda f, a, b: f(a.view(np.ma.MaskedArray), b),
        lambda f, a, b: f(a.view(np.matrix), b),
        lambda f, a, b: f(a, b, np.zeros(8, "f8")),
        lambda f, a, b: f(a, b, np.zeros(9, "f4")),
        lambda f, a, b: f(a, b, np.zeros(16, "f4")[::2]),
        lambda f, a, b: f(a, b, np.zeros(33, "i1")[1:].view("f4")),
        lambda f, a, b: f(a, b, np.broadcast_to(np.float32(1), (8,))),
    ],
)
def test_what_does_not_fit_goes_the_slow_path(add, ab, call):
    assert is_slow(call(add, *ab))


def test_slow_path_gets_everything(add, ab):
    assert add(1, 2, x=3, y=4) == ("slow", (1, 2), {"x": 3, "y": 4})
    assert add(*range(300), **{f"k{i}": i for i in range(50)})[1] == tuple(range(300))


def test_slow_path_exceptions_pass_through(ab):
    def refuse(*_, **__):
        raise KeyError("from the slow path")

    f = make(ADD, EntrySpec((F8, F8), (F8,)))
    f._slow = refuse
    with pytest.raises(KeyError, match="from the slow path"):
        f(1)
    f(*ab)


def test_read_only_inputs_and_outputs(add, ab):
    a, b = ab
    a.flags.writeable = False
    assert not is_slow(add(a, b))
    out = np.zeros(8, np.float32)
    out.flags.writeable = False
    assert is_slow(add(a, b, out))
    assert not out.any()


def test_unpickled_dtype_is_the_same_dtype(add, ab):
    a = pickle.loads(pickle.dumps(ab[0]))
    assert not is_slow(add(a, ab[1]))


@pytest.mark.parametrize("inplace_ok", [False, True])
def test_overlap_of_out_with_inputs(inplace_ok):
    f = make(ADD, EntrySpec((F8, F8), (F8,), inplace_ok=inplace_ok))
    memory = np.arange(32, dtype=np.float32)
    a, b = memory[:8], memory[16:24]
    assert is_slow(f(a, b, a)) != inplace_ok
    assert is_slow(f(a, b, b)) != inplace_ok
    assert is_slow(f(a, b, memory[4:12]))
    assert is_slow(f(a, b, memory[23:31]))
    assert is_slow(f(a, b, memory[9:17]))
    assert f(a, b, memory[8:16]).base is memory
    assert f(a, b, memory[24:32]).base is memory


def test_overlap_with_reversed_input():
    back = ArraySpec((8,), "float32", (-4,))
    f = make(ADD, EntrySpec((back, F8), (F8,), inplace_ok=True))
    memory, b = np.zeros(24, np.float32), np.zeros(8, np.float32)
    middle = memory[8:16][::-1]
    assert is_slow(f(middle, b, memory[8:16]))
    assert is_slow(f(middle, b, memory[1:9]))
    assert not is_slow(f(middle, b, memory[:8]))
    assert not is_slow(f(middle, b, memory[16:]))


def test_strides_must_be_the_same_where_they_matter():
    spec = ArraySpec((1, 8), "float32", (999, 8))
    f = make(copies((0, 1, "float32", 8)), EntrySpec((spec,), (ArraySpec((8,), "float32"),)))
    x = np.zeros((3, 16), np.float32)
    assert not is_slow(f(x[:1, ::2]))
    assert is_slow(f(x[:1, :8]))
    assert is_slow(f(x[:, ::2]))


def test_unaligned_inputs_if_the_kernel_can():
    spec = EntrySpec((ArraySpec((8,), "float32", aligned=False),), (F8,))
    f = make(copies((0, 1, "float32", 8)), spec)
    x = np.zeros(33, np.int8)[1:].view(np.float32)
    x[:] = np.arange(8)
    np.testing.assert_array_equal(f(x), np.arange(8))


def test_empty_arrays():
    empty = ArraySpec((0, 4), "float64")
    f = make(copies(), EntrySpec((empty,), (empty,)))
    x = np.zeros((0, 4))
    assert f(x).shape == (0, 4)
    out = np.empty((0, 4))
    assert f(x, out=out) is out


def test_zero_dimensions_come_back_as_numpy_scalars():
    scalar = ArraySpec((), "float64")
    f = make(copies((0, 1, "float64", 1)), EntrySpec((scalar,), (scalar,)))
    result = f(np.array(2.5))
    assert type(result) is type(np.add(np.array(2.5), 0)) is np.float64 and result == 2.5
    out = np.array(0.0)
    assert f(np.array(1.5), out=out) is out and out == 1.5
    assert f(np.float64(1.5)) == 1.5 and is_slow(f(np.float32(1.5)))


@pytest.mark.parametrize("kind", ["tuple", "list", "none", "call"])
def test_several_outputs(kind):
    ints, one = ArraySpec((4,), "int64"), ArraySpec((), "float32")
    kernel = copies((0, 2, "int64", 4), (1, 3, "float32", 1))
    spec = EntrySpec((ints, one), (ints, one), returns=kind)
    f = make(kernel, spec, unflatten=(lambda a, b: {"a": a, "b": b}) if kind == "call" else None)
    x, y = np.arange(4), np.array(7, np.float32)
    result = f(x, y)
    outs = np.zeros(4, np.int64), np.zeros((), np.float32)
    given, named = f(x, y, *outs), f(x, y, out=outs)
    np.testing.assert_array_equal(outs[0], x)
    assert outs[1] == 7
    if kind == "none":
        assert result is given is named is None
        return
    if kind == "call":
        result, given, named = (tuple(r.values()) for r in (result, given, named))
        kind = "tuple"
    assert type(result).__name__ == kind
    np.testing.assert_array_equal(result[0], x)
    assert type(result[1]) is np.float32 and result[1] == 7
    for same in (given, named):
        assert same[0] is outs[0] and same[1] is outs[1]
    assert is_slow(f(x, y, out=outs[:1]))
    assert is_slow(f(x, y, out=list(outs)))
    assert is_slow(f(x, y, outs[0]))


def test_outputs_must_not_share_memory():
    two = EntrySpec((), (ArraySpec((4,), "int64"), ArraySpec((4,), "int64")), returns="tuple")
    f = make(copies(), two)
    memory = np.zeros(8, np.int64)
    assert is_slow(f(memory[:4], memory[:4]))
    assert is_slow(f(memory[:4], memory[3:7]))
    assert not is_slow(f(memory[:4], memory[4:]))


def test_out_required_or_never(ab):
    required = make(ADD, EntrySpec((F8, F8), (F8,), out="required", returns="none"))
    out = np.empty(8, np.float32)
    assert required(*ab, out) is None and out[1] == 1.5
    assert required(*ab, out=out) is None
    assert is_slow(required(*ab))
    never = make(ADD, EntrySpec((F8, F8), (F8,), out="never"))
    assert is_slow(never(*ab, out)) and is_slow(never(*ab, out=out))
    assert not is_slow(never(*ab))
    named = make(ADD, EntrySpec((F8, F8), (F8,), positional_out=False))
    assert is_slow(named(*ab, out)) and named(*ab, out=out) is out


def test_keywords_in_any_order(ab):
    f = make(ADD, EntrySpec((F8, F8), (F8,), keywords=("bias",)))
    a, b = ab
    out = np.empty(8, np.float32)
    np.testing.assert_array_equal(f(a, bias=b), a + b)
    assert f(a, bias=b, out=out) is out
    out[:] = 0
    assert f(a, out=out, bias=b) is out and out[1] == 1.5
    assert is_slow(f(a, b)) and is_slow(f(a, b, out)) and is_slow(f(a, bios=b))
    assert is_slow(f(a, out=out)) and is_slow(f(a, b, bias=b)) and is_slow(f(bias=b))
    both = make(ADD, EntrySpec((F8, F8), (F8,), keywords=("x", "y")))
    np.testing.assert_array_equal(both(x=a, y=b), a + b)
    np.testing.assert_array_equal(both(y=b, x=a), a + b)
    assert is_slow(both(x=a)) and is_slow(both()) and is_slow(both(x=a, z=b))


@pytest.mark.parametrize(
    ("kind", "dtype", "good", "bad"),
    [
        ("float", "float64", [1.5, float("inf"), -0.0], [1, True, np.float64(1.5), "x", None]),
        ("float", "float32", [1.5, 0.1], [1, False]),
        ("int", "int64", [3, -5, 2**63 - 1, -(2**63)], [2**63, 10**30, True, 1.0, np.int64(3)]),
        ("int", "int32", [3, -(2**31), 2**31 - 1], [2**31, -(2**31) - 1, 2**64]),
        ("int", "float64", [3, -7], [3.0, 10**30]),
        ("int", "float32", [3, 16777217], [3.0]),
        ("bool", "bool", [True, False], [1, 0, None, np.True_]),
    ],
)
def test_python_scalars(kind, dtype, good, bad):
    result = ArraySpec((1,), dtype)
    spec = EntrySpec((ScalarSpec(kind, dtype),), (result,))
    f = make(copies((0, 1, dtype, 1)), spec)
    for value in good:
        np.testing.assert_array_equal(f(value), np.array([value]).astype(dtype))
    for value in bad:
        assert is_slow(f(value))


def test_static_values():
    spec = EntrySpec((StaticSpec(), F8, StaticSpec()), (F8,), keywords=("mode",))
    f = make(copies((0, 1, "float32", 8)), spec, statics=(3, "same"))
    x = np.ones(8, np.float32)
    np.testing.assert_array_equal(f(3, x, mode="same"), x)
    assert is_slow(f(4, x, mode="same")) and is_slow(f(3, x, mode="full"))
    np.testing.assert_array_equal(f(3, x, mode="".join(["sa", "me"])), x)
    assert is_slow(f(3.0, x, mode="same")) and is_slow(f(np.int64(3), x, mode="same"))
    zero = make(copies((0, 1, "float32", 8)), EntrySpec((StaticSpec(), F8), (F8,)), statics=(0.0,))
    assert is_slow(zero(-0.0, x)) and is_slow(zero(False, x))


def test_constants_and_their_life():
    constant = np.arange(8, dtype=np.float32)
    f = make(ADD, EntrySpec((F8,), (F8,), n_constants=1), [constant])
    del constant
    gc.collect()
    np.testing.assert_array_equal(f(np.ones(8, np.float32)), np.arange(8) + 1)


WORKSPACE = """
define i32 @mlc_main(ptr %b, ptr %w) {
  %p0 = load ptr, ptr %b
  store ptr %w, ptr %p0
  %last = getelementptr i8, ptr %w, i64 999999
  store i8 1, ptr %last
  ret i32 0
}
"""


def test_workspace_is_aligned_and_kept():
    f = make(WORKSPACE, EntrySpec((), (ArraySpec((), "int64"),), workspace_bytes=1_000_000))
    first = int(f())
    assert first and first % 64 == 0 and int(f()) == first


def test_workspaces_of_concurrent_calls():
    spec = EntrySpec((), (ArraySpec((), "int64"),), workspace_bytes=1_000_000, release_gil=True)
    f = make(WORKSPACE, spec)
    bad = []

    def work():
        bad.extend(address for address in (int(f()) for _ in range(2000)) if address % 64)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not bad


def test_no_memory_for_the_workspace():
    f = make(WORKSPACE, EntrySpec((), (ArraySpec((), "int64"),), workspace_bytes=1 << 46))
    with pytest.raises(MemoryError, match="workspace of 70368744177664 bytes"):
        f()


def test_too_large_output():
    f = make(copies(), EntrySpec((), (ArraySpec((1 << 45,), "int64"),)))
    with pytest.raises(MemoryError):
        f()


@pytest.mark.parametrize("release_gil", [False, True])
def test_kernel_errors_raise(ab, release_gil):
    def report(code):
        raise IndexError(f"code {code}")

    spec = EntrySpec((F8, F8), (F8,), release_gil=release_gil)
    f = make(copies(code=-7), spec, on_error=report)
    out = np.zeros(8, np.float32)
    for call in (lambda: f(*ab), lambda: f(*ab, out), lambda: f(*ab, out=out)):
        with pytest.raises(IndexError, match="code -7"):
            call()
    with pytest.raises(CompileError, match="unknown error 3"):
        make(copies(code=3), spec)(*ab)


def test_gil_is_released(ab):
    kernel = """
declare i32 @usleep(i32)
define i32 @mlc_main(ptr %b, ptr %w) {
  %_ = call i32 @usleep(i32 200000)
  ret i32 0
}
"""
    f = make(kernel, EntrySpec((), (F8,), release_gil=True))
    counted = 0
    thread = threading.Thread(target=f)
    thread.start()
    while thread.is_alive():
        counted += 1
    assert counted > 100


def test_chain_of_signatures():
    f = make(copies((0, 1, "float32", 8)), EntrySpec((F8,), (F8,)))
    for dtype in ("float64", "int32", "int8", "bool", "bfloat16"):
        spec = ArraySpec((8,), dtype)
        f.add(Executable(image_of(copies((0, 1, dtype, 8))), EntrySpec((spec,), (spec,))))
    for dtype in ("float32", "float64", "int32", "int8", "bool", ml_dtypes.bfloat16):
        x = np.arange(8).astype(dtype)
        result = f(x)
        assert result.dtype == x.dtype
        np.testing.assert_array_equal(result, x)
    assert is_slow(f(np.arange(8, dtype="u2")))
    install(f, 0)
    assert is_slow(f(np.zeros(8, np.float32)))


def test_no_leaks(add, ab):
    a, b = ab
    out = np.empty(8, np.float32)
    many = make(
        copies(code=1), EntrySpec((F8,), (F8, ArraySpec((), "int64")), returns="tuple"),
        on_error=lambda code: 1 / 0,
    )  # fmt: skip
    pair = make(copies(), EntrySpec((F8,), (F8, ArraySpec((), "int64")), returns="list"))

    def once():
        add(a, b), add(a, b, out), add(a, b, out=out), add(a), add(a, b, x=1), pair(a)
        add(a, b, a)
        with pytest.raises(ZeroDivisionError):
            many(a)

    for _ in range(20):
        once()
    objects = [a, b, out, add, None, np.ndarray, np.dtype("f4"), "out"]
    counts = [sys.getrefcount(o) for o in objects]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(2000):
        once()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000
    changes = [sys.getrefcount(o) - c for o, c in zip(objects, counts)]
    assert all(abs(change) < 100 for change in changes), changes


def test_metadata_and_attributes(add):
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert str(inspect.signature(add)) == "(a, b)"
    assert callable(add) and repr(add) == "<compiled add>"
    assert add.__wrapped__.__name__ == "add"
    add.tag = 5
    assert add.tag == 5 and "tag" in add.__dict__
    with pytest.raises(AttributeError):
        _ = add.nothing
    assert type(add).__name__ == "Jitted" and type(add).__module__ == "mlc"


def test_binds_as_a_method(ab):
    class Model:
        f = make(ADD, EntrySpec((F8, F8), (F8,)))

    model = Model()
    assert isinstance(model.f, types.MethodType) and model.f.__self__ is model
    assert model.f(1, x=2) == ("slow", (model, 1), {"x": 2})
    bound = model.f
    assert bound(3) == ("slow", (model, 3), {})
    np.testing.assert_array_equal(Model.f(*ab), ab[0] + ab[1])


def test_cycles_are_collected_and_weak_references_work(ab):
    f = make(ADD, EntrySpec((F8, F8), (F8,)))
    f.myself = f
    reference = weakref.ref(f)
    assert reference() is f
    del f
    gc.collect()
    assert reference() is None


def test_unprepared_instance_is_no_crash():
    empty = Jitted.__new__(Jitted)
    with pytest.raises(TypeError, match=r"vectorcall|not ready"):
        empty(1)


def test_deleted_slow_path_is_no_crash(add):
    del add._slow
    with pytest.raises(ReferenceError, match="being destroyed"):
        add(1)


def test_run_from_python(ab):
    executable = Executable(image_of(ADD), EntrySpec((F8,), (F8,), n_constants=1), [ab[1]])
    out = np.empty(8, np.float32)
    executable.run([ab[0]], [out])
    np.testing.assert_array_equal(out, ab[0] + ab[1])
    for inputs, outputs, reason in [
        ([], [out], "expected 1 inputs"),
        ([ab[0][:7]], [out], r"expected shape \(8,\), got \(7,\)"),
        ([ab[0].astype("f8")], [out], "expected dtype float32, got float64"),
        ([np.zeros(16, "f4")[::2]], [out], "C-contiguous"),
        ([1], [out], "expected an ndarray, got int"),
        ([ab[0]], [np.broadcast_to(np.zeros(1, "f4"), 8)], "C-contiguous"),
    ]:
        with pytest.raises(ArgumentError, match=reason):
            executable.run(inputs, outputs)
    out.flags.writeable = False
    with pytest.raises(ArgumentError, match="writeable"):
        executable.run([ab[0]], [out])


def test_run_with_workspace():
    spec = EntrySpec((), (ArraySpec((), "int64"),), workspace_bytes=1_000_000)
    out = np.zeros((), np.int64)
    Executable(image_of(WORKSPACE), spec).run([], [out])
    assert out and out % 64 == 0


def test_plain_class_where_calls_cannot_be_native(monkeypatch, ab):
    monkeypatch.setattr(native_call, "is_native", lambda: False)
    kind = callable_type("mlc.Plain", vars(Function))
    f = kind(lambda a: a)
    assert not install(f, 1234) and not is_installed(f)
    assert f(1, x=2) == ("slow", (1,), {"x": 2})
    assert weakref.ref(f)() is f
    with pytest.raises(TypeError, match="not ready"):
        kind.__new__(kind)(1)


def test_entry_is_built_on_demand_and_kept_on_disk(tmp_path):
    code = textwrap.dedent(f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from mlc.config import config
        config.cache_dir = {str(tmp_path / "cache")!r}
        config.cache = True
        from mlc.runtime import native_call as n
        found = n.native_entry(build=False)
        assert bool(n.native_entry(build=True))
        print(bool(found), "llvmlite" in sys.modules)
    """)
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["False True", "True False"], runs


def test_arm_stub_is_the_right_instructions():
    code = native_call._arm_stub(0x1122334455667788, 0x99)
    words = [int.from_bytes(code[i : i + 4], "little") for i in range(0, 24, 4)]
    assert words == [0xF9400C00, 0xB5000040, 0x58000080, 0x580000B0, 0xD61F0200, 0xD503201F]
    assert code[24:32] == (0x99).to_bytes(8, "little")
    assert ctypes.sizeof(ctypes.c_void_p) == 8
