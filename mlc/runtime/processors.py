"""How many processors this process may use."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path


@functools.cache
def available_cpus() -> int:
    """CPUs this process may use: what exists, cut to its affinity and its control group's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        count = os.cpu_count() or 1
    quota = cgroup_quota(Path("/"))
    if quota is not None:
        count = min(count, max(1, round(quota)))
    return max(1, count)


def cgroup_quota(root: Path) -> float | None:
    """The CPU quota of this process's control group (version 1 or 2), in CPUs; None: no limit.

    ``root`` is where /proc and /sys are found. A group has its parents' limits, too.
    """
    if not sys.platform.startswith("linux"):
        return None
    lines = (_content(f"{root}/proc/self/cgroup") or "").splitlines()
    folders: dict[str, None] = {}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [controllers, "cpu"] if controllers else ["", "unified"]
        for mount in mounts:
            base = os.path.join(root, "sys/fs/cgroup", mount)
            # Inside a container the path may be the host's, and only the mount itself exists.
            parts = [part for part in path.split("/") if part]
            for count in range(len(parts), -1, -1):
                folders["/".join([base, *parts[:count]])] = None
    limits = [quota for quota in map(_quota_of, folders) if quota is not None]
    return min(limits, default=None)


def _quota_of(folder: str) -> float | None:
    numbers = (_content(f"{folder}/cpu.max") or "").split()[:2]
    if not numbers and (allowed := _content(f"{folder}/cpu.cfs_quota_us")):
        numbers = [allowed, _content(f"{folder}/cpu.cfs_period_us") or "0"]
    try:
        quota, period = map(int, numbers)
    except ValueError:  # "max"
        return None
    return quota / period if quota > 0 and period > 0 else None


def _content(path: str) -> str | None:
    """The text of a small file that the system makes up; None if there is none."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(file, 1 << 16).decode()
    except OSError:
        return None
    finally:
        os.close(file)
