"""The rules of the house, held by a test: layers, sizes, names, and what a text may contain."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import mlc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mlc"

# A part imports from itself and from the lines above its own, never from its own line or below.
LAYERS = (
    ("loading",),
    ("records", "forks"),
    ("errors", "synonyms"),
    ("dtypes", "config"),
    ("ir",),
    ("te", "intrinsics"),
    ("ops", "schedules"),
    ("graph",),
    ("tracer", "lower"),
    ("simulator",),
    ("backends",),
    ("runtime",),
    ("looking",),
    ("kernel_code",),
    ("control",),
    ("compile_device", "kernel_families"),
    ("native_text", "device_grids"),
    ("compile",),
    ("compile_program",),
    ("lowered", "call_spec"),
    ("specialization", "typed"),
    ("dynamic", "resizing", "tracebacks"),
    ("call_trace", "device_plan"),
    ("quick_call",),
    ("device_call",),
    ("build_program",),
    ("jit",),
    ("build", "eager"),
    ("numpy", "random", "nn", "script", "doctor", "card_trial"),
    ("tune", "testing"),
    ("command",),
    ("__init__", "__main__"),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

HARD_CEILING = 500
MEDIAN_CEILING = 200
BANNED_NAMES = re.compile(r"utils?|helpers?|misc|common|stuff|.*_(v\d|new|old|impl)")
LATE_IMPORTS = ("llvmlite", "cupy", "optree", "platformdirs", "filelock", "ml_dtypes", "torch")
# Written in two halves so that this file passes its own test.
UNFINISHED = re.compile("TO" + "DO|FIX" + "ME|X" + "XX")
FOREIGN = re.compile(
    r"(?<![\w.:/])/(?:work|root|home|opt)/\w"  # a path of somebody's machine
    r"|file:" + r"//|index" + r"-url|find" + r"-links|python" + r"hosted\.org|pypi" + r"\.org"
)


@cache
def sources() -> tuple[Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


class Facts(NamedTuple):
    """What the rules ask of a file, by line; its syntax tree is large, and not kept."""

    length: int
    imports: tuple[tuple[int, str], ...]
    environment: tuple[int, ...]
    prints: tuple[int, ...]
    undocumented: tuple[str, ...]


@cache
def facts(path: Path) -> Facts:
    text = path.read_text(encoding="utf-8")
    module = ast.parse(text, str(path))
    return Facts(
        len(text.splitlines()),
        tuple(imported_parts(path, module)),
        tuple(environment(module)) if "env" in text else (),
        tuple(prints(module)) if "print" in text else (),
        tuple(undocumented(path, module)),
    )


@cache
def tracked() -> tuple[Path, ...]:
    """The files under version control, or every file where git is not at hand."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below ``node`` that statements are made of, without their expressions."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, field, ()):
            yield inner
            yield from statements(inner)


def imported_parts(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, part) for each import of `mlc` in a file, those inside functions included."""
    package = path.relative_to(ROOT).parent.parts
    for node in statements(module):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            # `from mlc import te` names the part last, `from mlc.te import x` does not.
            targets = [base] if len(base) > 1 else [[*base, alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] == "mlc" and len(target) > 1:
                part = target[1]
                is_part = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists()
                yield node.lineno, part if is_part else "__init__"


def test_every_part_has_a_layer() -> None:
    missing = sorted({part_of(path) for path in sources()} - LEVEL.keys())
    assert not missing, f"give {missing} a line in LAYERS"
    gone = sorted(LEVEL.keys() - {part_of(path) for path in sources()})
    assert not gone, f"LAYERS names {gone}, which are not there"


def test_imports_go_downwards() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports mlc.{part}"
        for path in sources()
        for line, part in facts(path).imports
        if part != part_of(path) and LEVEL[part] >= LEVEL.get(part_of(path), 99)
    ]
    assert not wrong, "\n".join(wrong)


def test_files_are_small() -> None:
    lengths = {path: facts(path).length for path in sources()}
    long = [f"{name_of(path)}: {n}" for path, n in lengths.items() if n > HARD_CEILING]
    assert not long, f"over {HARD_CEILING} lines: {long}"
    substantial = [n for n in lengths.values() if n > 10]
    assert statistics.median(substantial) <= MEDIAN_CEILING


def environment(module: ast.Module) -> Iterator[int]:
    """The lines that read the environment."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "getenv" | "environb"):
                yield node.lineno
            case ast.ImportFrom(module="os", names=names):
                if {alias.name for alias in names} & {"environ", "getenv"}:
                    yield node.lineno


def test_only_config_reads_the_environment() -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path in sources()
        if part_of(path) != "config"
        for line in facts(path).environment
    ]
    assert not wrong, wrong


def test_modules_are_named_after_what_they_hold() -> None:
    bad = [name_of(path) for path in sources() if BANNED_NAMES.fullmatch(path.stem)]
    assert not bad, bad


def prints(module: ast.Module) -> Iterator[int]:
    """The lines that print."""
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield node.lineno


def test_the_library_does_not_print() -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path in sources()
        if path.name != "__main__.py"
        for line in facts(path).prints
    ]
    assert not wrong, wrong


def undocumented(path: Path, module: ast.Module) -> Iterator[str]:
    """What is public in a file, and says nothing of itself."""
    if module.body and not ast.get_docstring(module):
        yield name_of(path)
    for node in module.body:
        is_public = not getattr(node, "name", "_").startswith("_")
        match node:
            case ast.ClassDef() if is_public and not ast.get_docstring(node):
                yield f"{name_of(path)}:{node.lineno} class {node.name}"
            # A function of one or two plain statements says what it does by itself.
            case ast.FunctionDef(body=body) if is_public and not ast.get_docstring(node):
                if len(body) > 2:
                    yield f"{name_of(path)}:{node.lineno} def {node.name}"


def test_modules_classes_and_functions_are_documented() -> None:
    missing = [line for path in sources() for line in facts(path).undocumented]
    assert not missing, "\n".join(missing)


def test_public_names_exist_and_are_documented() -> None:
    for name in mlc.__all__:
        value = getattr(mlc, name)
        if callable(value) or hasattr(value, "__file__"):
            assert value.__doc__, f"mlc.{name} has no docstring"


def test_import_is_cheap() -> None:
    listing = f"import sys, mlc; print(*[m for m in {LATE_IMPORTS!r} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == [], "import mlc pulls these in before they are needed"


@pytest.mark.parametrize("pattern", [UNFINISHED, FOREIGN], ids=["unfinished", "foreign"])
def test_texts_are_finished_and_speak_of_the_repository_alone(pattern: re.Pattern[str]) -> None:
    wrong = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                wrong.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert not wrong, "\n".join(wrong)


def test_names_that_are_loaded_late_are_declared_to_type_checkers() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    declared = {
        alias.asname: (statement.module or alias.name, alias.name if statement.module else "")
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert declared == mlc._LATER
