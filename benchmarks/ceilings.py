"""What this machine can do: bandwidth of the cache level that holds a case, and the peak of
products of its kind.

The kernels are LLVM IR with explicit vectors and no optimiser behind them, so that what is written
is what runs. A ceiling is sampled beside the runs it judges, since a shared host changes its mind,
and reads the memory that they read where that is one array: by where its pages lie, large ones
of one size are read up to twice as fast as others, for as long as a process lives.
"""

from __future__ import annotations

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from .dot_kernels import TILE_DECLARATIONS, Dots, best_dots

UNROLL = 8
SAMPLE_SECONDS = 1e-3
CEILING_SOURCES = ("read", "write", "fill", "copy", "stream", "ahead")
# Stores of "fill", "stream" and "ahead" pass by the caches, else they are as "write" and "copy";
# "ahead" asks for what it reads AHEAD bytes before, into the second cache.
PASSING = ("fill", "stream", "ahead")
WRITE, BOTH = ("write", "fill"), ("copy", "stream", "ahead")
AHEAD = 8192
LINE = 64  # bytes
MOST = 0.9  # of the traffic that an array has to hold so as to stand for all of it


@cache
def vector_width() -> int:
    """Floats in the widest vector of this host."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx") else 4


def _memory_kernel(name: str, width: int) -> str:
    """One pass over ``n`` floats, ``passes`` times; ``n`` is a multiple of UNROLL * width."""
    vector = f"<{width} x float>"
    loads, stores = name not in WRITE, name != "read"
    hint = ", !nontemporal !0" if name in PASSING else ""
    body = []
    for u in range(UNROLL):
        body.append(f"  %at{u} = add nuw i64 %i, {u * width}")
        value = "zeroinitializer"
        if loads:
            body.append(f"  %p{u} = getelementptr float, ptr %source, i64 %at{u}")
            if name == "ahead":
                body.append(f"  %f{u} = getelementptr i8, ptr %p{u}, i64 {AHEAD}")
                body.append(f"  call void @llvm.prefetch.p0(ptr %f{u}, i32 0, i32 2, i32 1)")
            body.append(f"  %v{u} = load volatile {vector}, ptr %p{u}, align 64")
            value = f"%v{u}"
        if stores:
            body.append(f"  %q{u} = getelementptr float, ptr %target, i64 %at{u}")
            body.append(f"  store {vector} {value}, ptr %q{u}, align 64{hint}")
    return f"""
