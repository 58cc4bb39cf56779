"""Whether there is memory enough, asked before it is taken: a refusal that tells the size."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Bytes that may be used, such as ``32e9``; ``off`` tries whatever is asked for.
VARIABLE = "BAYES_SCALING_MEMORY"
#: Of control groups, version 2 and 1: where they lie, and their files with the limit and with what is used.
_GROUPS = {
    "": (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
}


class MemoryRefused(ValueError):
    """What is asked for needs more memory than there is."""


def require(parts: Mapping[str, float], what: str, mend: str) -> None:
    """Refuse what would need more bytes than are free.

    Parameters
    ----------
    parts : mapping of str to float
        Bytes, by what they are for.
    what : str
        What is asked for.
    mend : str
        How to ask for less.

    Raises
    ------
    MemoryRefused
        With the bytes that are needed, where most of them go, and those that are free.
    """
    needed, free = sum(parts.values()), available()
    if needed <= free:
        return
    most = max(parts, key=lambda name: parts[name])
    share = f", {_size(parts[most])} of it for {most}" if len(parts) > 1 else ""
    raise MemoryRefused(
        f"{what} needs about {_size(needed)} of memory{share}, and {_size(free)} are free: {mend}, "
        f"or set {VARIABLE}=off to try all the same"
    )


def available() -> float:
    """Bytes that this process may still take: what the machine, its control group and the user allow."""
    told = os.environ.get(VARIABLE, "").strip().lower()
    if told == "off":
        return float("inf")
    if told:
        try:
            return float(told)
        except ValueError:
            raise MemoryRefused(f"{VARIABLE} is {told!r}; expected bytes, such as 32e9, or off") from None
    return min(_machine(), _group(), _limit())


def _machine() -> float:
    try:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return 1024.0 * int(fields["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        pass
    try:  # no Linux: at least not more than is built in
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return float("inf")


def _group() -> float:
    """What is left to the control groups of this process, such as a container."""
    left = float("inf")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return left
    for _, controllers, own in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if controllers not in _GROUPS:
            continue
        root, limit, used = _GROUPS[controllers]
        for folder in (root / own.lstrip("/"), *(root / own.lstrip("/")).parents):
            if not folder.is_relative_to(root):
                break
            try:  # "max" is no number: no limit; the cache of files is given back when it is needed
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                taken = int((folder / used).read_text()) - int(stat.get("inactive_file", 0))
                left = min(left, int((folder / limit).read_text()) - taken)
            except (OSError, ValueError):
                continue
    return left


def _limit() -> float:
    """What ``ulimit -v`` leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return float("inf")
        return limit - int(Path("/proc/self/statm").read_text().split()[0]) * float(resource.getpagesize())
    except (ImportError, OSError, ValueError):
        return float("inf")


def _size(count: float) -> str:
    count = max(count, 0.0)
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"
