import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mlc.backends.llvm import target as target_module
from mlc.backends.llvm.emit import emit_object
from mlc.backends.llvm.llvmlite_binding import emit_assembly, interface
from mlc.backends.llvm.other_targets import arm_target
from mlc.backends.llvm.target import host_target, parse_cpuinfo, x86_target
from mlc.errors import CompileError

V2 = "pni ssse3 sse4_1 sse4_2 cx16 popcnt"
V3 = f"{V2} movbe abm bmi1 bmi2 avx f16c fma avx2"
V4 = f"{V3} avx512f avx512cd avx512bw avx512dq avx512vl"
ADD = """
declare float @expf(float)
declare float @llvm.sqrt.f32(float)
@table = external global i32
@own = global i64 0
@hidden = internal global i64 0
define void @add(ptr %a, ptr %b) {
  %v = load <16 x float>, ptr %a, align 4
  %w = load <16 x float>, ptr %b, align 4
  %s = fadd <16 x float> %v, %w
  store <16 x float> %s, ptr %a, align 4
  ret void
}
"""


def intel(flags, model=85):
    return x86_target(
        {"flags": flags, "vendor_id": "GenuineIntel", "cpu family": "6", "model": str(model)}
    )


def test_host_needs_no_llvm_on_linux():
    code = (
        "import sys; from mlc.backends.llvm.target import host_target; host_target();"
        "sys.exit('llvmlite' in sys.modules)"
    )
    if sys.platform == "linux":
        subprocess.run([sys.executable, "-c", code], check=True)
    assert host_target() is host_target()


@pytest.mark.parametrize(
    ("flags", "cpu", "bits", "registers", "tune"),
    [
        ("", "x86-64", 128, 16, "skylake-avx512"),
        (V2, "x86-64-v2", 128, 16, "skylake-avx512"),
        (V3, "x86-64-v3", 256, 16, "skylake-avx512"),
        (V4, "x86-64-v4", 512, 32, "skylake-avx512"),
        (f"{V4} avx512_vnni", "x86-64-v4", 512, 32, "cascadelake"),
        # A hypervisor may hide a part of AVX-512; then none of it is used.
        (f"{V3} avx512f avx512cd", "x86-64-v3", 256, 16, "skylake-avx512"),
    ],
)
def test_levels_come_from_flags(flags, cpu, bits, registers, tune):
    target = intel(flags)
    assert (target.cpu, target.vector_bits, target.vector_registers, target.tune_cpu) == (
        cpu, bits, registers, tune,
    )  # fmt: skip
    assert ("avx512" in target.features) == (bits == 512)
    emit_object(ADD, target)


def test_only_some_processors_shuffle_beside_multiply_adds():
    amd = {"flags": V4, "vendor_id": "AuthenticAMD", "cpu family": "26", "model": "2"}
    assert x86_target(amd).shuffles_apart and arm_target({"Features": "asimd"}).shuffles_apart
    assert not intel(V4).shuffles_apart
    assert not x86_target({**amd, "flags": V3}).shuffles_apart, "a vector is one multiply-add"
    assert x86_target(amd).looks_ahead and not intel(V4).looks_ahead
    assert x86_target(amd).shares_lines and not intel(V4).shares_lines


def test_lines_of_two_vectors_may_pass_the_caches():
    assert intel(V4).past_bytes >= 2 * intel(V3).past_bytes >= 16 << 20
    assert x86_target({"flags": "sse4_2"}).past_bytes == 0


def test_key_holds_the_instruction_set_only():
    a, b = intel(V3, model=60), intel(V3, model=94)
    assert a.tune_cpu != b.tune_cpu
    assert a.key() == b.key()
    assert dataclasses.replace(a, l2_bytes=1).key() == a.key()
    assert a.key() != intel(V4).key()
    assert "prefer" not in intel(V4).key()


def test_matrix_tiles_are_used_where_the_system_grants_them(monkeypatch):
    tiles = "amx_tile amx_int8 amx_bf16"
    target = intel(f"{V4} {tiles}")
    assert target.has_byte_tiles and target.has_half_tiles
    assert target.key() != intel(V4).key()
    emit_object(ADD, target)
    assert not intel(f"{V3} {tiles}").has_byte_tiles
    assert not intel(f"{V4} amx_tile").has_byte_tiles
    monkeypatch.setattr(target_module, "_first_processor", lambda path: f"flags : {V4} {tiles}")
    monkeypatch.setattr(target_module.os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    for granted in (True, False):
        monkeypatch.setattr(target_module, "_may_use_tiles", lambda granted=granted: granted)
        found = host_target.__wrapped__()
        assert found.has_byte_tiles is granted
        assert ("amx" in found.features) is granted and "avx512f" in found.features


def test_512_bit_vectors_stay_whole():
    assert "zmm" in emit_assembly(ADD, intel(V4))
    assert "ymm" in emit_assembly(ADD, intel(V3))


def test_arm_target_emits():
    target = arm_target(parse_cpuinfo("processor\t: 0\nFeatures\t: fp asimd asimddp\n"))
    assert (target.vector_bits, target.has_vnni, target.has_bf16) == (128, True, False)
    assert "fadd\tv" in emit_assembly(ADD, target)


def test_interface_of_a_module():
    assert interface(ADD) == (("add", "own"), ("expf", "table"))


def test_refused_module_keeps_its_text():
    with pytest.raises(CompileError, match=r"bug in mlc[\s\S]*expected type") as caught:
        emit_object("define void @f( {", host_target())
    assert caught.value.text == "define void @f( {"


def test_invalid_but_parsable_module_is_refused():
    text = """
define i32 @f() {
entry:
  br label %next
next:
  %x = phi i32 [ 1, %entry ], [ 2, %gone ]
  ret i32 %x
gone:
  unreachable
}
"""
    with pytest.raises(CompileError, match="PHI"):
        emit_object(text, host_target())