define void @{name}(ptr %source, ptr %target, i64 %n, i64 %passes) {{
entry:
  br label %outer
outer:
  %pass = phi i64 [0, %entry], [%next_pass, %done]
  br label %inner
inner:
  %i = phi i64 [0, %outer], [%next, %inner]
{chr(10).join(body)}
  %next = add nuw i64 %i, {UNROLL * width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %inner, label %done
done:
  %next_pass = add nuw i64 %pass, 1
  %again = icmp ult i64 %next_pass, %passes
  br i1 %again, label %outer, label %end
end:
  ret void
}}"""


def _compile() -> tuple[object, dict[str, ctypes._FuncPointer]]:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=2,
    )
    width = vector_width()
    texts = [_memory_kernel(name, width) for name in CEILING_SOURCES]
    kernels = {dots.name: dots.text for dots in dot_kernels().values()}
    texts.insert(0, "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    text = "\n".join([*texts, TILE_DECLARATIONS, *kernels.values(), "!0 = !{i32 1}"])
    engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
    )
    names = (*CEILING_SOURCES, *kernels)
    return engine, {name: signature(engine.get_function_address(name)) for name in names}


@cache
def dot_kernels() -> dict[str, Dots]:
    """See `best_dots`."""
    return best_dots(vector_width())


@cache
def _kernels() -> tuple[object, dict[str, ctypes._FuncPointer]]:
    return _compile()


def aligned(nbytes: int) -> np.ndarray:
    """Float32 zeros on a page boundary, written: untouched pages are all the same cached one."""
    raw = np.full(nbytes + 4096, 0, np.uint8)
    start = -raw.ctypes.data % 4096
    return raw[start : start + nbytes].view(np.float32)


@dataclass(frozen=True)
class Traffic:
    """What one run must move and compute at least, and how much memory it touches.

    ``kind`` says what is multiplied: "fma", "int8" or "bfloat16".
    """

    read: int
    written: int
    flops: int
    kind: str = "fma"

    @property
    def footprint(self) -> int:
        return self.read + self.written


class Ceiling:
    """Samples the least time that ``traffic`` takes on ``threads`` threads, in seconds.

    What it reads is ``over``, where that is as long as the traffic asks for.
    """

    def __init__(self, traffic: Traffic, threads: int = 1, over: np.ndarray | None = None) -> None:
        self.traffic, self.threads, self.over = traffic, threads, over
        self.engine, self.kernels = _kernels()
        step = UNROLL * vector_width() * 4
        share = max(traffic.footprint // threads, step)
        self.whole = max(share // step, 1) * step
        self.half = max(share // 2 // step, 1) * step
        self.buffers = [(aligned(self.whole), aligned(self.whole)) for _ in range(threads)]

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads)

    def _run(self, name: str, sources: list[int], n: int, passes: int) -> float:
        """Seconds of the kernel on every thread at once, in the mean over threads.

        Each thread takes its own time: what it costs to hand out the work is not the machine's.
        """
        kernel = self.kernels[name]

        def run(pair: tuple[int, int]) -> float:
            start = time.perf_counter()
            kernel(*pair, n, passes)
            return time.perf_counter() - start

        pointers = [(a, b.ctypes.data) for a, (_, b) in zip(sources, self.buffers, strict=True)]
        if self.threads == 1:
            return run(pointers[0])
        times = list(self.pool.map(run, pointers))
        return len(times) / sum(1 / seconds for seconds in times)

    def _places(self, nbytes: int) -> tuple[list[int], int]:
        """Where each thread reads, and how many bytes: about ``nbytes`` of ``over`` from the begin
        of a line on, where it has so many, else of a buffer."""
        over, step = self.over, UNROLL * vector_width() * 4
        if over is not None and over.flags.c_contiguous:
            first = -(-over.ctypes.data // LINE) * LINE
            there = (over.ctypes.data + over.nbytes - first) // self.threads // step * step
            if there > MOST * nbytes:
                nbytes = min(nbytes, there)
                return [first + nbytes * i for i in range(self.threads)], nbytes
        return [source.ctypes.data for source, _ in self.buffers], nbytes

    def rate(self, name: str) -> float:
        """Bytes a second (flops a second for kinds of products), measured now."""
        longer = 1 if self.threads == 1 else 50  # so that all threads run most of the time
        dots = dot_kernels().get(name)
        if dots is not None:
            rounds = 40_000 * longer
            none = [a.ctypes.data for a, _ in self.buffers]
            return dots.work * rounds * self.threads / self._run(dots.name, none, rounds, 1)
        nbytes = self.half if name in BOTH else self.whole
        sources, nbytes = self._places(nbytes)
        moved = nbytes * self.threads * (2 if name in BOTH else 1)
        wanted = SAMPLE_SECONDS * self.threads * 20e9 * self.threads
        passes = max(int(wanted * (1 if self.threads == 1 else 2) / moved), 1)
        return moved * passes / self._run(name, sources, nbytes // 4, passes)

    def sample(self) -> float:
        """The time of the slower of the two: moving the bytes, or doing the arithmetic."""
        both = min(self.traffic.read, self.traffic.written)
        seconds = 0.0
        # Stores that pass by the caches help only where the caches do not hold the case.
        ways = 3 if self.traffic.footprint > 1 << 21 else 1
        if both:
            seconds += 2 * both / max(self.rate(name) for name in BOTH[:ways])
        if self.traffic.read > both:
            seconds += (self.traffic.read - both) / self.rate("read")
        if self.traffic.written > both:
            rate = max(self.rate(name) for name in WRITE[:ways])
            seconds += (self.traffic.written - both) / rate
        if self.traffic.flops:
            seconds = max(seconds, self.traffic.flops / self.rate(self.traffic.kind))
        return seconds


def main(threads: int = 1) -> None:
    """Print the bandwidth by size, and the peak."""
    print(f"{threads} thread(s), vectors of {vector_width()} floats")
    peak = Ceiling(Traffic(4096, 0, 1), threads)
    for kind in dot_kernels():
        print(f"{kind:<8} {max(peak.rate(kind) for _ in range(20)) / 1e9:8.1f} GFLOP/s")
    print(f"{'bytes':>10} " + " ".join(f"{name:>8}" for name in CEILING_SOURCES) + "   GB/s")
    for power in (14, 15, 17, 19, 20, 22, 24, 26, 28):
        ceiling = Ceiling(Traffic(1 << power, 0, 0), threads)
        rates = [max(ceiling.rate(name) for _ in range(9)) / 1e9 for name in CEILING_SOURCES]
        print(f"{1 << power:>10} " + " ".join(f"{rate:8.1f}" for rate in rates))


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
