"""The laws of the zoo fitted to public studies, beside what was published.

    BAYES_SCALING_DATA=FOLDER python benchmarks/zoo/run.py [CASE ...] --resume FOLDER [--limit S] [--force]

Each case runs in a process of its own, so that one that fails or takes too long loses nothing else. What is
finished is kept in the folder, one file of JSON lines per case, and is not run again unless ``--force`` says
so; the finished fits of a case that was cut off are kept as NAME.partial.
``page.py`` makes docs/zoo.md of that folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import downstream
import inference
import pretraining

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="CASE", help=f"default: all of {', '.join(CASES)}")
    parser.add_argument("--resume", type=Path, required=True, help="folder that keeps finished cases")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one case")
    parser.add_argument("--force", action="store_true", help="run cases again that are finished")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; known: {', '.join(CASES)}")
    options.resume.mkdir(parents=True, exist_ok=True)
    if options.one:
        one(options.names[0], options.resume)
        return
    for name in options.names or CASES:
        if (options.resume / f"{name}.jsonl").exists() and not options.force:
            print(f"{name}: kept", flush=True)
            continue
        command = [sys.executable, __file__, name, "--one", "--resume", str(options.resume)]
        failed = options.resume / f"{name}.failed"
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit)
            error = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except subprocess.TimeoutExpired:
            error = [f"not finished in {options.limit:.0f} s"]
        if error:
            failed.write_text(error[0] + "\n")
        else:
            failed.unlink(missing_ok=True)
        print(f"{name}: {error[0] if error else 'done'}", flush=True)


if __name__ == "__main__":
    main()
