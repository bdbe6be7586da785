"""``python -m benchmarks.gpu [words...]``: run the cases that have the words in their names."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import Case, selected
from .checking import confirmed, emulated

if TYPE_CHECKING:
    from .measuring import Ceilings, Result

ISOLATED, SESSION = 540.0, 1700.0  # seconds for all cases
PEERS_SHARE = 3  # of the time of a case, that peers may take to be ready: compiling one takes long
RESULTS = Path(__file__).parents[1] / "results" / "gpu.json"

DESCRIPTION = """
Times mlc and the peers that are installed on the same arrays of a card, round by round, each result
checked against float64. '% copy' compares bytes (inputs and result, each once) with a large copy,
'% product' flops with a large product of 16-bit floats, both measured in the same rounds. A column
'x peer' is how many times faster mlc is. Without a card, --emulated checks the results of all cases
at small sizes on the processor, and times nothing. --confirm runs the small sizes on the card and
on the processor, and says how far the two are apart. --isolated gives each case a process of its
own, at most --limit seconds and --budget for all, and keeps what was measured if one crashes.
--session is for a card that is lent for half an hour: what tensor cores and boxes do is confirmed
at small sizes, then all is measured, what has a goal first. Started again, it goes on.
"""


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=DESCRIPTION)
    parser.add_argument("words", nargs="*", help="parts of case or group names")
    parser.add_argument("--emulated", action="store_true", help="check small sizes without a card")
    parser.add_argument("--confirm", action="store_true", help="small sizes, card and emulator")
    parser.add_argument("--isolated", action="store_true", help="a process for each case")
    parser.add_argument("--session", action="store_true", help="half an hour on a lent card")
    parser.add_argument("--budget", type=float, default=None, help="seconds for all of them")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one of them")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--exactly", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=1.0, help="per case")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where to write")
    parser.add_argument("--list", action="store_true", help="the cases, without running them")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Run what was asked for; 1 if mlc failed or was wrong, 2 where there is no card."""
    options = _arguments(given)
    cases = selected(options.words)
    if options.exactly:
        cases = [case for case in cases if case.name in options.words]
    if options.list:
        print("\n".join(f"{case.group:<14} {case.name}" for case in cases))
        return 0
    if (options.isolated or options.session) and not options.here:
        return _isolated(cases, options)
    if options.emulated:
        return _check(cases, options.json if options.here else None)
    from mlc.errors import UnsupportedError
    from mlc.runtime.cuda.card import card

    try:
        card()
    except UnsupportedError as problem:
        print(f"nothing was measured: {problem.message}", file=sys.stderr)
        print(
            "python -m benchmarks.gpu --emulated checks the results of all cases at small sizes, "
            "on the processor",
            file=sys.stderr,
        )
        return 2
    if options.confirm:
        return _confirm(cases, options.json if options.here else None)
    return _measure(cases, options)


def _isolated(cases: list[Case], options: argparse.Namespace) -> int:
    from .isolated import run_isolated
    from .session import first_things_first, run_session

    flags = ["--emulated"] * options.emulated + ["--confirm"] * options.confirm
    flags += ["--seconds", str(options.seconds)]
    run, budget = (run_session, SESSION) if options.session else (run_isolated, ISOLATED)
    cases = first_things_first(cases)
    failed = run(cases, flags, options.json, options.budget or budget, options.limit)
    return 1 if failed else 0


def _confirm(cases: list[Case], results: Path | None = None, target: str = "cuda") -> int:
    """The same kernels, at small sizes, on the card and on the processor."""

    def agreement(case: Case) -> tuple[str, dict[str, Any]]:
        said = confirmed(case, target)
        return said, {"agreement": said}

    return _each(cases, agreement, "agree", results)


def _check(cases: list[Case], results: Path | None = None) -> int:
    """The cases at small sizes, their kernels run by the processor; nothing is timed."""

    def rightness(case: Case) -> tuple[str, dict[str, Any]]:
        error = emulated(case)
        said = f"right, error {error:.2f} of what rounding explains"
        return said, {"errors": {"mlc": error}}

    return _each(cases, rightness, "are right; nothing was timed", results)


