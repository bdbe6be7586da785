"""Programs as Python source, in the notation of `mlc.script`.

::

    @T.program
    def mm(A: T.Buffer((128, 128), "float32"), ...):
        for i, j, k in T.grid(128, 128, 128):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                T.where(...)                            a predicate
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

Names are made unique here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .bounds import interval
from .combiner import Combiner
from .expr import Apply, Const, Expr, Load
from .notation import (
    SCRIPT_NAMES,
    Rule,
    Text,
    constant_text,
    expr_text,
    identifier,
    number_text,
    render,
    script_rule,
)
from .outputs import count_outputs, unusual_writes
from .program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    LoopKind,
    Program,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    walk,
)
from .scalar import SCALAR_FNS
from .sharing import shared_nodes
from .simplify import simplify

__all__ = ["Names", "Source", "expr_text", "print_program", "program_text", "signature_text"]

INDENT = "    "


class Names(dict[Any, str]):
    """Unique names for buffers and variables. A name is free again when its scope is left."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        super().__init__()
        self.taken = set(taken)

    def add(self, thing: Any, wish: str = "") -> str:
        """A name for ``thing``, as near to its own (or to ``wish``) as possible."""
        base = identifier(wish or thing.name)
        name, count = base, 1
        while name in self.taken:
            name, count = f"{base}_{count}", count + 1
        self.taken.add(name)
        self[thing] = name
        return name

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names added inside are free again afterwards."""
        before = self.taken.copy()
        yield
        self.taken = before


def program_text(program: Program) -> str:
    """``program`` as Python source that traces back to the same program."""
    return print_program(program).text


def print_program(program: Program) -> Source:
    """``program`` as source, together with the line of each statement."""
    source = Source(Names({"T", "np"}))
    source.add_combiners(program)
    source.program(program, program.name)
    return source


def module_text(name: str, programs: Mapping[str, Any]) -> str:
    """Several programs as a class that a decorator makes a module; what is no program, as templates
    are, shows itself as its ``script()``."""
    source = Source(Names({"T", "np", *programs}))
    for program in programs.values():
        if isinstance(program, Program):
            source.add_combiners(program)
    source.line("@T.Module")
    source.line(f"class {identifier(name)}:")
    with source.indented():
        for number, (key, program) in enumerate(programs.items()):
            source.lines += [""] if number else []
            if not isinstance(program, Program):
                source.lines += ["    " + text for text in program.script().splitlines()]
                continue
            with source.names.scope():
                source.program(program, key)
    return source.text


def signature_text(program: Program) -> str:
    """One line: the name and what comes in and goes out."""
    names = Names()
    params = [f"{names.add(b)}: {b.dtype}[{', '.join(map(str, b.shape))}]" for b in program.params]
    split = len(params) - program.outputs
    return f"{program.name}({', '.join(params[:split])}) -> {', '.join(params[split:])}"


def quoted(text: str) -> str:
    """``text`` between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def buffer_text(buffer: Buffer) -> str:
    """The arguments that make a buffer like this one."""
    out = f'{buffer.shape!r}, "{buffer.dtype.name}"'
    if buffer.strides is not None:
        out += f", strides={buffer.strides!r}"
    if buffer.scope is not Scope.GLOBAL:
        out += f', scope="{buffer.scope.value}"'
    return out if buffer.aligned else f"{out}, aligned=False"


