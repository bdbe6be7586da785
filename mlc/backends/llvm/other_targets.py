"""Processors that /proc/cpuinfo does not tell of the way x86-64's does."""

from __future__ import annotations

from .target import (
    ARM_FEATURES,
    X86_FEATURES,
    Target,
    x86_from_features,
)


def arm_target(
    info: dict[str, str], l1: int = 64 << 10, l2: int = 512 << 10, l3: int = 8 << 20
) -> Target:
    """The target for the fields of /proc/cpuinfo of a 64-bit Arm Linux machine (NEON only)."""
    flags = set(info.get("Features", "").split())
    features = sorted({llvm for flag, llvm in ARM_FEATURES.items() if flag in flags})
    return Target(
        triple="aarch64-unknown-linux-gnu",
        cpu="generic",
        features=",".join(f"+{f}" for f in features),
        tune_cpu="",
        vector_bits=128,
        vector_registers=32,
        has_fma=True,
        has_f16c=True,
        has_bf16="bf16" in features,
        has_vnni="dotprod" in features,
        l1_bytes=l1,
        l2_bytes=l2,
        l3_bytes=l3,
    )


def llvm_host_target(l1: int, l2: int, l3: int) -> Target:
    """The host as LLVM sees it, where there is no /proc/cpuinfo we can read."""
    import llvmlite.binding as llvm

    triple = llvm.get_process_triple()
    features = {name for name, on in llvm.get_host_cpu_features().items() if on}
    tune = llvm.get_host_cpu_name()
    if triple.startswith("x86_64"):
        known = {name for name in X86_FEATURES.values() if not name.startswith("amx")}
        return x86_from_features(triple, features & known, tune, (l1, l2, l3))
    known = set(ARM_FEATURES.values()) if triple.startswith(("aarch64", "arm64")) else set()
    kept = sorted(features & known)
    return Target(
        triple=triple,
        cpu="generic",
        features=",".join(f"+{f}" for f in kept),
        tune_cpu=tune if known else "",
        vector_bits=128,
        vector_registers=32,
        has_fma=bool(known),
        has_f16c=bool(known),
        has_bf16="bf16" in kept,
        has_vnni="dotprod" in kept,
        l1_bytes=l1,
        l2_bytes=l2,
        l3_bytes=l3,
    )