def _each(
    cases: list[Case],
    look: Callable[[Case], tuple[str, dict[str, Any]]],
    verdict: str,
    results: Path | None,
) -> int:
    """Say and keep what ``look`` finds in each case, an error among them; the exit status."""
    wrong = 0
    rows: list[dict[str, Any]] = []
    for case in cases:
        try:
            said, found = look(case)
        except Exception as problem:
            wrong += 1
            said = f"{type(problem).__name__}: {problem}".splitlines()[0]
            found = {"failures": {"mlc": said}}
        rows.append({"name": case.name, "group": case.group, **found})
        print(f"{case.name:<26} {said}", flush=True)
    print(f"{len(cases) - wrong} of {len(cases)} {verdict}")
    if results is not None:
        results.write_text(json.dumps({"cases": rows}))
    return 1 if wrong else 0


def _measure(cases: list[Case], options: argparse.Namespace) -> int:
    from .measuring import call_seconds, ceilings, run_case
    from .peers import PEERS

    contenders = [name for name, peer in PEERS.items() if peer.is_installed()]
    over = ceilings()
    about = _machine(over)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    calls = call_seconds()
    print("a call: " + ", ".join(f"{name} {1e6 * t:.2f} us" for name, t in calls.items()) + "\n")
    rivals = [name for name in contenders if name != "mlc"]
    columns = ["us", "GB/s", "TFLOP/s", "% copy", "% product", *(f"x {name}" for name in rivals)]
    print(f"{'case':<26}" + "".join(f"{column:>15}" for column in [*columns, "error"]))
    rows, wrong = [], False
    patience = options.limit / PEERS_SHARE if options.here else math.inf
    for case in cases:
        result = run_case(case, contenders, over, options.seconds, patience)
        rows.append(_as_data(result, over))
        print(_row(rows[-1], rivals), flush=True)
        for name, text in result.failures.items():
            print(f"  {name} did not run: {text}")
            wrong = wrong or name == "mlc"
    options.json.parent.mkdir(parents=True, exist_ok=True)
    data = {"machine": about, "call_seconds": calls, "cases": rows}
    options.json.write_text(json.dumps(data, indent=1) + "\n")
    print(f"\nwritten to {options.json}")
    return 1 if wrong else 0


def _machine(over: Ceilings) -> dict[str, Any]:
    from importlib import metadata

    import cupy

    facts = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    about: dict[str, Any] = {"card": facts["name"].decode(), "product": over.product}
    about["driver"] = cupy.cuda.runtime.driverGetVersion()
    for name in ("mlc", "numpy", "torch", "triton", "jax"):
        try:
            about[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    about["cupy"] = cupy.__version__
    return about


def _as_data(result: Result, over: Ceilings) -> dict[str, Any]:
    """A case as plain data: seconds per call of each contender, and what follows from them."""
    times = {name: series.median for name, series in result.series.items()}
    data: dict[str, Any] = {
        "name": result.name, "group": result.group, "bytes": result.moved, "flops": result.flops,
        "seconds": times, "failures": result.failures,
        "errors": {n: s.error for n, s in result.series.items() if s.error is not None},
    }  # fmt: skip
    mine = result.series.get("mlc")
    if mine is not None:
        data["bytes_per_second"] = result.moved / mine.median
        data["flops_per_second"] = result.flops / mine.median
        data["of_copy"] = data["bytes_per_second"] / over.rate("copy", result.series)
        data["of_product"] = data["flops_per_second"] / over.rate("product", result.series)
        data["faster_than"] = {
            name: series.over(mine)
            for name, series in result.series.items()
            if name not in ("mlc", *over.samplers)
        }
    return data


def _row(data: dict[str, Any], rivals: list[str]) -> str:
    if "of_copy" not in data:
        return f"{data['name']:<26}{'-':>15}"
    cells = [
        f"{1e6 * data['seconds']['mlc']:.1f}", f"{data['bytes_per_second'] / 1e9:.0f}",
        f"{data['flops_per_second'] / 1e12:.1f}", f"{100 * data['of_copy']:.0f}",
        f"{100 * data['of_product']:.0f}",
    ]  # fmt: skip
    ratios = data["faster_than"]
    cells += [f"{ratios[name]:.2f}" if name in ratios else "-" for name in rivals]
    cells.append(f"{data['errors']['mlc']:.2f}")
    return f"{data['name']:<26}" + "".join(f"{cell:>15}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
