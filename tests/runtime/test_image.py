import ctypes
import math
import struct

import numpy as np
import pytest

from mlc.backends.llvm.emit import emit_object
from mlc.backends.llvm.llvmlite_binding import interface
from mlc.backends.llvm.other_targets import arm_target
from mlc.backends.llvm.target import host_target
from mlc.errors import CompileError
from mlc.runtime import elf
from mlc.runtime.image import compile_image, link_object, load_image, wrap_object
from mlc.runtime.symbols import resolve, resolver

MODULE = """
@table = internal constant [16 x float] [float 0.0, float 1.0, float 2.0, float 3.0, float 4.0,
  float 5.0, float 6.0, float 7.0, float 8.0, float 9.0, float 10.0, float 11.0, float 12.0,
  float 13.0, float 14.0, float 15.0], align 64
@counter = internal global i64 40
@zeros = internal global [100 x i64] zeroinitializer, align 64
@public = global i64 7
@pointers = internal constant [2 x ptr] [ptr @twice, ptr @add_table]
@elsewhere = external global i32
declare double @cos(double)
declare i64 @given(i64)

define void @add_table(ptr %a) {
  %v = load <16 x float>, ptr %a, align 4
  %t = load <16 x float>, ptr @table, align 64
  %s = fadd <16 x float> %v, %t
  store <16 x float> %s, ptr %a, align 4
  ret void
}
define double @twice(double %x) {
  %c = call double @cos(double %x)
  %y = fmul double %c, 2.0
  ret double %y
}
define i64 @count() {
  %old = load i64, ptr @counter
  %new = add i64 %old, 1
  store i64 %new, ptr @counter
  %slot = getelementptr [100 x i64], ptr @zeros, i64 0, i64 99
  %z = load i64, ptr %slot
  %sum = add i64 %new, %z
  ret i64 %sum
}
define i64 @call_given(i64 %x) {
  %y = tail call i64 @given(i64 %x)
  ret i64 %y
}
define i32 @read_elsewhere() {
  %y = load i32, ptr @elsewhere
  ret i32 %y
}
define ptr @pointer_at(i64 %i) {
  %p = getelementptr [2 x ptr], ptr @pointers, i64 0, i64 %i
  %f = load ptr, ptr %p
  ret ptr %f
}
define ptr @where_public() {
  ret ptr @public
}
define i32 @jump(i32 %x) {
  switch i32 %x, label %other [
    i32 0, label %l0
    i32 1, label %l1
    i32 2, label %l2
    i32 3, label %l3
    i32 4, label %l4
    i32 5, label %l5
  ]
l0:
  %c0 = call i32 @read_elsewhere()
  ret i32 %c0
l1:
  %c1 = call i64 @count()
  ret i32 11
l2:
  %d = call i64 @count()
  ret i32 -12
l3:
  %e = call i64 @count()
  ret i32 130
l4:
  %f = call i64 @count()
  ret i32 7
l5:
  %g = call i64 @count()
  ret i32 0
other:
  ret i32 -1
}
"""

given = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: x + 1000)
elsewhere = ctypes.c_int32(123)
EXTRA = {
    "given": ctypes.cast(given, ctypes.c_void_p).value,
    "elsewhere": ctypes.addressof(elsewhere),
}


def function(image, name, result, *arguments):
    return ctypes.CFUNCTYPE(result, *arguments)(image.address(name))


@pytest.fixture(scope="module", params=["own loader", "llvm"])
def image(request):
    if request.param == "own loader":
        data = compile_image(MODULE, host_target())
    else:
        data = wrap_object(emit_object(MODULE, host_target()), *interface(MODULE))
    return load_image(data, resolver(EXTRA))


def test_constants_of_vectors(image):
    a = np.ones(16, np.float32)
    function(image, "add_table", None, ctypes.c_void_p)(a.ctypes.data)
    np.testing.assert_array_equal(a, np.arange(16) + 1)


def test_libm_through_a_stub(image):
    assert function(image, "twice", ctypes.c_double, ctypes.c_double)(0.3) == 2 * math.cos(0.3)


def test_data_and_bss(image):
    count = function(image, "count", ctypes.c_int64)
    assert count() + 1 == count()
    assert count() > 40


def test_imports(image):
    assert function(image, "call_given", ctypes.c_int64, ctypes.c_int64)(5) == 1005
    assert function(image, "read_elsewhere", ctypes.c_int32)() == 123


def test_pointers_in_data_are_fixed_up(image):
    at = function(image, "pointer_at", ctypes.c_void_p, ctypes.c_int64)
    assert (at(0), at(1)) == (image.address("twice"), image.address("add_table"))


def test_exported_variable(image):
    assert function(image, "where_public", ctypes.c_void_p)() == image.address("public")
    assert image.pointer("public").value == 7
    with pytest.raises(KeyError):
        image.address("counter")


