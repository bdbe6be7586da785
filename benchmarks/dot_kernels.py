"""What arithmetic reaches at best, by the kind of its products: loops without memory, as LLVM IR.

Each kernel does ``n`` rounds of independent steps and stores a sum, so that none of them is dead.
"""

from __future__ import annotations

from dataclasses import dataclass

CHAINS = 12  # as many as sixteen registers hold beside what they multiply,
MORE_CHAINS = 16  # and as many as keep sums of bfloat16 busy where there are thirty-two


@dataclass(frozen=True)
class Dots:
    """The text of the kernel ``name``, and additions and multiplications in one round of it."""

    name: str
    text: str
    work: int


def best_dots(width: int) -> dict[str, Dots]:
    """The fastest way of this processor for each kind of products: "fma" for float32 in vectors of
    ``width``, "int8" with sums in int32, "bfloat16" with sums in float32."""
    from mlc.backends.llvm.target import host_target  # asks the system for tiles

    host = host_target()
    fma = _chains("fma", f"<{width} x float>", f"llvm.fma.v{width}f32", 2 * width)
    found = {"fma": fma, "int8": fma, "bfloat16": fma}
    bits = 32 * width
    if host.has_byte_tiles:
        found["int8"] = _tiles("int8", "tdpbssd", 64)
    elif host.has_dot4 and host.arch == "x86_64":
        call = f"llvm.x86.avx512.vpdpbusd.{bits}"
        found["int8"] = _chains("int8", f"<{width} x i32>", call, 8 * width, f"<{4 * width} x i8>")
    if host.has_half_tiles:
        found["bfloat16"] = _tiles("bfloat16", "tdpbf16ps", 32)
    elif host.has_dot2:
        call, pairs = f"llvm.x86.avx512bf16.dpbf16ps.{bits}", f"<{2 * width} x bfloat>"
        found["bfloat16"] = _chains("bfloat16", f"<{width} x float>", call, 4 * width, pairs)
    return found


def _chains(name: str, vector: str, call: str, work: int, pairs: str = "") -> Dots:
    """Chains of one instruction: a sum, and two operands of another type if they are ``pairs``."""
    count = MORE_CHAINS if vector.startswith("<16 ") else CHAINS  # such vectors have 32 registers
    chains = range(count)
    operand = pairs or vector
    phis = "\n".join(f"  %a{c} = phi {vector} [%x, %entry], [%b{c}, %loop]" for c in chains)
    sum_last = f"{operand} %y, {operand} %y"
    terms = f"{sum_last}, {vector} %a{{c}}" if not pairs else f"{vector} %a{{c}}, {sum_last}"
    steps = "\n".join(f"  %b{c} = call {vector} @{call}({terms.format(c=c)})" for c in chains)
    add = "fadd" if "float" in vector else "add"
    sums = "\n".join(
        f"  %s{c} = {add} {vector} %{f's{c - 1}' if c > 1 else 'b0'}, %b{c}" for c in chains if c
    )
    types = [vector, operand, operand] if pairs else [operand, operand, vector]
    text = f"""
declare {vector} @{call}({", ".join(types)})
define void @{name}(ptr %source, ptr %target, i64 %n, i64 %passes) {{
entry:
  %x = load {vector}, ptr %source, align 64
  %y = load {operand}, ptr %source, align 64
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
{phis}
{steps}
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
{sums}
  store {vector} %s{count - 1}, ptr %target, align 64
  ret void
}}"""
    return Dots(name, text, work * count)


def _tiles(name: str, call: str, depth: int) -> Dots:
    """Four tiles of 16 by 16 sums, each of which takes products of ``depth``."""
    shape = bytearray(64)
    shape[0] = 1
    for tile in range(8):
        shape[16 + 2 * tile], shape[48 + tile] = 64, 16
    data = "".join(f"\\{byte:02x}" for byte in shape)
    dots = "\n".join(
        f"  call void @llvm.x86.{call}(i8 {t}, i8 {4 + t // 2}, i8 {6 + t % 2})" for t in range(4)
    )
    zeros = "\n".join(f"  call void @llvm.x86.tilezero(i8 {t})" for t in range(8))
    text = f"""
@{name}.shape = internal constant [64 x i8] c"{data}", align 64
declare void @llvm.x86.{call}(i8, i8, i8)
define void @{name}(ptr %source, ptr %target, i64 %n, i64 %passes) {{
entry:
  call void @llvm.x86.ldtilecfg(ptr @{name}.shape)
{zeros}
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
{dots}
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  call void @llvm.x86.tilestored64(i8 0, ptr %target, i64 64)
  call void @llvm.x86.tilerelease()
  ret void
}}"""
    return Dots(name, text, 4 * 16 * 16 * depth * 2)


TILE_DECLARATIONS = """
declare void @llvm.x86.ldtilecfg(ptr)
declare void @llvm.x86.tilerelease()
declare void @llvm.x86.tilezero(i8)
declare void @llvm.x86.tilestored64(i8, ptr, i64)
"""
