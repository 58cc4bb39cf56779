"""Does the choice of the next run pay? Studies played back as budgeted experiments, and a check by refits.

    BAYES_SCALING_DATA=... python benchmarks/next_run.py [--only playback|agreement|speed] [--orders 10]

Playback: the cheapest eight runs of a study are known and its largest run is the target; runs of at most
an eighth of the target's compute can be bought one by one until the 90 % band of the target is no wider
than 1.25 times the band that all of them together leave, and rests on three runs per parameter of the law.
What is spent by `next_run(width=...)`, with a refit after every quarter of a plan, stands beside
smallest-first and random orders, of which the shortest prefix that does is found by bisection, and beside the
cheapest such set of all that were fitted on the way, which only hindsight knows. One law, `chinchilla`, with
the default discrepancy.

Agreement: the expected band after one more run by the linear-Gaussian shortcut, by reweighted draws, and by
brute force (an outcome is drawn, the table with it refitted, the band measured).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling import decide
from bayes_scaling.decide.candidates import joint_of, read_runs_asked
from bayes_scaling.decide.cover import PER_PARAMETER
from bayes_scaling.layout import prepare
from bayes_scaling.posterior import Posterior, lean
from bayes_scaling.runs import subset
from bayes_scaling.sample import sample
from bayes_scaling.structure import DEFAULT, Structure

sys.path.insert(0, str(Path(__file__).parent / "extrapolation"))
from studies import size_and_data

#: Of a playback: the width of a band is good to 2 or 3 %.
PLAYED = bs.Settings(chains=2, warmup=300, draws=1500, most_draws=1500, target_accept=0.9)
FEW = bs.Settings(chains=2, warmup=200, draws=500, most_draws=500, target_accept=0.9)
MANY = bs.Settings(chains=4, warmup=300, draws=1000, most_draws=1000, target_accept=0.9)
#: Tables are padded to this, so that small studies share one program.
LEAST_ROWS = 90
KNOWN, BEYOND, SLACK = 8, 8.0, 1.25
#: Runs that a narrow band has to rest on, however they were chosen: what `next_run` asks for by default.
FEWEST = PER_PARAMETER * len(bs.law("chinchilla").parameters)
#: Part of a plan's cost that is spent, cheapest runs first, before the next refit.
PART = 0.25
#: Refits after which the rest of a plan is bought at once.
MOST_STEPS = 16
STUDIES = ("chinchilla_epoch", "gadre", "marin")


def studies(names: Sequence[str] = STUDIES) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and table, cheapest run first, with its compute."""
    for name, table in size_and_data():
        if name.startswith(tuple(names)):
            columns = table[["params", "tokens", "loss"]].astype(float).dropna()
            columns = columns.assign(flop=6 * columns.params * columns.tokens)
            yield name, columns.sort_values("flop", ignore_index=True)


class Study:
    """A study whose runs are bought one by one; fits of all its tables share one compiled program."""

    def __init__(self, table: pd.DataFrame, structure: Structure | None = DEFAULT) -> None:
        self.table, self.structure = table, structure
        self.runs = bs.read_runs(table[["params", "tokens", "loss"]])
        self.flop = table["flop"].to_numpy()
        self.allowed = np.flatnonzero(self.flop <= self.flop.max() / BEYOND)
        self.hidden = np.flatnonzero(self.flop > self.flop.max() / BEYOND)
        self.target = self.plan(len(table) - 1)
        self.fits: dict[tuple[int, ...], Posterior] = {}

    def plan(self, row: int) -> dict[str, float]:
        """Inputs of a run."""
        return {name: float(self.table[name].iloc[row]) for name in ("params", "tokens")}

    def fit(self, rows: Sequence[int]) -> Posterior:
        """The posterior given some runs, fitted once."""
        key = tuple(sorted(map(int, rows)))
        if key not in self.fits:
            keep = np.zeros(len(self.runs), bool)
            keep[list(key)] = True
            self.fits[key] = fitted(
                subset(self.runs, keep), self.structure, max(len(self.allowed), LEAST_ROWS), PLAYED
            )
        return self.fits[key]

    def width(self, rows: Sequence[int]) -> float:
        """Width of the target's 90 % band given some runs, in log loss."""
        return width_of(self.fit(rows), self.target)

    def held(self, rows: Sequence[int]) -> np.ndarray:
        """Whether the 90 % band of each run beyond the cut held it, the largest last."""
        plans = [self.plan(k) for k in self.hidden]
        cast = bs.forecast(self.fit(rows), plans, target="measurement", allow_failed=True)
        low, high = cast.interval(0.9)
        truth = self.table["loss"].to_numpy()[self.hidden]
        return (low <= truth) & (truth <= high)


