"""``mlc doctor``."""

from __future__ import annotations

import argparse

from ..doctor import doctor
from .line import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""
    parser.epilog = "The exit code is 1 if something is broken; what is optional may be missing."


def run(chosen: argparse.Namespace) -> int:
    """Print the report."""
    report = doctor()
    say(str(report))
    return 0 if report.is_well else 1
