"""The list of all steps in docs/schedules.md, made from their docstrings."""

from __future__ import annotations

import inspect
import re
import textwrap

from mlc.schedules.lookup import step_names
from mlc.schedules.schedule import step_module

GROUPS = {
    "Loops": "split fuse reorder add_unit_loop fission merge loop_partition cut_loop",
    "How a loop runs": "parallel vectorize unroll bind pipeline",
    "Whole programs": "on_grid",
    "Where a block is computed": (
        "compute_at reverse_compute_at compute_inline reverse_compute_inline"
    ),
    "Reductions": "decompose_reduction rfactor",
    "Memory": "cache_read cache_write reindex set_scope storage_align transform_layout",
    "Blocks": "blockize tensorize transform_block_layout",
    "Padding": "pad_einsum decompose_padding",
    "Hints": "annotate unannotate double_buffer prefetch",
    "Choices": "sample_perfect_tile sample_categorical sample_compute_location",
}


def reference() -> str:
    """The steps as Markdown: a table, then each of them; steps without a group come last."""
    groups = {title: names.split() for title, names in GROUPS.items()}
    grouped = {name for names in groups.values() for name in names}
    others = [name for name in step_names() if name not in grouped]
    groups |= {"Others": others} if others else {}
    rows = [
        f"| {title if name == names[0] else ''} | [`{name}`](#{name}) | {_first_line(name)} |"
        for title, names in groups.items()
        for name in names
    ]
    table = "\n".join(["| | step | what it does |", "|---|---|---|", *rows])
    return "\n\n".join([table, *(_section(name) for names in groups.values() for name in names)])


def _documented(name: str) -> str:
    return inspect.getdoc(getattr(step_module(name), name)) or ""


def _first_line(name: str) -> str:
    """The first paragraph of the docstring, as one line of Markdown."""
    return _plain(" ".join(_documented(name).partition("\n\n")[0].split())).removesuffix(":")


def _section(name: str) -> str:
    """One step: how it is called, and its docstring."""
    function = getattr(step_module(name), name)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    call = ", ".join(str(p.replace(annotation=p.empty)).replace(" = ", "=") for p in parameters)
    return f"### {name}\n\n`s.{name}({call})`\n\n{_markdown(_documented(name))}"


def _markdown(text: str) -> str:
    """A docstring with its indented parts fenced."""
    out: list[str] = []
    for part in re.split(r"\n\n+(?=\S)", text):
        lead, marker, code = part.partition("::\n\n")
        if not marker:
            out.append(_plain(part))
            continue
        if lead.strip():
            out.append(_plain(lead) + ":")
        out.append(f"```text\n{textwrap.dedent(code).rstrip()}\n```")
    return "\n\n".join(out)


def _plain(text: str) -> str:
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.removesuffix("::")).replace("``", "`")