def fitted(runs: bs.Runs, structure: Structure | None, rows: int, settings: bs.Settings) -> Posterior:
    prepared = prepare(bs.law("chinchilla"), runs, structure=structure, pad=(rows, 1))
    return lean(prepared, sample(prepared.shape, prepared.data, settings), settings)


def width_of(posterior: Posterior, plan: dict[str, float]) -> float:
    draws = bs.forecast(posterior, plan, target="new_run", allow_failed=True).draws
    return float(np.diff(np.quantile(np.log(draws), (0.05, 0.95), axis=0), axis=0)[0, 0])


def chosen(study: Study, goal: float) -> tuple[list[int], int]:
    """Rows bought by `next_run`, and the number of fits."""
    rows = list(study.allowed[:KNOWN])
    for step in range(1, 1000):
        if len(rows) >= FEWEST and study.width(rows) <= goal:
            return rows[KNOWN:], step
        left = [k for k in study.allowed if k not in rows]
        if not left:
            return rows[KNOWN:], step
        asked: Any = {"width": goal, "batch": len(left), "repeats": False, "method": "linear"}
        found = decide.next_run(
            study.fit(rows), study.target, [study.plan(k) for k in left], allow_failed=True, **asked
        )
        plan = sorted((left[one.number - 1] for one in found.batch), key=lambda k: study.flop[k])
        if not (found.batch and found.batch[-1].width <= goal):
            # no set is expected to do: what narrows the band most for its cost, one by one
            asked |= {"width": None, "batch": 4}
            found = decide.next_run(
                study.fit(rows), study.target, [study.plan(k) for k in left], allow_failed=True, **asked
            )
            plan = sorted((left[one.number - 1] for one in found.batch), key=lambda k: study.flop[k])
        if not plan:  # expected to be there already: the cheapest run left, and another fit
            plan = left[:1]
        spent = np.cumsum(study.flop[plan])
        count = len(plan) if step >= MOST_STEPS else int(np.searchsorted(spent, spent[-1] * PART)) + 1
        rows += plan[:count]
    raise AssertionError("a study has fewer runs than that")


def prefix(study: Study, order: Sequence[int], goal: float) -> list[int]:
    """The shortest prefix of an order that narrows the band to the goal, by bisection."""
    first, low, high = list(study.allowed[:KNOWN]), FEWEST - KNOWN - 1, len(order)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if study.width([*first, *order[:middle]]) <= goal else (middle, high)
    return list(order[:high])


def playback(orders: int, names: Sequence[str] = STUDIES) -> list[dict[str, Any]]:
    found = []
    for name, table in studies(names):
        start, study = time.perf_counter(), Study(table)
        rest = [int(k) for k in study.allowed[KNOWN:]]
        first, last = study.width(study.allowed[:KNOWN]), study.width(study.allowed)
        goal = SLACK * last
        if not first > goal:
            print(f"{name}: eight runs are enough ({first:.4f} against {goal:.4f})")
            continue
        mine, steps = chosen(study, goal)
        ways = {"smallest first": [prefix(study, rest, goal)]}
        rng = np.random.default_rng(0)
        ways["random"] = [prefix(study, list(rng.permutation(rest)), goal) for _ in range(orders)]
        cost = {way: [float(study.flop[rows].sum()) for rows in each] for way, each in ways.items()}
        own, known = float(study.flop[mine].sum()), study.allowed[:KNOWN]
        enough = [key for key in list(study.fits) if len(key) >= FEWEST]
        sets = [set(key) - set(known) for key in enough if study.width(key) <= goal]
        row = {
            "study": name, "runs": len(rest), "hidden": len(study.hidden), "band of 8": first, "all": last,
            "band": study.width([*known, *mine]), "ours": own, "bought": len(mine), "steps": steps,
            "smallest first": cost["smallest first"][0], "random": float(np.mean(cost["random"])),
            "hindsight": min(float(study.flop[list(rows)].sum()) for rows in sets),
        }  # fmt: skip
        row |= {
            f"ours / {way}": own / max(row[way], 1.0) for way in ("smallest first", "random", "hindsight")
        }
        held, whole = study.held([*known, *mine]), study.held(study.allowed)
        row |= {
            "held": float(held.mean()),
            "held largest": bool(held[-1]),
            "held by all": float(whole.mean()),
        }
        each = {way: [study.held([*known, *rows]) for rows in sets] for way, sets in ways.items()}
        row |= {f"held by {way}": float(np.mean(x)) for way, x in each.items()}
        row |= {f"largest by {way}": float(np.mean([y[-1] for y in x])) for way, x in each.items()}
        row |= {"fits": len(study.fits), "seconds": time.perf_counter() - start}
        found.append(row)
        print(json.dumps({k: round(v, 4) if isinstance(v, float) and v < 1e6 else v for k, v in row.items()}))
        sys.stdout.flush()
    shown = pd.DataFrame(found)
    ratios = shown[["ours / smallest first", "ours / random", "ours / hindsight"]]
    print(f"geometric means: {np.exp(np.log(ratios).mean()).round(3).to_dict()}")
    for ways in ("held", "held by smallest first", "held by random", "held by all"):
        print(f"90 % bands of the runs beyond the cut, {ways}: {shown[ways].mean():.2f}")
    largest = shown[["held largest", "largest by smallest first", "largest by random"]].mean()
    print(f"of the largest run: {largest.round(2).to_dict()}")
    return found


