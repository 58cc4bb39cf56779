"""Chapter 2, downstream scores: single laws from a loss or from capabilities to a task."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from cases import Case, Outcome, Table, against, coverage, fit, forecasts, number, quantity, read
from pretraining import CORPORA

import bayes_scaling as bs
from bayes_scaling import datasets, scores
from bayes_scaling.law import with_priors
from bayes_scaling.laws.downstream import error_vs_loss_exp
from bayes_scaling.laws.downstream.obs_scaling import as_inputs, capabilities

#: Items of each task of ``pile-families``.
ITEMS = {
    "hellaswag": 10042,
    "piqa": 1838,
    "winogrande": 1267,
    "lambada": 5153,
    "arc_easy": 2376,
    "arc_challenge": 1172,
    "openbookqa": 500,
}
#: Loss that the authors' law predicts for the RedPajama targets, and relative error of the error there.
PREDICTED = {1439795200: (2.5198, "3.64 %"), 6889410560: (2.4427, "0.05 %")}
FOLDS, COMPONENTS = 3, (1, 2, 3)
BENCHMARKS = ("mmlu", "arc_c", "hellaswag", "winograd", "truthfulqa", "gsm8k", "xwinograd", "humaneval")
#: Task to be forecast from the other benchmarks, and its number of items.
TASK = ("gsm8k", 1319)


def average_error() -> pd.DataFrame:
    return read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val, error=lambda t: t.err_avg17)


def gadre_error_case() -> Iterator[Outcome]:
    frame, law = average_error(), with_priors(bs.law("error_vs_loss_exp"), error_vs_loss_exp.AVERAGE)
    hidden = frame.query("split == 'target'").sort_values(["family", "params"])
    labels = [f"{f}, {n / 1e9:.1f}B" for f, n in zip(hidden.family, hidden.params, strict=True)]
    few = "gadre_overtraining, err_avg17, the authors' 6 runs a corpus"
    most = "gadre_overtraining, err_avg17, all runs but the targets"
    for data, part, structure in (
        (few, frame.query("paper_fit_error == 1"), None),
        (most, frame.query("split == 'fit'"), None),
        (most, frame.query("split == 'fit'"), bs.Structure()),
    ):
        posterior, found = fit(law, part[["family", "loss", "error"]], data, structure=structure)
        for family, key in CORPORA.items() if structure is None else ():
            found.quantities += against(posterior, f"{key}_17", family)
        table = forecasts(
            posterior,
            hidden,
            hidden.error,
            labels,
            title="Targets at their measured loss",
            families=list(hidden.family),
        )
        rpj = hidden[hidden.family == "rpj"].assign(loss=lambda t: [PREDICTED[n][0] for n in t.params])
        chained = forecasts(
            posterior, rpj, rpj.error, [f"rpj, {n / 1e9:.1f}B" for n in rpj.params], families="rpj",
            title="RedPajama targets at the loss that the authors' law predicts, as in the paper",
            published=[PREDICTED[n][1] for n in rpj.params],
        )  # fmt: skip
        found.tables = [Table(f"{table.title}: {coverage(table)}", table.columns, table.rows), chained]
        yield found


def pile_case() -> Iterator[Outcome]:
    frame = datasets.load("pile-families").dropna(subset=["loss"])
    largest = (frame.family == "cerebras-gpt") & frame["size"].isin(["6.7B", "13B"])
    for task, items in ITEMS.items():
        each = frame.assign(
            error=1 - frame[task], standard_error=np.sqrt(frame[task] * (1 - frame[task]) / items)
        )
        columns = ["family", "loss", "error", "standard_error"]
        posterior, found = fit(
            "error_vs_loss_exp",
            each.loc[~largest, columns],
            f"pile-families, {task}, two largest Cerebras-GPT hidden",
        )
        found.quantities = [quantity(posterior, f"{n}_population") for n in ("eps", "gamma")]
        hidden = each[largest]
        table = forecasts(
            posterior, hidden, hidden.error, [f"{task}, {s}" for s in hidden["size"]],
            title="Cerebras-GPT, error at the measured loss", families="cerebras-gpt", target="measurement",
        )  # fmt: skip
        found.tables = [table]
        yield found


def gemstones_case() -> Iterator[Outcome]:
    frame = read("gemstones_downstream").sort_values(["run", "step"])
    for task in ("arc:easy", "hellaswag", "mmlu", "piqa"):
        part = frame[frame.task == task].groupby("run").nth(slice(None, None, 6))
        part = part.assign(error=1 - part.accuracy, standard_error=part.accuracy_se)
        large = part.params > 1.5e9
        columns = ["run", "step", "loss", "error", "standard_error"]
        posterior, found = fit(
            "error_vs_loss_exp",
            part.loc[~large, columns],
            f"gemstones_downstream, {task}, models up to 1.5e9",
        )
        found.quantities = [quantity(posterior, n) for n in ("eps", "gamma", "error_at_3")]
        hidden = part[large]
        table = forecasts(
            posterior, hidden, hidden.error, list(hidden.run), title="", target="measurement",
        )  # fmt: skip
        miss = np.median([float(row[5].split()[0]) for row in table.rows])
        found.tables = [
            Table(
                "Checkpoints of larger models, at their loss",
                ["result", "median relative error"],
                [[coverage(table), f"{miss:.1f} %"]],
            )
        ]
        yield found


def pythia_case() -> Iterator[Outcome]:
    frame = read("pythia_evals").query("shots == 0 and step >= 3000")
    lambada = frame[frame.task == "lambada_openai"].set_index(["run", "step"]).perplexity
    for task in ("arc_easy", "piqa", "sciq"):
        part = frame[frame.task == task].set_index(["run", "step"])
        part = part.assign(loss=np.log(lambada), error=1 - part.accuracy, standard_error=part.accuracy_se)
        part = part.reset_index().sort_values(["run", "step"]).dropna(subset=["loss"])
        large = part.params > 5e9
        columns = ["family", "run", "tokens", "loss", "error", "standard_error"]
        posterior, found = fit(
            "error_vs_loss_exp",
            part.loc[~large, columns],
            f"pythia_evals, {task}, models below 5e9, AR(1) within a run",
        )
        found.quantities = [
            quantity(posterior, n, f) for f in posterior.families for n in ("eps", "gamma", "error_at_3")
        ]
        hidden = part[large]
        table = forecasts(
            posterior,
            hidden,
            hidden.error,
            list(hidden.run),
            title="",
            families=list(hidden.family),
            target="measurement",
        )
        miss = np.median([float(row[5].split()[0]) for row in table.rows])
        found.tables = [
            Table(
                "Checkpoints of 6.9B and 12B, at their LAMBADA loss",
                ["result", "median relative error"],
                [[coverage(table), f"{miss:.1f} %"]],
            )
        ]
        yield found


def dclm_case() -> list[Outcome]:
    frame = read("dclm_models").dropna(subset=["loss_val", "core_centered"])
    neox = frame.tokenizer.fillna("").str.contains("neox")
    frame = frame[neox & (frame.loss_val < 4)].assign(
        loss=lambda t: t.loss_val, error=lambda t: 1 - t.core_centered
    )
    large = frame.params > 5e9
    posterior, found = fit(
        "error_vs_loss_exp",
        frame.loc[~large, ["loss", "error"]],
        "dclm_models, CORE of 0.4B and 1.4B models, one tokenizer",
    )
    found.quantities = [quantity(posterior, n) for n in ("eps", "gamma", "error_at_3")]
    hidden = frame[large].sort_values("loss")
    table = forecasts(
        posterior,
        hidden,
        hidden.error,
        [f"{n:.2g} tokens" for n in hidden.tokens],
        title="6.9B models, 1 - CORE, at their loss",
    )
    found.tables = [Table(f"{table.title}: {coverage(table)}", table.columns, table.rows)]
    return [found]


def held_out(frame: pd.DataFrame) -> Iterator[np.ndarray]:
    """Masks of held-out families: every family is held out once."""
    names = np.random.default_rng(0).permutation(sorted(frame.family.unique()))
    for part in np.array_split(names, FOLDS):
        yield frame.family.isin(part).to_numpy()


def obs_scaling_case() -> Iterator[Outcome]:
    """One, two and three components for a task that is left out of the capabilities, families held out."""
    frame, (task, items) = read("obsscaling_base_llm"), TASK
    others = [f"acc_{b}" for b in BENCHMARKS if b != task]
    parts = as_inputs(capabilities(frame[others].to_numpy(), max(COMPONENTS)).scores)
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
        first.tables = [Table(f"{count} of {max(COMPONENTS)} components, {held}", columns, [row])]
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


CASES: dict[str, Case] = {
    "gadre_error": gadre_error_case,
    "pile_tasks": pile_case,
    "gemstones_tasks": gemstones_case,
    "pythia_tasks": pythia_case,
    "dclm_core": dclm_case,
    "obs_scaling": obs_scaling_case,
    "sloth": sloth_case,
}
