"""The simulator: a scheduled program runs as hardware would run it, and what goes wrong is named.

Loops that run at once run as tasks, threads with barriers as coroutines, vectors as lanes in
lockstep; every access to memory is watched. See :func:`simulate`.
"""

from .report import Finding, Report
from .run import simulate

__all__ = ["Finding", "Report", "simulate"]
