"""Run the public conformance suite of the array API standard against ``mlc.numpy``.

The suite, data-apis/array-api-tests on GitHub, is no package. Get it and what it needs, then run::

    git clone --recurse-submodules <address of data-apis/array-api-tests> suite
    pip install hypothesis ndindex pytest-json-report
    ARRAY_API_SUITE=suite python tests/array_api/run.py --max-examples 100

Further arguments go to pytest. Tests named in ``skips.txt``, each with its reason, are not run. The
exit code is pytest's; the last line holds the counts, and the command fails as well when more than
2 % of the tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MOST_SKIPPED = 0.02


def main(arguments: list[str]) -> int:
    """Run the suite; 0 if nothing failed and few enough tests were skipped."""
    suite = Path(os.environ.get("ARRAY_API_SUITE", "")).resolve()
    if not (suite / "array_api_tests").is_dir():
        print(f"ARRAY_API_SUITE names no checkout of array-api-tests: {suite}\n\n{__doc__}")  # noqa: T201
        return 2
    if not any((suite / "array-api").iterdir()):
        print(f"{suite / 'array-api'} is empty: run git submodule update --init there")  # noqa: T201
        return 2
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable, "-m", "pytest", "-q", "array_api_tests", "--disable-deadline",
            "-p", "no:cacheprovider", "--skips-file", str(HERE / "skips.txt"),
            "--json-report", "--json-report-file", str(report), *arguments,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "ARRAY_API_TESTS_MODULE": "mlc.numpy",
            "PYTHONPATH": os.pathsep.join(
                [str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
            ).rstrip(os.pathsep),
        }
        code = subprocess.run(command, cwd=suite, env=environment, check=False).returncode
        counts = json.loads(report.read_text())["summary"] if report.exists() else {}
    total, skipped = counts.get("total", 0), counts.get("skipped", 0)
    failed = counts.get("failed", 0) + counts.get("error", 0)
    print(f"{counts.get('passed', 0)} passed, {failed} failed, {skipped} skipped of {total}")  # noqa: T201
    return code or int(not total or skipped > MOST_SKIPPED * total)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
