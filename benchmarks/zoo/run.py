"""The laws of the zoo fitted to public studies, beside what was published.

    BAYES_SCALING_DATA=FOLDER python benchmarks/zoo/run.py [CASE ...] --resume FOLDER [--limit S] [--force]
        [--jobs 4]

Each case runs in a process of its own, so that one that fails or takes too long loses nothing else. What is
finished is kept in the folder, one file of JSON lines per case, and is not run again unless ``--force`` says
so; the finished fits of a case that was cut off are kept as NAME.partial. Cases go through joblib:
``--jobs``, or ``joblib.parallel_config`` around `main`, where all machines see the same folders.
``page.py`` makes docs/zoo.md of that folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import downstream
import inference
import pretraining
from joblib import Parallel, delayed

CASES = {**pretraining.CASES, **downstream.CASES, **inference.CASES}
LIMIT = 600.0


def one(name: str, folder: Path) -> None:
    """Run a case in this process, and keep each of its fits as it is done."""
    partial = folder / f"{name}.partial"
    partial.unlink(missing_ok=True)
    for outcome in CASES[name]():
        stamp = {
            "case": name,
            "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            "load": os.getloadavg()[0],
            "versions": {p: version(p) for p in ("bayes_scaling", "jax", "numpyro", "numpy")},
        }
        with partial.open("a") as lines:
            lines.write(json.dumps({**stamp, **outcome.record()}) + "\n")
    partial.rename(folder / f"{name}.jsonl")


def apart(name: str, folder: Path, limit: float) -> str:
    """Run a case in a process of its own, and say how it went."""
    command = [sys.executable, __file__, name, "--one", "--resume", str(folder)]
    failed = folder / f"{name}.failed"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        error = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        error = error if done.returncode else ""
    except subprocess.TimeoutExpired:
        error = f"not finished in {limit:.0f} s"
    if error:
        failed.write_text(error + "\n")
    else:
        failed.unlink(missing_ok=True)
    return f"{name}: {error or 'done'}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="CASE", help=f"default: all of {', '.join(CASES)}")
    parser.add_argument("--resume", type=Path, required=True, help="folder that keeps finished cases")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one case")
    parser.add_argument("--force", action="store_true", help="run cases again that are finished")
    parser.add_argument("--jobs", type=int, help="cases at once; default: as joblib is configured")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; known: {', '.join(CASES)}")
    options.resume.mkdir(parents=True, exist_ok=True)
    if options.one:
        one(options.names[0], options.resume)
        return
    left = []
    for name in options.names or CASES:
        if (options.resume / f"{name}.jsonl").exists() and not options.force:
            print(f"{name}: kept", flush=True)
        else:
            left.append(name)
    work = (delayed(apart)(name, options.resume.absolute(), options.limit) for name in left)
    for said in Parallel(n_jobs=options.jobs, return_as="generator_unordered")(work):
        print(said, flush=True)


if __name__ == "__main__":
    main()
