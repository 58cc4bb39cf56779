"""Single tasks of public models: the Pile families, Gemstones and Pythia along training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import dclm
import numpy as np
import pandas as pd
from cases import SETTINGS, Outcome, Table, counted, fit, forecasts, quantity, read
from judged import COLUMNS, below_chance, fitted_as, items_of, task_law, verdict_row, with_error

from bayes_scaling import datasets
from bayes_scaling.chain.benchmarks import BENCHMARKS, benchmark

PILE = ("hellaswag", "piqa", "winogrande", "lambada", "arc_easy", "arc_challenge", "openbookqa")
#: What is told of each fitted task.
NAMES = ("eps", "gamma", "error_at_3")
#: Columns that a fit along training needs.
TRAINING = ["family", "run", "tokens", "loss", "error", "standard_error"]
#: Small steps: nearly flat tasks diverge with the usual ones.
CAREFUL = replace(SETTINGS, target_accept=0.97)


def pile_case() -> Iterator[Outcome]:
    frame = datasets.load("pile-families").dropna(subset=["loss"])
    largest = (frame.family == "cerebras-gpt") & frame["size"].isin(["6.7B", "13B"])
    verdicts = []
    for task in PILE:
        known = BENCHMARKS[task]
        each = with_error(frame, task, known.items)
        free = below_chance(each.loc[~largest, task], known.chance, known.items)
        posterior, found = fit(
            task_law(known.chance, free),
            each.loc[~largest, ["family", "loss", "error", "standard_error"]],
            f"pile-families, {task}, two largest Cerebras-GPT hidden; {fitted_as(free)}",
        )
        found.quantities = [quantity(posterior, f"{n}_population") for n in ("eps", "gamma")]
        hidden = each[largest]
        table = forecasts(
            posterior, hidden, hidden.error, [f"{task}, {s}" for s in hidden["size"]],
            title=f"{task}: error of Cerebras-GPT 6.7B and 13B at their measured loss",
            families="cerebras-gpt", target="measurement",
        )  # fmt: skip
        verdicts.append(verdict_row(task, fitted_as(free), posterior, known.items, table))
        found.tables = [counted(table)]
        if task == PILE[-1]:
            found.tables.append(Table("Pile families, verdict on each task", COLUMNS, verdicts))
        yield found


class Part(NamedTuple):
    """Rows of one task, with its accuracy: which are hidden, and what is known of the task."""

    task: str
    rows: pd.DataFrame
    accuracy: str
    hide: pd.Series
    chance: float
    items: float


def each_task(
    study: str, parts: Iterable[Part], columns: list[str], fitted: str, hidden_are: str
) -> Iterator[Outcome]:
    """Each task of a study fitted to its smaller models, judged by its larger ones."""
    verdicts, parts = [], list(parts)
    grouped, training = "family" in columns, "run" in columns
    for task, rows, accuracy, hide, chance, items in parts:
        rows = with_error(rows, accuracy, items)
        free = below_chance(rows.loc[~hide, accuracy], chance, items)
        posterior, found = fit(
            task_law(chance, free),
            rows.loc[~hide, columns],
            f"{study}, {task}, {fitted}; {fitted_as(free)}",
            settings=CAREFUL,
        )
        families = posterior.families if grouped else ("",)
        found.quantities = [quantity(posterior, n, f) for f in families for n in NAMES]
        if training:
            found.quantities.append(quantity(posterior, "checkpoint_correlation"))
        hidden = rows[hide]
        table = forecasts(
            posterior, hidden, hidden.error, list(hidden.run), title="", target="measurement",
            families=list(hidden.family) if grouped else None,
        )  # fmt: skip
        verdicts.append(verdict_row(task, fitted_as(free), posterior, items, table))
        if task == parts[-1].task:
            title = f"{study}, every task: verdict, and hidden {hidden_are} at their loss"
            found.tables = [Table(title, COLUMNS, verdicts)]
        yield found


def along_training(
    study: str, frame: pd.DataFrame, large: pd.Series, fitted: str, tasks: list[str]
) -> Iterator[Outcome]:
    """Each task of a study fitted along the training of its smaller models, judged by its larger ones."""
    parts = []
    for task in tasks:
        rows = frame[frame.task == task]
        items = items_of(rows.accuracy, rows.accuracy_se)
        chance = float(rows.random_accuracy.iloc[0])
        parts.append(Part(task, rows, "accuracy", large.loc[rows.index], chance, items))
    return each_task(study, parts, TRAINING, fitted, "checkpoints")


def gemstones_case() -> Iterator[Outcome]:
    frame = read("gemstones_downstream").sort_values(["task", "run", "step"])
    frame = frame.groupby(["task", "run"]).nth(slice(None, None, 6)).reset_index(drop=True)
    frame = frame.assign(family="gemstones")
    tasks = sorted(frame.task.unique())
    yield from along_training(
        "gemstones_downstream", frame, frame.params > 1.5e9, "models up to 1.5e9, AR(1) within a run", tasks
    )


def dclm_case() -> Iterator[Outcome]:
    """Tasks of known chance and size, one curve for all data sets."""
    frame = dclm.with_loss()
    known = {c: benchmark(c) for c in frame if c.startswith("acc_")}
    parts = []
    for column, told in known.items():
        if told:
            rows = frame.dropna(subset=[column])
            task, large = column.removeprefix("acc_"), rows.params >= 2e9
            parts.append(Part(task, rows, column, large, told.chance, told.items))
    columns, fitted = ["loss", "error", "standard_error"], "0.4B and 1.4B, one curve"
    return each_task("dclm_models", parts, columns, fitted, "models of 6.9B")


def pythia_case() -> Iterator[Outcome]:
    frame = read("pythia_evals").query("shots == 0 and step >= 3000")
    lambada = frame[frame.task == "lambada_openai"].set_index(["run", "step"]).perplexity
    frame = frame.join(np.log(lambada).rename("loss"), on=["run", "step"]).dropna(subset=["loss"])
    frame = frame.sort_values(["task", "run", "step"]).reset_index(drop=True)
    tasks = sorted(set(frame.task) - {"lambada_openai"})
    fitted = "models below 5e9, AR(1) within a run"
    yield from along_training("pythia_evals", frame, frame.params > 5e9, fitted, tasks)