def agreement(outcomes: int) -> list[dict[str, Any]]:
    """Expected band after one more run, three ways, on 30 runs of the first study."""
    _, table = next(studies())
    rows = np.linspace(0, np.searchsorted(table.flop, table.flop.max() / 30) - 1, 30).astype(int)
    known = table.iloc[rows].reset_index(drop=True)[["params", "tokens", "loss"]]
    target = {name: float(table[name].iloc[-1]) for name in ("params", "tokens")}
    tries = [
        {"params": 2e8, "tokens": 4e9},
        {"params": 2e9, "tokens": 4e10},
        {"params": 1e10, "tokens": 2e11},
    ]
    found = []
    for structure in (None, DEFAULT):
        posterior = fitted(bs.read_runs(known), structure, len(known) + 1, MANY)
        now = width_of(posterior, target)
        ways = {
            method: decide.next_run(posterior, target, tries, method=method, outcomes=256, allow_failed=True)
            for method in ("linear", "reweighted")
        }
        asked: Any = {"cost": decide.Cost(), "allow_failed": True}
        runs = read_runs_asked(posterior, tries, what="candidate", **asked)
        aims = read_runs_asked(posterior, target, what="target", **asked)
        joint, rng = joint_of(posterior, aims, runs, seed=1), np.random.default_rng(2)
        for j, plan in enumerate(tries):
            widths = []
            for s in rng.integers(0, len(joint.curve), outcomes):
                scale = np.hypot(joint.shared[s, j], joint.fresh[s, j])
                y = joint.curve[s, j] + scale * rng.standard_t(joint.df[s])
                more = pd.concat([known, pd.DataFrame([{**plan, "loss": float(np.exp(y))}])])
                again = fitted(bs.read_runs(more.reset_index(drop=True)), structure, len(known) + 1, FEW)
                widths.append(width_of(again, target))
            row: dict[str, Any] = {"discrepancy": structure is not None, **plan, "now": now}
            for name, answer in ways.items():
                one = next(option for option in answer.options if option.number == j + 1)
                row[name] = one.width
                row |= {"believed": one.method, "ess": one.ess} if name == "reweighted" else {}
            row |= {"refits": float(np.mean(widths)), "se": float(np.std(widths) / np.sqrt(outcomes))}
            found.append(row)
            print(
                json.dumps(
                    {k: round(v, 4) if isinstance(v, float) and v < 1e6 else v for k, v in row.items()}
                )
            )
            sys.stdout.flush()
    return found


def speed() -> list[dict[str, Any]]:
    """Seconds to rank 200 candidates on 4 000 draws."""
    _, table = next(studies())
    few = table.iloc[:: len(table) // 60][["params", "tokens", "loss"]].reset_index(drop=True)
    posterior = fitted(bs.read_runs(few), DEFAULT, len(few), MANY)
    sizes, ratios = np.geomspace(5e7, 5e9, 20), np.geomspace(3, 300, 10)
    tries = [{"params": n, "tokens": n * r} for n in sizes for r in ratios]
    found = []
    for method in ("linear", "auto", "reweighted", "auto"):
        start, busy = time.perf_counter(), time.process_time()
        decide.next_run(
            posterior, {"params": 7e10, "tokens": 1.4e12}, tries, method=method, allow_failed=True
        )
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        found.append({"method": method, "seconds": seconds, "of the processor": busy})
        print(json.dumps(found[-1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["playback", "agreement", "speed"])
    parser.add_argument("--studies", default=",".join(STUDIES), help="beginnings of their names")
    parser.add_argument("--orders", type=int, default=10, help="random orders per study")
    parser.add_argument("--outcomes", type=int, default=12, help="refits per candidate of the agreement")
    parser.add_argument("--json", type=Path, help="file for every number that is printed")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}")
    parts = {
        "speed": speed,
        "agreement": lambda: agreement(options.outcomes),
        "playback": lambda: playback(options.orders, options.studies.split(",")),
    }
    found, start = {}, time.perf_counter()
    for name, part in parts.items():
        if options.only in (None, name):
            found[name] = part()
    print(f"{time.perf_counter() - start:.0f} s, load average {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
