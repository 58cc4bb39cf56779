"""The runs of Gadre et al.: the average error over 17 tasks, and single tasks, from the loss."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from cases import LEVELS, SETTINGS, Outcome, Table, against, counted, fit, forecasts, number, quantity, read
from judged import COLUMNS, below_chance, fitted_as, task_law, verdict_row, with_error
from pretraining import CORPORA

import bayes_scaling as bs
from bayes_scaling.chain.benchmarks import benchmark
from bayes_scaling.chain.propagate import curves_at, run_luck, scores, task_draws
from bayes_scaling.law import Law, mean, with_priors
from bayes_scaling.laws.downstream import error_vs_loss_exp
from bayes_scaling.posterior import thinned_posterior
from bayes_scaling.verdict import Items

#: Loss that the authors' law predicts for the RedPajama targets, and relative error of the error there.
PREDICTED = {1439795200: (2.5198, "3.64 %"), 6889410560: (2.4427, "0.05 %")}
#: Loss below which the corpora are compared with one line.
LOW_LOSS = 3.2
#: Task, and the name of its published fit in the law's record. The published fits of the last four are flat.
TASKS = {
    "hellaswag_zeroshot": "hellaswag_0shot",
    "hellaswag": "hellaswag_10shot",
    "arc_easy": "arc_easy",
    "piqa": "piqa",
    "copa": "copa",
    "winograd": "winograd",
    "squad": "squad",
    "coqa": "",
    "lambada_openai": "",
    "bigbench_qa_wikidata": "",
    "boolq": "",
    "commonsense_qa": "",
    "pubmed_qa_labeled": "",
    "bigbench_cs_algorithms": "",
}
#: gamma of published fits whose eps is above 1, which the law cannot state.
GAMMA = {"coqa": 2.118, "lambada_openai": 0.854, "bigbench_qa_wikidata": 1.349}
SOURCE = "arXiv:2403.08540, fit of single tasks to the authors' 6 C4 runs"


def average_error() -> pd.DataFrame:
    return read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val, error=lambda t: t.err_avg17)


def single_tasks() -> pd.DataFrame:
    marks = read("gadre_overtraining")[["run", "paper_fit_error", "split"]]
    return read("gadre_downstream").merge(marks, on="run").assign(loss=lambda t: t.loss_c4_val)


def run_labels(table: pd.DataFrame) -> list[str]:
    """The family and the size of each run."""
    return [f"{f}, {n / 1e9:.1f}B" for f, n in zip(table.family, table.params, strict=True)]


def noise_table() -> Table:
    """How well the error of each target is measured at all: the sampling of the items of each task."""
    tasks = single_tasks().query("in_17 == 1 and split == 'target'").sort_values(["family", "params"])
    tasks = tasks.assign(variance=lambda t: t.accuracy * (1 - t.accuracy) / t.n_examples)
    rows = []
    for (family, params), one in tasks.groupby(["family", "params"]):
        error, se = 1 - one.accuracy.mean(), np.sqrt(one.variance.sum()) / len(one)
        top = one.loc[one.variance.idxmax()]
        share = f"{100 * top.variance / one.variance.sum():.0f} %, {top.task} ({top.n_examples:.0f} items)"
        label = f"{family}, {float(params) / 1e9:.1f}B"
        rows.append([label, number(error), number(se), f"{100 * se / error:.2f} %", share])
    columns = ["run", "17-task error", "standard error from the items", "relative", "largest part of it"]
    return Table("How well the errors of the targets are measured", columns, rows)


def corpus_table() -> Table:
    """Offsets of the corpora from one line through all smaller runs at low loss."""
    part = average_error().query(f"split == 'fit' and loss < {LOW_LOSS}")
    slope, height = np.polyfit(part.loss, part.error, 1)
    left = part.error - (height + slope * part.loss)
    rows = [
        [family, len(some), f"{some.mean():+.4f}", f"{some.std() / np.sqrt(len(some)):.4f}"]
        for family, some in left.groupby(part.family)
    ]
    title = f"Corpora beside one line of error on loss, {len(part)} smaller runs with a loss below {LOW_LOSS}"
    return Table(title, ["corpus", "runs", "mean offset of the error", "its standard error"], rows)


def chained_table(posterior: bs.Posterior, what: str) -> Table:
    """RedPajama targets from parameters and tokens: draws of our loss law sent through draws of the error."""
    frame = read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val)
    part = frame.query("paper_fit_loss == 1")[["family", "params", "tokens", "loss"]]
    first = bs.fit("gadre_overtraining", bs.read_runs(part), structure=None, settings=SETTINGS)
    hidden = average_error().query("split == 'target' and family == 'rpj'").sort_values("params")
    plans = hidden[["params", "tokens"]]
    loss = bs.forecast(first, plans, family="rpj", target="new_run", allow_failed=True).draws
    second = thinned_posterior(posterior, min(len(loss), 2000))
    rng = np.random.default_rng(0)
    task = task_draws(second, "rpj", len(hidden), rng)
    loss = loss[rng.choice(len(loss), len(task.theta), replace=False)]
    eta = curves_at(task, {"loss": loss}).eta
    luck = run_luck(task, rng.standard_normal(eta.shape), 0.0, rng)
    error = 1 - scores(task, eta, luck, Items(0.0, 1.0, False), sampled=False)
    rows = []
    low, middle, high = np.quantile(error, LEVELS, axis=0)
    for n, y, a, m, b in zip(hidden.params, hidden.error, low, middle, high, strict=True):
        inside = "yes" if a <= y <= b else "no"
        band = f"[{number(a)}, {number(b)}]"
        relative = f"{100 * abs(m / y - 1):.2f} %"
        rows.append([f"rpj, {n / 1e9:.1f}B", number(y), number(m), band, inside, relative, PREDICTED[n][1]])
    columns = ["run", "measured", "median", "90 % band", "inside", "relative error", "published error"]
    title = f"RedPajama targets from parameters and tokens alone, our loss posterior carried into {what}"
    return Table(title, columns, rows)


def average_case() -> Iterator[Outcome]:
    frame, law = average_error(), with_priors(bs.law("error_vs_loss_exp"), error_vs_loss_exp.AVERAGE)
    hidden = frame.query("split == 'target'").sort_values(["family", "params"])
    labels = run_labels(hidden)
    few = "the authors' 6 runs a corpus"
    most = "all runs but the targets"
    for data, part, structure in (
        (few, frame.query("paper_fit_error == 1"), None),
        (most, frame.query("split == 'fit'"), None),
        (most, frame.query("split == 'fit'"), bs.Structure()),
    ):
        study = f"gadre_overtraining, err_avg17, {data}"
        posterior, found = fit(law, part[["family", "loss", "error"]], study, structure=structure)
        for family, key in CORPORA.items() if structure is None else ():
            found.quantities += against(posterior, f"{key}_17", family)
        what = f"{data}, {found.structure}"
        table = forecasts(
            posterior, hidden, hidden.error, labels, families=list(hidden.family),
            title=f"Targets at their measured loss, {what}",
        )  # fmt: skip
        rpj = hidden[hidden.family == "rpj"].assign(loss=lambda t: [PREDICTED[n][0] for n in t.params])
        pointwise = forecasts(
            posterior, rpj, rpj.error, run_labels(rpj), families="rpj",
            title=f"RedPajama targets at the loss that the authors' law predicts, as in the paper, {what}",
            published=[PREDICTED[n][1] for n in rpj.params],
        )  # fmt: skip
        found.tables = [counted(table), pointwise, chained_table(posterior, f"the error, {what}")]
        if structure is not None:
            found.tables += [noise_table(), corpus_table()]
        yield found


def missed(law: Law, key: str, hidden: pd.DataFrame) -> str:
    """Median relative error of published constants, which belong to C4, at the hidden C4 runs."""
    c4 = hidden[hidden.family == "c4_original"]
    found = [float(mean(law, {"loss": loss}, law.published[key].values)) for loss in c4.loss]
    return f"{number(100 * float(np.median(np.abs(found / c4.error - 1))))} %"


def tasks_case() -> Iterator[Outcome]:
    frame, verdicts = single_tasks(), []
    for task, key in TASKS.items():
        own, known = frame[frame.task == task], benchmark(task)
        chance = known.chance if known else float(own.random_accuracy.iloc[0])
        items = float(own.n_examples.iloc[0])
        own = with_error(own, "accuracy", items)
        c4 = own[own.family == "c4_original"]
        few = "the authors' 6 C4 runs"
        most = "all runs but the targets"
        for fitted, part in ((few, c4[c4.paper_fit_error == 1]), (most, own[own.split == "fit"])):
            free = below_chance(part.accuracy, chance, items)
            columns = ["family", "loss", "error", "standard_error"]
            data = f"gadre_downstream, {task}, {fitted}; {fitted_as(free)}"
            posterior, found = fit(task_law(chance, free), part[columns], data)
            for name in ("eps", "ratio", "gamma"):
                value = GAMMA.get(task, float("nan")) if name == "gamma" else float("nan")
                value = posterior.law.published[key].values[name] if key else value
                known_by = SOURCE if np.isfinite(value) else ""
                found.quantities.append(quantity(posterior, name, "c4_original", value, known_by))
            hidden = own[(own.split == "target") & own.family.isin(posterior.families)]
            hidden = hidden.sort_values(["family", "params"])
            labels = run_labels(hidden)
            table = forecasts(
                posterior, hidden, hidden.error, labels, title="", target="measurement",
                families=list(hidden.family),
            )  # fmt: skip
            row = verdict_row(task, fitted, posterior, items, table)
            theirs = missed(posterior.law, key, hidden) if key and fitted == few else ""
            verdicts.append([*row, theirs])
            if task == list(TASKS)[-1] and fitted == most:
                title = "Single tasks: verdict, and hidden runs at their measured loss"
                found.tables = [Table(title, [*COLUMNS, "of the published constants"], verdicts)]
            yield found
