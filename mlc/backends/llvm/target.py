"""What the processor can do, found without importing LLVM where /proc tells it."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from ...config import config
from ...records import dataclass

# The flags of /proc/cpuinfo that matter to generated code, with LLVM's name for each. Flags that
# kernels never use (AES, SHA, ...) are left out, so that a cached kernel is refused only by a
# machine that really cannot run it.
X86_FEATURES = {
    "pni": "sse3",
    "ssse3": "ssse3",
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "cx16": "cx16",
    "popcnt": "popcnt",
    "movbe": "movbe",
    "abm": "lzcnt",
    "bmi1": "bmi",
    "bmi2": "bmi2",
    "avx": "avx",
    "f16c": "f16c",
    "fma": "fma",
    "avx2": "avx2",
    "avx_vnni": "avxvnni",
    "avx512f": "avx512f",
    "avx512cd": "avx512cd",
    "avx512bw": "avx512bw",
    "avx512dq": "avx512dq",
    "avx512vl": "avx512vl",
    "avx512_vnni": "avx512vnni",
    "avx512_bf16": "avx512bf16",
    "avx512_fp16": "avx512fp16",
    "avx512vbmi": "avx512vbmi",
    "avx512_vbmi2": "avx512vbmi2",
    "amx_tile": "amx-tile",
    "amx_int8": "amx-int8",
    "amx_bf16": "amx-bf16",
}
# What a process must ask the system for: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18
ARM_FEATURES = {
    "asimd": "neon",
    "asimdhp": "fullfp16",
    "asimddp": "dotprod",
    "atomics": "lse",
    "asimdfhm": "fp16fml",
    "bf16": "bf16",
    "i8mm": "i8mm",
}
# x86-64's levels: the names LLVM has for sets of features, highest first.
_X86_LEVELS = (
    ("x86-64-v4", {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"}),
    ("x86-64-v3", {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}),
    ("x86-64-v2", {"cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"}),
)
# Scheduling models, by vendor, family and model. Only speed depends on this table.
_INTEL_MODELS = {
    **dict.fromkeys((60, 63, 69, 70), "haswell"),
    **dict.fromkeys((61, 71, 79, 86), "broadwell"),
    **dict.fromkeys((78, 94, 142, 158, 165, 166), "skylake"),
    **dict.fromkeys((106, 108), "icelake-server"),
    **dict.fromkeys((125, 126), "icelake-client"),
    **dict.fromkeys((140, 141), "tigerlake"),
    **dict.fromkeys((143, 207), "sapphirerapids"),
    **dict.fromkeys((151, 154, 183, 186, 191), "alderlake"),
    **dict.fromkeys((173, 174), "graniterapids"),
}


@dataclass(frozen=True, eq=False)
class Target:
    """A processor as the code generator sees it.

    ``cpu`` names a baseline and ``features`` lists what the processor has beyond it, LLVM's way
    (``+avx2,+fma``); ``tune_cpu`` picks only a scheduling model. Sizes are in bytes, of one core.
    """

    triple: str
    cpu: str
    features: str
    tune_cpu: str
    vector_bits: int
    vector_registers: int
    has_fma: bool
    has_f16c: bool
    has_bf16: bool
    has_vnni: bool
    l1_bytes: int = 32 << 10
    l2_bytes: int = 512 << 10
    l3_bytes: int = 8 << 20

    @property
    def arch(self) -> str:
        """The first part of the triple: ``x86_64``, ``aarch64``, ..."""
        return self.triple.partition("-")[0]

    @property
    def has_dot4(self) -> bool:
        """Whether one instruction adds up products of unsigned and signed bytes, four at a time."""
        if self.arch == "aarch64":
            return "+i8mm" in self.features.split(",")
        return self.arch == "x86_64" and self.has_vnni

    @property
    def has_dot2(self) -> bool:
        """Whether one instruction adds up products of bfloat16 in float32, two at a time, and may
        be used: it takes subnormal numbers for zero."""
        return self.arch == "x86_64" and self.has_bf16 and not config.bfloat16_subnormals

    @property
    def shuffles_apart(self) -> bool:
        """Whether lanes are picked beside two multiply-adds, as AMD's processors do that take two
        cycles for 512 bits. Intel's have one unit that does either, and with 256 bits there are no
        instructions to spare."""
        return self.arch != "x86_64" or self._is_wide_zen

    @property
    def looks_ahead(self) -> bool:
        """Whether it reads rows ahead of the code so well that asking early takes more time than it
        gains, but for arrays in main memory: AMD's processors with 512 bits, whose loads of a line
        take two cycles, as long as a request."""
        return self._is_wide_zen

    @property
    def shares_lines(self) -> bool:
        """Whether vectors that overlap in memory are better picked from those before and after
        them than loaded: these are as long as a line, and picked beside what is computed."""
        return self._is_wide_zen

    @property
    def moves_bytes(self) -> bool:
        """Whether an instruction that moves bytes copies faster than vectors do."""
        return self._is_wide_zen

    @property
    def _is_wide_zen(self) -> bool:
        return self.vector_bits == 512 and self.tune_cpu.startswith("znver")

    @property
    def has_byte_tiles(self) -> bool:
        """Whether products of bytes in matrix tiles may be used."""
        return self.offers(frozenset({"amx-tile", "amx-int8"}))

    @property
    def has_half_tiles(self) -> bool:
        """The same of products of bfloat16, which take subnormal numbers for zero."""
        return self.offers(frozenset({"amx-tile", "amx-bf16"})) and not config.bfloat16_subnormals

    def offers(self, needs: frozenset[str]) -> bool:
        """Whether it has all features of these names, and they may be used."""
        if needs and not config.matrix_tiles and any(n.startswith("amx-") for n in needs):
            return False
        return {f"+{name}" for name in needs}.issubset(self.features.split(","))

    @property
    def far_bytes(self) -> int:
        """From this size on no third cache is expected to hold an array."""
        return 8 * self.l2_bytes

    @property
    def past_bytes(self) -> int:
        """Results larger than this are written past the caches: as much as one core may keep in a
        third cache, of which others have their share; half of that where vectors are half a line,
        as such processors (AMD's Zen 3) write to a third cache at half the pace of stores that pass
        it by. 0 where a cache line is more than the two stores that processors put together."""
        if self.arch != "x86_64" or self.vector_bits < 256:
            return 0
        return max(self.far_bytes, (16 if self.vector_bits == 512 else 8) << 20)

    def lanes(self, itemsize: int) -> int:
        """Elements of ``itemsize`` bytes in one vector register."""
        return max(self.vector_bits // (8 * itemsize), 1)

    def attributes(self) -> str:
        """The attributes that every generated LLVM function needs, as text for its definition."""
        parts = [f'"target-cpu"="{self.cpu}"', f'"target-features"="{self.features}"']
        if self.tune_cpu:
            parts.append(f'"tune-cpu"="{self.tune_cpu}"')
        return " ".join(parts)

    def key(self) -> str:
        """Text for cache keys: what instructions may be used, no tuning and no cache sizes."""
        real = sorted(f for f in self.features.split(",") if f.startswith("+"))
        if self.has_bf16 and not self.has_dot2:
            real.append("without dot2")
        if "+amx-tile" in real and not config.matrix_tiles:
            real.append("without tiles")
        return f"{self.triple} {self.cpu} {self.vector_bits} {','.join(real)}"


@functools.cache
def host_target() -> Target:
    """The processor this process runs on."""
    machine = os.uname().machine if sys.platform == "linux" else ""
    l1, l2, l3 = _cache_sizes()
    if machine in ("x86_64", "aarch64"):
        info = parse_cpuinfo(_first_processor(Path("/proc/cpuinfo")))
        if machine == "aarch64":
            from .other_targets import arm_target

            return arm_target(info, l1, l2, l3)
        if "amx_tile" in info.get("flags", "").split() and not _may_use_tiles():
            info["flags"] = info["flags"].replace(" amx_", " unused_amx_")
        return x86_target(info, l1, l2, l3)
    from .other_targets import llvm_host_target

    return llvm_host_target(l1, l2, l3)


def _may_use_tiles() -> bool:
    """Asks the system for the registers of matrix tiles, for this process with all its threads and
    forks; False where it refuses, as old kernels and some sandboxes do."""
    import ctypes

    try:
        system_call = ctypes.pythonapi["syscall"]
    except (OSError, AttributeError):
        return False
    numbers = map(ctypes.c_long, (_ARCH_PRCTL, _REQUEST, _TILE_DATA))
    return bool(system_call(*numbers) == 0)


def parse_cpuinfo(text: str) -> dict[str, str]:
    """The fields of one block of /proc/cpuinfo."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def x86_target(
    info: dict[str, str], l1: int = 32 << 10, l2: int = 512 << 10, l3: int = 8 << 20
) -> Target:
    """The target for the fields of /proc/cpuinfo of an x86-64 Linux machine."""
    flags = set(info.get("flags", "").split())
    features = {llvm for flag, llvm in X86_FEATURES.items() if flag in flags}
    return x86_from_features(
        "x86_64-unknown-linux-gnu", features, _x86_tuning(info, features), (l1, l2, l3)
    )