class Source:
    """Lines of script being written. ``starts`` maps each statement to the index of its line."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.lines: list[str] = []
        self.starts: dict[Stmt, int] = {}
        self.extents: dict[Expr, int] = {}  # of the loops around the current line
        self.depth = 0
        self.rule: Rule = script_rule("T.", names)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def line(self, text: str) -> None:
        self.lines.append(INDENT * self.depth + text)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """One level deeper, with names of its own."""
        self.depth += 1
        before = len(self.lines)
        with self.names.scope():
            yield
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    def program(self, program: Program, name: str) -> None:
        """Writes the function that is ``program``."""
        params = [f"{self.names.add(b)}: T.Buffer({buffer_text(b)})" for b in program.params]
        written = unusual_writes(program)
        is_plain = program.outputs == 1 == count_outputs(program.params, program.body)
        options = [] if is_plain and written is None else [f"outputs={program.outputs}"]
        if written is not None:
            options += [f"writes={tuple(self.names[b] for b in written)!r}"]
        shown = {key: value for key, value in program.attrs.items() if key != "location"}
        options += [f"attrs={shown!r}"] if shown else []
        self.line(f"@T.program({', '.join(options)})" if options else "@T.program")
        head = f"def {identifier(name)}("
        if len(head) + sum(len(p) + 2 for p in params) <= 96:
            self.line(f"{head}{', '.join(params)}):")
        else:
            self.line(head)
            for param in params:
                self.line(f"{INDENT}{param},")
            self.line("):")
        with self.indented():
            self.statement(program.body)

    def statement(self, stmt: Stmt) -> None:
        """Writes one statement."""
        self.starts[stmt] = len(self.lines)
        match stmt:
            case Seq(stmts=stmts):
                self.sequence(stmts)
            case Allocate(buffers=buffers, body=body):
                for buffer in buffers:
                    self.line(f"{self.names.add(buffer)} = T.alloc({buffer_text(buffer)})")
                self.statement(body)
            case For():
                self.loop(stmt)
            case While(condition=condition, body=body):
                (test,) = self.values(condition)
                self.line(f"with T.while_({test}):")
                with self.indented():
                    self.statement(body)
            case If(condition=condition, then=then, otherwise=otherwise):
                (test,) = self.values(condition)
                self.line(f"with T.when({test}):")
                with self.indented():
                    self.statement(then)
                if otherwise is not None:
                    self.line("with T.otherwise():")
                    with self.indented():
                        self.statement(otherwise)
            case Block():
                self.block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                *at, text = self.values(*indices, value)
                target = self.element(buffer, at)
                is_plain = not _reads_as_update(buffer, indices, value)
                self.line(f"{target} = {text}" if is_plain else f"T.store({target}, {text})")
            case Accumulate():
                self.accumulate(stmt)
            case Evaluate(name=name, args=args):
                texts = self.arguments(args)
                self.line(f"T.call({', '.join([quoted(name), *texts])})")

    def sequence(self, stmts: Sequence[Stmt]) -> None:
        for position, stmt in enumerate(stmts):
            if isinstance(stmt, Allocate) and position + 1 < len(stmts):
                self.line("with T.scope():")
                with self.indented():
                    self.statement(stmt)
            else:
                self.statement(stmt)

    def loop(self, stmt: For) -> None:
        nest = [stmt]
        while _is_plain(nest[-1]) and isinstance(nest[-1].body, For) and _is_plain(nest[-1].body):
            nest.append(nest[-1].body)
        self.extents.update((level.var, level.extent) for level in nest)
        with self.names.scope():
            loop_vars = ", ".join([self.names.add(level.var) for level in nest])
            extents = ", ".join(str(level.extent) for level in nest)
            if len(nest) > 1:
                self.starts.update(dict.fromkeys(nest, len(self.lines)))
                self.line(f"for {loop_vars} in T.grid({extents}):")
            else:
                hints = dict(stmt.annotations)
                if stmt.kind is LoopKind.BOUND:
                    extents += f", {quoted(hints.pop('thread', ''))}"
                if hints:
                    extents += f", annotations={hints!r}"
                self.line(f"for {loop_vars} in T.{stmt.kind.value}({extents}):")
            with self.indented():
                self.statement(nest[-1].body)

    def block(self, stmt: Block) -> None:
        self.line(f"with T.block({quoted(stmt.name)}):")
        with self.indented():
            self.iters(stmt.iters)
            if stmt.predicate is not None:
                self.line(f"T.where({self.values(stmt.predicate)[0]})")
            if stmt.annotations:
                self.line(f"T.annotate({dict(stmt.annotations)!r})")
            for word, regions in (("reads", stmt.reads), ("writes", stmt.writes)):
                if regions is not None:
                    self.line(f"T.{word}({', '.join(self.arguments(regions, False))})")
            if stmt.init is not None:
                self.line("with T.init():")
                with self.indented():
                    self.statement(stmt.init)
            self.statement(stmt.body)

    def iters(self, iters: tuple[Iter, ...]) -> None:
        """The axes; loop variables are taken over by one ``T.remap``, which knows their extents."""
        bindings = self.values(*(it.binding for it in iters))
        axes = [
            self.names.add(it.axis, n if n.startswith("v") else f"v{n}")
            for it in iters
            for n in (it.axis.name,)
        ]
        if iters and all(self.extents.get(it.binding) == it.axis.extent for it in iters):
            kinds = "".join("R" if it.axis.is_reduce else "S" for it in iters)
            self.line(f'{", ".join(axes)} = T.remap("{kinds}", [{", ".join(bindings)}])')
            return
        for it, name, binding in zip(iters, axes, bindings, strict=True):
            kind = "reduce" if it.axis.is_reduce else "spatial"
            low, high = interval(it.binding, self.extents)  # type: ignore[arg-type]
            is_part = not it.axis.is_reduce and (low > 0 or high < it.axis.extent - 1)
            part = ", part=True" if is_part else ""
            self.line(f"{name} = T.axis.{kind}({it.axis.extent}, {binding}{part})")

    def accumulate(self, stmt: Accumulate) -> None:
        combiner = stmt.combiner
        texts = self.values(*stmt.indices, *stmt.values)
        at, values = texts[: len(stmt.indices)], texts[len(stmt.indices) :]
        targets = [self.element(buffer, at) for buffer in stmt.buffers]
        if combiner.fn and SCALAR_FNS[combiner.fn].infix:
            self.line(f"{targets[0]} {SCALAR_FNS[combiner.fn].infix}= {values[0]}")
        elif combiner.fn:
            name = SCRIPT_NAMES.get(combiner.fn, combiner.fn)
            self.line(f"{targets[0]} = T.{name}({targets[0]}, {values[0]})")
        else:
            old, new = ", ".join(targets), ", ".join(values)
            if len(targets) > 1:
                old, new = f"({old})", f"({new})"
            self.line(f"{', '.join(targets)} = {self.names[combiner]}({old}, {new})")

    def values(self, *exprs: Expr, named: dict[Expr, Text] | None = None) -> list[str]:
        """The texts of ``exprs``; what they share is written first, as assignments. Those of
        ``named`` stand already, and new ones are added."""
        named = {} if named is None else named
        done = dict(named)
        for node in shared_nodes(exprs):
            if node in named:
                continue
            text = render(node, self.rule, done).text
            name = f"t{len(named)}"
            while name in self.names.taken:
                name += "_"
            self.line(f"{name} = {text}")
            done[node] = named[node] = Text(name, 20)
        return [render(expr, self.rule, done).text for expr in exprs]

    def element(self, buffer: Buffer, indices: Sequence[str]) -> str:
        return f"{self.name_of(buffer)}[{', '.join(indices) or '()'}]"

    def arguments(self, args: Sequence[Expr | Buffer | Region], in_call: bool = True) -> list[str]:
        """What stands for ``args`` in a call, or what a block declares; regions are
        slices ``start : start + extent``. All share the names of parts: they stand in one line."""
        named: dict[Expr, Text] = {}
        out: list[str] = []
        for arg in args:
            match arg:
                case Region(buffer=buffer):
                    starts = [simplify(start) for start in arg.starts]
                    ends = [simplify(a + n) for a, n in zip(starts, arg.extents, strict=True)]
                    texts = self.values(*starts, *ends, named=named)
                    pairs = zip(texts[: len(starts)], texts[len(starts) :], strict=True)
                    slices = [f"{a}:{b}" for a, b in pairs]
                    text = f"{self.name_of(buffer)}[{', '.join(slices) or '()'}]"
                    out.append(text if slices or not in_call else f"T.region({text})")
                case Const():
                    out.append(constant_text(arg))
                case Expr():
                    out += self.values(arg, named=named)
                case _:
                    out.append(self.name_of(arg))
        return out

    def name_of(self, buffer: Buffer) -> str:
        return self.names.get(buffer) or self.names.add(buffer)

    def add_combiners(self, program: Program) -> None:
        """Definitions of the combiners that have no notation of their own."""
        for stmt in walk(program.body):
            if isinstance(stmt, Accumulate) and not stmt.combiner.fn:
                if stmt.combiner not in self.names:
                    name = self.names.add(stmt.combiner)
                    self.lines += [f"{name} = {combiner_text(stmt.combiner)}", "", ""]


def combiner_text(combiner: Combiner, namespace: str = "T.") -> str:
    """The expression that makes this combiner."""
    single = len(combiner.dtypes) == 1
    names: dict[Any, str] = {}
    for side, variables in (("a", combiner.lhs), ("b", combiner.rhs)):
        names.update((v, side if single else f"{side}[{i}]") for i, v in enumerate(variables))
    done: dict[Expr, Text] = {}
    rule = script_rule(namespace, names)
    parts = [render(part, rule, done).text for part in combiner.result]
    identity = [number_text(c.value, c.dtype, "np.") for c in combiner.identity]
    dtypes = [f'"{d.name}"' for d in combiner.dtypes]
    if single:
        result, start, kinds = parts[0], identity[0], dtypes[0]
    else:
        result, start, kinds = (f"({', '.join(texts)})" for texts in (parts, identity, dtypes))
    order = "" if combiner.commutative else ", commutative=False"
    return (
        f"{namespace}comm_reducer(lambda a, b: {result}, identity={start}, "
        f'dtype={kinds}, name="{combiner.name}"{order})'
    )


def _reads_as_update(buffer: Buffer, indices: tuple[Expr, ...], value: Expr) -> bool:
    """Whether ``buffer[indices] = value`` is the notation of an update: of Accumulate."""
    match value:
        case Apply(fn="maximum" | "minimum", args=(Load(source=source, indices=at), _)):
            return source is buffer and all(a is b for a, b in zip(at, indices))
        case _:
            return False


def _is_plain(stmt: For) -> bool:
    return stmt.kind is LoopKind.SERIAL and not stmt.annotations