def test_jump_table(image):
    jump = function(image, "jump", ctypes.c_int32, ctypes.c_int32)
    assert [jump(i) for i in range(-1, 7)] == [-1, 123, 11, -12, 130, 7, 0, -1]


def test_code_is_never_writable():
    image = load_image(compile_image(MODULE, host_target()), resolver(EXTRA))
    with open("/proc/self/maps") as file:
        for line in file:
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            permissions = line.split()[1]
            assert not {"w", "x"} <= set(permissions) or not start <= image.base < end
            if start <= image.address("add_table") < end:
                assert permissions == "r-xp"
            if start <= image.address("public") < end:
                assert permissions == "rw-p"


def test_unknown_symbol_is_named():
    data = compile_image(
        "declare void @nobody()\ndefine void @f() {\n call void @nobody()\n ret void\n}",
        host_target(),
    )
    with pytest.raises(CompileError, match="calls 'nobody'"):
        load_image(data, resolve)


@pytest.mark.parametrize(
    "damage",
    [lambda d: d[:-1], lambda d: b"x" + d[1:], lambda d: d[:20], lambda d: d[:8] + b"\xff" + d[9:]],
)
def test_damaged_image_is_refused(damage):
    data = compile_image(MODULE, host_target())
    with pytest.raises(CompileError, match="image"):
        load_image(damage(data), resolver(EXTRA))


def test_image_of_another_processor_is_refused():
    data = compile_image(MODULE, arm_target({"Features": "asimd"}))
    with pytest.raises(CompileError, match="another kind of processor"):
        load_image(data, resolver(EXTRA))


def test_thread_local_data_is_refused():
    text = """
@x = thread_local global i32 3
declare ptr @llvm.threadlocal.address.p0(ptr)
define ptr @f() {
  %p = call ptr @llvm.threadlocal.address.p0(ptr @x)
  ret ptr %p
}
"""
    with pytest.raises(CompileError, match="thread-local"):
        compile_image(text, host_target())


def test_cut_off_object_is_refused():
    data = emit_object(MODULE, host_target())
    with pytest.raises(CompileError, match="expected a relocatable ELF"):
        link_object(data[:40])


OTHER = """
@public = external global i64
@counter = internal global i64 5
declare i64 @given(i64)
declare hidden i64 @count()
declare double @twice(double)
define i64 @counts() {
  %a = call i64 @count()
  %b = load i64, ptr @counter
  %c = load i64, ptr @public
  %ab = mul i64 %a, %b
  %abc = add i64 %ab, %c
  %d = call i64 @given(i64 %abc)
  ret i64 %d
}
define double @four_times(double %x) {
  %y = call double @twice(double %x)
  %z = fmul double %y, 2.0
  ret double %z
}
"""


@pytest.mark.parametrize("first", [0, 1])
def test_objects_find_what_others_define(first):
    objects = [emit_object(text, host_target()) for text in (MODULE, OTHER)]
    if first:
        objects.reverse()
    image = load_image(link_object(*objects), resolver(EXTRA))
    assert function(image, "count", ctypes.c_int64)() == 41
    assert function(image, "counts", ctypes.c_int64)() == 42 * 5 + 7 + 1000
    twice = function(image, "four_times", ctypes.c_double, ctypes.c_double)
    assert twice(0.3) == 4 * math.cos(0.3)
    assert image.pointer("public").value == 7
    whole = compile_image(MODULE, host_target(), parts=[OTHER])
    image = load_image(whole, resolver(EXTRA))
    assert function(image, "counts", ctypes.c_int64)() == 41 * 5 + 7 + 1000


def test_aarch64_relocations_hit_their_targets():
    linked = elf.link(emit_object(MODULE, arm_target({"Features": "asimd"})))
    assert linked.rw_offset % 65536 == 0
    assert set(linked.imports) == {"cos", "given", "elsewhere"}
    # call_given is one branch to the stub: adrp, ldr, br through the slot of `given`.
    at = linked.exports["call_given"]
    word = struct.unpack_from("<I", linked.ro, at)[0]
    assert word >> 26 == 0b000101
    stub = at + 4 * (word & 0x3FFFFFF)
    adrp, ldr, br = struct.unpack_from("<III", linked.ro, stub)
    pages = ((adrp >> 29) & 3) | (((adrp >> 5) & 0x7FFFF) << 2)
    slot = ((stub >> 12) + pages << 12) + (((ldr >> 10) & 0xFFF) << 3)
    assert slot == linked.imports["given"]
    assert (br, adrp & 0x9F00001F) == (0xD61F0200, 0x90000010)


def test_resolver_knows_numpy_and_python():
    assert resolve("PyArray_Type") == id(np.ndarray)
    assert resolve("PyLong_Type") == id(int)
    assert resolver({"PyLong_Type": 5})("PyLong_Type") == 5
