"""Random steps: every primitive, with operands that fit and operands that do not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ..errors import ScheduleError
from ..ir.expr import Const, Select
from ..ir.intrinsic import intrinsic_named
from ..ir.program import (
    Allocate,
    For,
    Seq,
    Stmt,
    Store,
    blocks_of,
    walk,
)
from ..schedules.buffers import allocations_of
from ..schedules.regions import buffers_read, buffers_written
from ..schedules.schedule import Schedule
from ..schedules.step import Decision
from .choices import Choices
from .scene import Call, Scene

SCOPES = ("local", "shared", "global", "warp", "global.tile")
THREADS = ("threadIdx.x", "blockIdx.x", "threadIdx.y", "vthread.x", "blockIdx.y")


def draw_call(schedule: Schedule, choices: Choices, name: str = "") -> Call:
    """A step on the program of ``schedule``: the one called ``name``, or any."""
    program = schedule.program
    decisions = [x for t in schedule.trace for x in t.made if isinstance(x, Decision)]
    loops = [n for n in walk(program.body) if isinstance(n, For)]
    scene = Scene(program, choices, loops, blocks_of(program.body), decisions)
    if name in NEED_LOOPS and not loops:
        name = ""
    if not name and choices.one_in(5):
        call = _suiting(schedule, scene, choices)
        if call is not None:
            return call
    while not name:
        tried = choices.pick(NAMES)
        if loops or tried not in NEED_LOOPS:
            name = tried
    return DRAWN[name](scene, choices)


def _suiting(schedule: Schedule, scene: Scene, c: Choices) -> Call | None:
    """One of the steps that few programs suit, which the program of ``schedule`` does."""
    for name in c.some(SELDOM, TRIES):
        if name in NEED_LOOPS and not scene.loops:
            continue
        call = DRAWN[name](scene, c)
        try:
            call.take(schedule.copy())
        except ScheduleError:
            continue
        except Exception:  # that is for the caller to find
            return call
        return call
    return None


def _split(scene: Scene, c: Choices) -> Call:
    loop = scene.loop()
    size: Any = scene.factor()
    factors = c.pick(([None, size], [size, None], [None, size], [None, 2, size], [size, 2]))
    tail = c.pick(("guard", "guard", "cut", "shift", "pad"))
    return Call("split", (loop, factors), (("tail", tail),))


def _fuse(scene: Scene, c: Choices) -> Call:
    if c.one_in(5):
        return Call("fuse", tuple(c.some([x.var for x in scene.loops], 2)))
    own = scene.loops_of(scene.block())
    if len(own) < 2:
        return Call("fuse", (scene.loop(), scene.loop()))
    first = c.below(len(own) - 1)
    return Call("fuse", tuple(own[first : first + c.between(2, 3)]))


def _reorder(scene: Scene, c: Choices) -> Call:
    own = scene.loops_of(scene.block())
    if len(own) < 2 or c.one_in(8):
        own = [x.var for x in scene.loops]
    return Call("reorder", tuple(c.some(own, c.between(2, 4))))


def _cut_loop(scene: Scene, c: Choices) -> Call:
    loop = scene.loop()
    return Call("cut_loop", (loop, c.between(1, max(scene.extent(loop), 1))))


def _loop_partition(scene: Scene, c: Choices) -> Call:
    first = c.between(1, 4)
    return Call("loop_partition", (scene.loop(), [first, first + c.between(0, 2)]))


def _fission(scene: Scene, c: Choices) -> Call:
    several = [x for x in scene.loops if isinstance(x.body, Seq)]
    if several and not c.one_in(4):
        loop = c.pick(several)
        return Call("fission", (loop.var, c.between(1, len(loop.body.stmts) - 1)))  # type: ignore[union-attr]
    if c.one_in(2):
        block = scene.block()
        return Call("fission", (scene.loop_of(block),), (("after", block.name),))
    return Call("fission", (scene.loop(), c.between(1, 3)))


def _merge(scene: Scene, c: Choices) -> Call:
    """Two loops, mostly neighbours of one extent."""
    pairs = []
    for node in walk(scene.program.body):
        parts = getattr(node, "stmts", ())
        for one, two in pairwise(parts):
            if isinstance(one, For) and isinstance(two, For) and one.extent == two.extent:
                pairs.append((one.var, two.var))
    if pairs and not c.one_in(5):
        return Call("merge", c.pick(pairs))
    return Call("merge", (scene.loop(), scene.loop()))


def _loop_alone(name: str) -> Callable[[Scene, Choices], Call]:
    return lambda scene, c: Call(name, (scene.loop(),))


def _innermost(name: str) -> Callable[[Scene, Choices], Call]:
    def draw(scene: Scene, c: Choices) -> Call:
        own = scene.loops_of(scene.block())
        return Call(name, (own[-1] if own and not c.one_in(3) else scene.loop(),))

    return draw


def _block_alone(name: str) -> Callable[[Scene, Choices], Call]:
    return lambda scene, c: Call(name, (scene.block().name,))


def _inlined(name: str, reverse: bool) -> Callable[[Scene, Choices], Call]:
    """A block that hands to others, or gets from them, through memory of the program."""

    def draw(scene: Scene, c: Choices) -> Call:
        own = set(allocations_of(scene.program))
        touched = buffers_read if reverse else buffers_written
        fitting = [b for b in scene.blocks if own.intersection(touched(b)) and not b.is_reduction]
        block = c.pick(fitting) if fitting and not c.one_in(4) else scene.block()
        return Call(name, (block.name,))

    return draw


def _decompose_padding(scene: Scene, c: Choices) -> Call:
    padded = [
        b
        for b in scene.blocks
        if isinstance(b.body, Store)
        and isinstance(b.body.value, Select)
        and isinstance(b.body.value.otherwise, Const)
    ]
    block = c.pick(padded) if padded and not c.one_in(4) else scene.block()
    return Call("decompose_padding", (block.name, scene.loop_of(block)))


def _move(name: str, reverse: bool) -> Callable[[Scene, Choices], Call]:
    """A block and a loop of one that it hands to or gets from."""

    def draw(scene: Scene, c: Choices) -> Call:
        own = set(allocations_of(scene.program))
        touched = buffers_read if reverse else buffers_written
        fitting = [b for b in scene.blocks if own.intersection(touched(b))]
        block = c.pick(fitting) if fitting and not c.one_in(3) else scene.block()
        mine = set(buffers_read(block) if reverse else buffers_written(block))
        others = [
            b
            for b in scene.blocks
            if b is not block
            and mine.intersection(buffers_written(b) if reverse else buffers_read(b))
        ]
        if others and not c.one_in(5):
            return Call(name, (block.name, scene.loop_of(c.pick(others))))
        if scene.decisions and c.one_in(3):
            return Call(name, (block.name, c.pick(scene.decisions)))
        return Call(name, (block.name, scene.loop()))

    return draw


def _add_unit_loop(scene: Scene, c: Choices) -> Call:
    if not scene.loops or c.one_in(2):
        return Call("add_unit_loop", (scene.block().name,))
    return Call("add_unit_loop", (scene.loop(),))


def _annotate(scene: Scene, c: Choices) -> Call:
    at = scene.block().name if not scene.loops or c.one_in(2) else scene.loop()
    return Call("annotate", (at, c.pick(("hint", "note")), c.pick((1, "two", 2.5, None))))


def _unannotate(scene: Scene, c: Choices) -> Call:
    hinted: list[tuple[Any, str]] = []
    hinted += [(x.var, key) for x in scene.loops for key, _ in x.annotations]
    hinted += [(b.name, key) for b in scene.blocks for key, _ in b.annotations]
    if hinted and not c.one_in(5):
        return Call("unannotate", c.pick(hinted))
    return Call("unannotate", (scene.block().name, "hint"))


def _bind(scene: Scene, c: Choices) -> Call:
    thread = c.pick(THREADS)
    atomic = thread.startswith("blockIdx") and c.one_in(3)
    return Call("bind", (scene.loop(), thread), (("atomic", True),) if atomic else ())


def _parallel(scene: Scene, c: Choices) -> Call:
    return Call("parallel", (scene.loop(),), (("grain", c.pick((1, 2, 0))),))


def _cache_read(scene: Scene, c: Choices) -> Call:
    block = scene.block()
    args = (block.name, scene.read_by(block), c.pick(SCOPES))
    if c.one_in(4):
        return Call("cache_read", args, (("consumers", [scene.block().name]),))
    return Call("cache_read", args)


def _cache_write(scene: Scene, c: Choices) -> Call:
    block = scene.block()
    return Call("cache_write", (block.name, scene.written_by(block), c.pick(SCOPES)))


def _reindex(scene: Scene, c: Choices) -> Call:
    block = scene.block()
    touched = scene.written_by(block) if c.one_in(3) else scene.read_by(block)
    return Call("reindex", (block.name, touched))


def _set_scope(scene: Scene, c: Choices) -> Call:
    buffers = allocations_of(scene.program)
    if buffers and not c.one_in(4):
        return Call("set_scope", (c.pick(buffers), c.pick(SCOPES)))
    return Call("set_scope", (scene.block().name, c.pick(SCOPES)))


def _storage_align(scene: Scene, c: Choices) -> Call:
    blocks = [
        b for b in scene.blocks if set(buffers_written(b)) & set(allocations_of(scene.program))
    ]
    block = c.pick(blocks) if blocks and not c.one_in(4) else scene.block()
    args = (block.name, scene.written_by(block), c.below(2), c.pick((4, 2, 3)), c.pick((1, 0, 2)))
    return Call("storage_align", args)


MAPS = {
    1: (
        "lambda i: (i // 2, i % 2)",
        "lambda i: (i + 1,)",
        "lambda i: (i // 2,)",
        "lambda i: (i % 3, i // 3)",
    ),
    2: (
        "lambda i, j: (j, i)",
        "lambda i, j: (i // 2, j, i % 2)",
        "lambda i, j: (i + j,)",
        "lambda i, j: (i * 5 + j,)",
        "lambda i, j: (i, j // 4, j % 4)",
        "lambda i, j: (i * 9 + j,)",
        "lambda i, j: (i * 4 + j,)",
    ),
    3: (
        "lambda i, j, k: (k, i, j)",
        "lambda i, j, k: (i * 4 + j, k)",
        "lambda i, j, k: (i, j, k // 2, k % 2)",
        "lambda i, j, k: (j * 3 + i, k)",
    ),
}


def _map(c: Choices, arity: int, extents: tuple[int, ...]) -> str:
    """The text of an index map of ``arity`` parameters."""
    if arity == 2 and c.one_in(2):
        return f"lambda i, j: (i * {max(extents[1], 1)} + j,)"
    if arity in MAPS:
        return c.pick(MAPS[arity])
    names = ", ".join("ijklmnop"[:arity])
    turned = ", ".join(reversed("ijklmnop"[:arity]))
    return f"lambda {names}: ({turned or 'i'},)"


def _transform_layout(scene: Scene, c: Choices) -> Call:
    buffers = allocations_of(scene.program)
    if not buffers or c.one_in(6):
        buffers = scene.program.params
    buffer = c.pick(buffers)
    pad = c.pick((None, None, 0, 1))
    text = _map(c, buffer.ndim, buffer.shape)
    if buffer.dtype.name == "bool" and pad is not None:
        pad = bool(pad)
    return Call("transform_layout", (None, buffer, text), (("pad_value", pad),))


def _transform_block_layout(scene: Scene, c: Choices) -> Call:
    block = scene.block()
    extents = tuple(it.axis.extent for it in block.iters)
    return Call("transform_block_layout", (block.name, _map(c, len(extents), extents)))


def _rfactor(scene: Scene, c: Choices) -> Call:
    reductions = [b for b in scene.blocks if b.is_reduction]
    block = c.pick(reductions) if reductions and not c.one_in(5) else scene.block()
    return Call("rfactor", (scene.loop_of(block), c.below(2)))


def _decompose_reduction(scene: Scene, c: Choices) -> Call:
    reductions = [b for b in scene.blocks if b.init is not None]
    block = c.pick(reductions) if reductions and not c.one_in(5) else scene.block()
    return Call("decompose_reduction", (block.name, scene.loop_of(block)))


def _pad_einsum(scene: Scene, c: Choices) -> Call:
    reductions = [b for b in scene.blocks if b.is_reduction]
    block = c.pick(reductions) if reductions and not c.one_in(5) else scene.block()
    return Call("pad_einsum", (block.name, [c.pick((2, 4, 1, 3)) for _ in block.iters]))


def _pipeline(scene: Scene, c: Choices) -> Call:
    loop = c.pick(scene.loops)
    several = [x for x in scene.loops if len(getattr(x.body, "stmts", ())) > 1]
    if several and not c.one_in(5):
        loop = c.pick(several)
    count = len(getattr(loop.body, "stmts", (0, 0)))
    stages = [c.below(3) for _ in range(count)]
    order = c.some(range(count), count) if c.one_in(2) else None
    return Call("pipeline", (loop.var, stages), (("order", order),))


def _prefetch(scene: Scene, c: Choices) -> Call:
    block = scene.block()
    read = buffers_read(block)
    buffer = c.pick(read) if read else "A"
    return Call("prefetch", (block.name, buffer, scene.loop_of(block), c.between(1, 2)))


def _tensorize(scene: Scene, c: Choices) -> Call:
    from .intrinsics import NAMES as INTRINSICS

    fitting = [
        (loop.var, name)
        for loop in scene.loops
        for name in INTRINSICS
        if chain_extents(loop) == chain_extents(intrinsic_named(name).meaning.body)
    ]
    if fitting and not c.one_in(4):
        return Call("tensorize", c.pick(fitting))
    target = scene.block().name if not scene.loops or c.one_in(3) else scene.loop()
    return Call("tensorize", (target, c.pick(INTRINSICS)))


def chain_extents(stmt: Stmt) -> list[int]:
    """The extents of loops that hold nothing but each other and one block or statement, in order of
    size; empty if they hold more."""
    extents: list[int] = []
    while isinstance(stmt, For):
        extents.append(stmt.extent)
        stmt = stmt.body
    return [] if isinstance(stmt, (Seq, Allocate)) else sorted(extents)


def _sample_perfect_tile(scene: Scene, c: Choices) -> Call:
    return Call("sample_perfect_tile", (scene.loop(), c.between(1, 3)), (("max_innermost", 4),))


def _sample_categorical(scene: Scene, c: Choices) -> Call:
    return Call("sample_categorical", ([c.pick((2, 3)), 4, 1],))


def _sample_compute_location(scene: Scene, c: Choices) -> Call:
    options = (("reverse", c.one_in(2)),)
    return Call("sample_compute_location", (scene.block().name,), options)


def _on_grid(scene: Scene, c: Choices) -> Call:
    return Call("on_grid", (), (("threads", c.pick((32, 64, 128))),))


DRAWN: dict[str, Callable[[Scene, Choices], Call]] = {
    "split": _split,
    "fuse": _fuse,
    "reorder": _reorder,
    "compute_at": _move("compute_at", False),
    "reverse_compute_at": _move("reverse_compute_at", True),
    "compute_inline": _inlined("compute_inline", False),
    "reverse_compute_inline": _inlined("reverse_compute_inline", True),
    "cache_read": _cache_read,
    "cache_write": _cache_write,
    "parallel": _parallel,
    "vectorize": _innermost("vectorize"),
    "unroll": _loop_alone("unroll"),
    "bind": _bind,
    "decompose_reduction": _decompose_reduction,
    "rfactor": _rfactor,
    "fission": _fission,
    "merge": _merge,
    "cut_loop": _cut_loop,
    "loop_partition": _loop_partition,
    "add_unit_loop": _add_unit_loop,
    "annotate": _annotate,
    "unannotate": _unannotate,
    "blockize": _innermost("blockize"),
    "decompose_padding": _decompose_padding,
    "double_buffer": _block_alone("double_buffer"),
    "on_grid": _on_grid,
    "pad_einsum": _pad_einsum,
    "pipeline": _pipeline,
    "prefetch": _prefetch,
    "reindex": _reindex,
    "sample_categorical": _sample_categorical,
    "sample_compute_location": _sample_compute_location,
    "sample_perfect_tile": _sample_perfect_tile,
    "set_scope": _set_scope,
    "storage_align": _storage_align,
    "tensorize": _tensorize,
    "transform_block_layout": _transform_block_layout,
    "transform_layout": _transform_layout,
}

OFTEN = (
    "split",
    "fuse",
    "reorder",
    "compute_at",
    "reverse_compute_at",
    "cache_read",
    "cache_write",
)
MOVES = (
    "parallel", "vectorize", "merge", "fission", "compute_inline", "reverse_compute_inline",
    "decompose_reduction", "rfactor", "bind", "tensorize",
)  # fmt: skip
NAMES = (*DRAWN, *OFTEN, *MOVES, *OFTEN, *MOVES)
SELDOM = (
    "unannotate", "pad_einsum", "tensorize", "decompose_padding", "double_buffer", "pipeline",
    "loop_partition", "storage_align", "reverse_compute_inline", "transform_block_layout",
    "transform_layout", "rfactor", "compute_at", "reverse_compute_at", "pad_einsum", "tensorize",
)  # fmt: skip
TRIES = 6  # of those in a row
NO_LOOPS = {
    "add_unit_loop", "annotate", "unannotate", "cache_read", "cache_write", "compute_inline",
    "reverse_compute_inline", "double_buffer", "pad_einsum", "reindex", "sample_categorical",
    "on_grid", "sample_compute_location", "set_scope", "storage_align", "tensorize",
    "transform_block_layout", "transform_layout",
}  # fmt: skip
NEED_LOOPS = set(DRAWN) - NO_LOOPS
