"""A program as nested boxes: loops coloured by kind, blocks with their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..ir.program import Allocate, Block, For, If, LoopKind, Program, Scope, Seq, Stmt, While
from ..ir.show import Names, Source, signature_text
from .svg import FAINT, LINE, Canvas, Picture, text_width

_PAD = 10
_GAP = 8
# fill, border
_LOOPS = {
    LoopKind.SERIAL: ("#eef1f6", "#9aa5b8"),
    LoopKind.PARALLEL: ("#e3f4e6", "#4f9d5d"),
    LoopKind.VECTORIZED: ("#fdeedd", "#d98324"),
    LoopKind.UNROLLED: ("#f1e8fb", "#8b5fc7"),
    LoopKind.BOUND: ("#dff3f5", "#2f8f9d"),
}
_BLOCK = ("#fffbe6", "#c9a227")
_PLAIN = ("#ffffff", "#9aa5b8")


@dataclass(eq=False)
class _Box:
    """What one statement becomes: lines of text, then the boxes inside it."""

    kind: str
    fill: str
    border: str
    lines: list[tuple[str, str]] = field(default_factory=list)  # (text, note in faint ink)
    inside: list[_Box] = field(default_factory=list)
    dash: str = ""

    @property
    def width(self) -> float:
        texts = [text_width(a) + (text_width(b) + 16 if b else 0) for a, b in self.lines]
        return max([*texts, *(box.width for box in self.inside)], default=0) + 2 * _PAD

    @property
    def height(self) -> float:
        gaps = _GAP * (len(self.inside) - bool(self.inside and not self.lines))
        return len(self.lines) * LINE + sum(b.height for b in self.inside) + gaps + 2 * _PAD

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        canvas.box(
            x, y, width, self.height, self.fill, self.border, radius=6, dash=self.dash,
            kind=self.kind,
        )  # fmt: skip
        at, is_titled = y + _PAD, self.kind not in ("statement", "memory")
        for number, (text, note) in enumerate(self.lines):
            canvas.text(x + _PAD, at + 12, text, bold=number == 0 and is_titled)
            if note:
                canvas.text(x + width - _PAD, at + 12, note, colour=FAINT, anchor="end")
            at += LINE
        for number, box in enumerate(self.inside):
            at += _GAP if number or self.lines else 0
            box.draw(canvas, x + _PAD, at, width - 2 * _PAD)
            at += box.height


def nest_picture(program: Program) -> Picture:
    """The loops and blocks of ``program`` as boxes in boxes, in program order from the top."""
    source = Source(Names({"T", "np"}))
    source.add_combiners(program)
    source.lines.clear()  # their names are enough here
    for buffer in program.params:
        source.names.add(buffer)
    boxes = _boxes(program.body, source)
    title = signature_text(program)
    kinds = _kinds(boxes)
    legend = sum(text_width(kind) + 34 for kind in kinds)
    width = max([text_width(title, 13), legend, *(box.width for box in boxes)]) + 2 * 16
    canvas, y = Canvas(), 14.0
    canvas.text(16, y + 13, title, size=13, bold=True)
    y += 28
    for box in boxes:
        box.draw(canvas, 16, y, width - 32)
        y += box.height + _GAP
    y += 6
    x = 16.0
    colours = {kind.value: colour for kind, colour in _LOOPS.items()}
    for kind in kinds:
        fill, border = colours.get(kind, _BLOCK)
        canvas.box(x, y, 14, 12, fill, border, radius=3, kind="legend")
        canvas.text(x + 20, y + 11, kind, colour=FAINT)
        x += text_width(kind) + 34
    return canvas.picture(width, y + 26, title)


def _kinds(boxes: Sequence[_Box]) -> list[str]:
    """The kinds of boxes there are, in order of appearance, as the legend names them."""
    found: dict[str, None] = {}
    stack = list(reversed(boxes))
    while stack:
        box = stack.pop()
        if box.kind.startswith("loop "):
            found[box.kind.removeprefix("loop ")] = None
        elif box.kind == "block":
            found["block"] = None
        stack.extend(reversed(box.inside))
    return list(found)


def _boxes(stmt: Stmt, source: Source) -> list[_Box]:
    match stmt:
        case Seq(stmts=stmts):
            return [box for part in stmts for box in _boxes(part, source)]
        case Allocate(buffers=buffers, body=body):
            made = _Box("memory", *_PLAIN, dash="2 3")
            for buffer in buffers:
                where = "" if buffer.scope is Scope.GLOBAL else f" in {buffer.scope.value}"
                name, shape = source.names.add(buffer), ", ".join(map(str, buffer.shape))
                made.lines.append((f"{name}: {buffer.dtype}[{shape}]{where}", "allocated"))
            return [made, *_boxes(body, source)]
        case For():
            return [_loop_box(stmt, source)]
        case Block():
            return [_block_box(stmt, source)]
        case While(condition=condition, body=body):
            lines = [(f"while {source.values(condition)[-1]}", "")]
            lines = [*_named_parts(source), *lines]
            return [_Box("when", *_PLAIN, lines, _scoped(body, source), dash="5 3")]
        case If(condition=condition, then=then, otherwise=otherwise):
            out = []
            for word, part in (("when", then), ("otherwise", otherwise)):
                if part is not None:
                    test = f" {source.values(condition)[-1]}" if word == "when" else ""
                    lines = [*_named_parts(source), (f"{word}{test}", "")]
                    inside = _scoped(part, source)
                    out.append(_Box("when", *_PLAIN, lines, inside, dash="5 3"))
            return out
        case _:
            return [_Box("statement", *_PLAIN, [(line, "") for line in _lines(stmt, source)])]


def _scoped(stmt: Stmt, source: Source) -> list[_Box]:
    with source.names.scope():
        return _boxes(stmt, source)


def _loop_box(stmt: For, source: Source) -> _Box:
    with source.names.scope():
        name = source.names.add(stmt.var)
        hints = dict(stmt.annotations)
        thread = f" {hints.pop('thread')}" if "thread" in hints else ""
        kind = "" if stmt.kind is LoopKind.SERIAL else f"{stmt.kind.value}{thread}"
        lines = [(f"for {name} in range({stmt.extent})", kind)]
        if hints:
            lines.append((", ".join(f"{key} = {value!r}" for key, value in hints.items()), ""))
        inside = _boxes(stmt.body, source)
    return _Box(f"loop {stmt.kind.value}", *_LOOPS[stmt.kind], lines, inside)


def _block_box(stmt: Block, source: Source) -> _Box:
    box = _Box("block", *_BLOCK, [(f"block {stmt.name}", "")])
    with source.names.scope():
        source.lines.clear()
        texts = source.values(*(it.binding for it in stmt.iters))
        where = () if stmt.predicate is None else source.values(stmt.predicate)
        box.lines += _named_parts(source)
        for it, text in zip(stmt.iters, texts, strict=True):
            wish = it.axis.name if it.axis.name.startswith("v") else f"v{it.axis.name}"
            kind = "reduce" if it.axis.is_reduce else "spatial"
            name = source.names.add(it.axis, wish)
            box.lines.append((f"{name} = {text}", f"{kind} {it.axis.extent}"))
        box.lines += [(f"where {where[-1]}", "")] if where else []
        box.lines += [(f"{key} = {value!r}", "hint") for key, value in stmt.annotations]
        if stmt.init is not None:
            inside = _scoped(stmt.init, source)
            for part in inside:
                part.lines[0] = (part.lines[0][0], part.lines[0][1] or "init")
            box.inside += inside
        box.inside += _boxes(stmt.body, source)
    source.lines.clear()
    return box


def _named_parts(source: Source) -> list[tuple[str, str]]:
    """The names that the last values were given for what they share, each with what it stands
    for."""
    found = [(line.strip(), "") for line in source.lines]
    source.lines.clear()
    return found


def _lines(stmt: Stmt, source: Source) -> list[str]:
    source.lines.clear()
    source.statement(stmt)
    found = list(source.lines)
    source.lines.clear()
    return found