def x86_from_features(
    triple: str, features: set[str], tune: str, caches: tuple[int, int, int]
) -> Target:
    """The target of LLVM's ``features``; kernels take all of what wide vectors need, or none."""
    # Kernels with 512-bit vectors also use byte, doubleword and 256-bit forms: all or nothing.
    wide = {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= features
    if not wide:
        features = {f for f in features if not f.startswith(("avx512", "amx"))}
    cpu = next((name for name, need in _X86_LEVELS if need <= features), "x86-64")
    text = ",".join(f"+{f}" for f in sorted(features))
    if wide:
        # The level's own tuning would cut 512-bit vectors in two.
        text += ",-prefer-256-bit"
    return Target(
        triple=triple,
        cpu=cpu,
        features=text,
        tune_cpu=tune,
        vector_bits=512 if wide else 256 if "avx2" in features else 128,
        vector_registers=32 if wide else 16,
        has_fma="fma" in features,
        has_f16c="f16c" in features,
        has_bf16="avx512bf16" in features,
        has_vnni=bool({"avx512vnni", "avxvnni"} & features),
        l1_bytes=caches[0],
        l2_bytes=caches[1],
        l3_bytes=caches[2],
    )


def _x86_tuning(info: dict[str, str], features: set[str]) -> str:
    try:
        family, model = int(info["cpu family"]), int(info["model"])
    except (KeyError, ValueError):
        return ""
    vendor = info.get("vendor_id", "")
    if vendor == "GenuineIntel" and family == 6:
        if model == 85:
            newer = "cascadelake" if "avx512vnni" in features else "skylake-avx512"
            return "cooperlake" if "avx512bf16" in features else newer
        return _INTEL_MODELS.get(model, "")
    if vendor == "AuthenticAMD":
        old = "znver2" if model >= 0x30 else "znver1"
        middle = "znver4" if "avx512f" in features else "znver3"
        return {23: old, 25: middle, 26: "znver5"}.get(family, "")
    return ""


def _first_processor(path: Path) -> str:
    # The file repeats itself for every core: on big machines it takes milliseconds to read.
    with open(path, "rb") as file:
        data = b""
        while b"\n\n" not in data and (more := file.read(4096)):
            data += more
    return data.partition(b"\n\n")[0].decode("ascii", "replace")


def _first_line(path: str) -> str:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 64).decode("ascii", "replace").strip()
    finally:
        os.close(file)


def _cache_sizes() -> tuple[int, int, int]:
    """Data cache sizes of levels 1 to 3; common values where the system does not tell."""
    sizes = {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}
    for index in range(5):
        folder = f"/sys/devices/system/cpu/cpu0/cache/index{index}/"
        try:
            level = int(_first_line(folder + "level"))
            if level == 1 and _first_line(folder + "type") == "Instruction":
                continue
            text = _first_line(folder + "size")
            unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1], 1)
            sizes[level] = int(text.rstrip("KM")) * unit
        except (OSError, ValueError):
            continue
    return sizes[1], sizes[2], sizes[3]
