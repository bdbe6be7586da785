"""Each case in a process of its own, within a limit of time: one that crashes or hangs costs no
other, and what was measured is on disk at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .cases import Case

KINDS = {
    "ArithmeticError": "wrong",
    "DeviceMemoryError": "out of memory",
    "OutOfMemoryError": "out of memory",
    "MemoryError": "out of memory",
    "CompileError": "not compiled",
    "DeviceError": "failed on the card",
    "SimulationError": "failed on the card",
    "BoundsError": "failed on the card",
    "UnsupportedError": "refused",
}


def classified(text: str) -> str:
    """What kind of failure an error's text tells of."""
    name = text.partition(":")[0].rpartition(".")[2].strip()
    return KINDS.get(name, "failed")


def run_isolated(
    cases: Sequence[Case],
    flags: Sequence[str],
    results: Path,
    budget: float,
    limit: float,
    tell: Callable[[str], None] = print,
    resume: bool = False,
) -> int:
    """Runs ``python -m benchmarks.gpu --here`` for each case, at most ``limit`` seconds each and
    ``budget`` in all. Rows go to ``results`` as they come; returns how many cases failed. To
    ``resume`` is to leave out what ran before, whose rows are there."""
    began = time.monotonic()
    data: dict[str, Any] = {"machine": {}, "call_seconds": {}, "cases": [], "left_out": []}
    failed = 0
    results.parent.mkdir(parents=True, exist_ok=True)
    if resume and results.exists():
        before = json.loads(results.read_text())
        data = {**data, **{key: before.get(key, {}) for key in ("machine", "call_seconds")}}
        data["cases"] = [row for row in before["cases"] if row.get("outcome") == "ran"]
    done = {row["name"] for row in data["cases"]}
    for case in cases:
        if case.name in done:
            tell(f"{case.name:<26} ran before")
            continue
        left = budget - (time.monotonic() - began)
        if left <= 0:
            data["left_out"].append(case.name)
            continue
        kind, text, found = _run(case, flags, min(limit, left))
        for key in ("machine", "call_seconds"):
            data[key] = data[key] or found.get(key, {})
        row: dict[str, Any] = next(iter(found.get("cases", ())), {"name": case.name})
        problems = row.get("failures", {})
        if kind == "ran" and "mlc" in problems:
            kind, text = classified(problems["mlc"]), problems["mlc"]
        row["outcome"] = kind
        text = text or row.get("agreement", "")
        data["cases"].append(row)
        _write(results, data)
        failed += kind != "ran"
        tell(f"{case.name:<26} {kind}" + (f": {text}" if text else ""))
    for name in data["left_out"]:
        tell(f"{name:<26} left out: {budget:.0f} seconds were up")
    _write(results, data)
    tell(f"{len(data['cases'])} of {len(cases)} cases ran, {failed} failed; written to {results}")
    return failed


def _run(case: Case, flags: Sequence[str], limit: float) -> tuple[str, str, dict[str, Any]]:
    """(what became of it, the last line that it printed, its results)."""
    with tempfile.TemporaryDirectory(prefix="mlc-") as folder:
        made = Path(folder) / "case.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--here", "--exactly", *flags]
        command += ["--json", str(made), "--limit", str(limit), case.name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return "too slow", f"stopped after {limit:.0f} s", {}
        found = json.loads(made.read_text()) if made.exists() else {}
    said = [line for line in (*done.stdout.splitlines(), *done.stderr.splitlines()) if line.strip()]
    last = said[-1].strip() if said else ""
    if done.returncode < 0:
        return "crashed", signal.Signals(-done.returncode).name, found
    if done.returncode and not found:
        return classified(last), last, found
    return "ran", "", found


def _write(results: Path, data: dict[str, Any]) -> None:
    """All at once, so that what is on disk can be read whenever this ends."""
    part = results.with_suffix(".part")
    part.write_text(json.dumps(data, indent=1) + "\n")
    part.replace(results)
