"""Chapter 2, downstream scores: single laws from a loss or from capabilities to a task."""

from __future__ import annotations

from collections.abc import Iterator

import dclm
import errors
import numpy as np
import pandas as pd
import tasks
from cases import Case, Outcome, Table, against, fit, number, quantity, read

import bayes_scaling as bs
from bayes_scaling import scores
from bayes_scaling.laws.downstream.obs_scaling import as_inputs, capabilities

FOLDS, COMPONENTS = 3, (1, 2, 3)
BENCHMARKS = ("mmlu", "arc_c", "hellaswag", "winograd", "truthfulqa", "gsm8k", "xwinograd", "humaneval")
#: Tasks to be forecast from the other benchmarks, each with its number of items.
TASKS = {"gsm8k": 1319, "mmlu": 14042, "humaneval": 164}


def held_out(frame: pd.DataFrame) -> Iterator[np.ndarray]:
    """Masks of held-out families: every family is held out once."""
    names = np.random.default_rng(0).permutation(sorted(frame.family.unique()))
    for part in np.array_split(names, FOLDS):
        yield frame.family.isin(part).to_numpy()


def obs_scaling_case() -> Iterator[Outcome]:
    """Each task in turn."""
    for task, items in TASKS.items():
        yield from left_out(read("obsscaling_base_llm"), task, items)


def left_out(frame: pd.DataFrame, task: str, items: int) -> Iterator[Outcome]:
    """One, two and three components for a task that is left out of the capabilities, families held out."""
    others = [f"acc_{b}" for b in BENCHMARKS if b != task]
    parts = as_inputs(capabilities(frame[others].to_numpy(), max(COMPONENTS)).scores)
    known = frame[f"acc_{task}"].notna().to_numpy()
    frame, parts = frame[known].reset_index(drop=True), parts[known]
    table = pd.DataFrame({"n_samples": items, "n_correct": (frame[f"acc_{task}"] * items).round()})
    truth = (table.n_correct / items).to_numpy()
    for k in COMPONENTS:
        table[f"capability_{k}"] = parts[:, k - 1]
    for count in COMPONENTS:
        law, median, score, level, first = bs.law("obs_scaling", count), *np.zeros((3, len(table))), None
        for out in held_out(frame):
            data = f"obsscaling_base_llm, {task} from {count} of the others' components, first fold"
            posterior, found = fit(law, table[~out], data)
            plans = table.loc[out, [i.name for i in law.inputs]]
            draws = bs.forecast(posterior, plans, target="measurement", allow_failed=True).draws
            median[out], score[out] = np.median(draws, axis=0), scores.crps(draws, truth[out])
            level[out] = scores.covered(scores.pit(draws, truth[out]), 0.9)
            if first is None:
                names = ("floor", *(f"w{k}" for k in range(count + 1)))
                found.quantities, first = [quantity(posterior, n) for n in names], found
        row = [number(score.mean()), number(np.abs(median - truth).mean()), f"{100 * level.mean():.0f} %"]
        columns = ["CRPS", "mean absolute error", "inside the 90 % band"]
        held = f"{frame.family.nunique()} families held out in {FOLDS} folds"
        first.tables = [Table(f"{task}: {count} of {max(COMPONENTS)} components, {held}", columns, [row])]
        yield first


def sloth_case() -> list[Outcome]:
    frame = read("obsscaling_base_llm").dropna(subset=["tokens"])
    table = frame[["family", "params", "tokens"]].assign(
        chance=0.25, n_samples=14042, n_correct=(frame.acc_mmlu * 14042).round()
    )
    posterior, found = fit("sloth", table, "obsscaling_base_llm, MMLU, levels by family")
    found.quantities = [
        quantity(posterior, n) for n in ("beta_N", "beta_D", "beta_ND", "level_population", "elasticity_10T")
    ]
    return [found]


def capability_case() -> list[Outcome]:
    """First principal component of all eight benchmarks from compute, families as in the published fits."""
    frame = read("obsscaling_base_llm")
    found = capabilities(frame[[f"acc_{b}" for b in BENCHMARKS]].to_numpy(), 1)
    frame = frame.assign(capability=found.scores[:, 0]).dropna(subset=["compute"])
    published = bs.law("capability_compute").published
    part = frame[frame.family.isin(published)]
    posterior, found = fit(
        "capability_compute",
        part[["family", "compute", "capability"]],
        "obsscaling_base_llm, first component of eight benchmarks, the families with a published line",
    )
    for family in posterior.families:
        found.quantities += against(posterior, family, family)
    found.quantities.append(quantity(posterior, "slope_population"))
    sizes = part.groupby("family").agg(
        models=("run", "size"), low=("compute", "min"), high=("compute", "max")
    )
    rows = [[f, r.models, f"{r.low:.1e} to {r.high:.1e}"] for f, r in sizes.iterrows()]
    found.tables = [Table("Models of each family", ["family", "models", "compute, FLOP"], rows)]
    return [found]


CASES: dict[str, Case] = {
    "gadre_error": errors.average_case,
    "gadre_tasks": errors.tasks_case,
    "pile_tasks": tasks.pile_case,
    "gemstones_tasks": tasks.gemstones_case,
    "pythia_tasks": tasks.pythia_case,
    "dclm_core": dclm.case,
    "dclm_tasks": tasks.dclm_case,
    "capability_compute": capability_case,
    "obs_scaling": obs_scaling_case,
    "sloth": sloth_case,
}
