"""A family that is left out: what the others say of its largest run, with 0 to 3 of its small runs known.

    BAYES_SCALING_DATA=FOLDER python benchmarks/transfer.py [--study NAME ...] [--resume FILE]
        [--pool 0.05 0.15] [--others 1]

Every family in turn is taken for new. The other families are fitted together and give its prior
(`bayes_scaling.transfer`); then its 0, 1, 2, 3 smallest runs update that prior, and its largest is forecast.
Beside it stands the same fit with the law's own prior. Scores are of the link scale of the response (relative
errors for losses). A single outcome may favour the wider of two bands although the narrower is right: how
often it would, were the borrowed forecast exactly right, is counted over outcomes drawn from it.
``--resume`` keeps finished families as JSON lines. ``--pool`` asks what other shares of
the prior's scale would do as prior medians of the spread between families, for tight and partial pooling.
``--others`` learns the prior from so many families, the next in the alphabet: one says nothing of the spread.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling import datasets, layout, scores
from bayes_scaling.engine import Settings
from bayes_scaling.layout import prepare
from bayes_scaling.observe import link_numpy
from bayes_scaling.plot.prior import prior_draws
from bayes_scaling.posterior import Posterior, lean
from bayes_scaling.predict import NEW

sys.path.insert(0, str(Path(__file__).parent / "extrapolation"))
from studies import folder

KNOWN = (0, 1, 2, 3)
OTHERS = Settings(chains=2, warmup=300, draws=500, most_draws=2000, target_accept=0.98)
OWN = Settings(chains=2, warmup=300, draws=400, most_draws=1200, target_accept=0.98)
#: Families that are left out of a study of many.
MOST_FAMILIES = 4
#: A forecast is worse if its CRPS is more than this times the other's; outcomes drawn to count it by chance.
WORSE, OUTCOMES = 1.05, 400


class Study(NamedTuple):
    """A table of families under one law; runs are ordered by `scale`."""

    name: str
    law: str
    table: pd.DataFrame
    inputs: tuple[str, ...]
    response: str
    scale: str


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(folder() / f"{name}.csv")


def studies() -> Iterator[Study]:
    loss = ("params", "tokens")
    pile = datasets.load("pile-families").dropna(subset=["loss"])
    yield Study("pile-families", "chinchilla", pile, loss, "loss", "compute")
    gadre = read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val)
    yield Study("gadre_overtraining", "chinchilla", gadre, loss, "loss", "compute")
    yield Study("marin_isoflop", "chinchilla", read("marin_isoflop"), loss, "loss", "compute")
    gemstones = read("gemstones_loss").query("schedule == 'cooldown'").assign(family=lambda t: t["shape"])
    yield Study("gemstones_loss", "chinchilla", gemstones, loss, "loss", "compute")
    models = read("obsscaling_base_llm").dropna(subset=["compute", *CAPABILITIES])
    yield Study("obsscaling_base_llm", "capability_compute", models, ("compute",), "capability", "compute")
    routed = read("routing_moe").query(
        "final == 1 and routing_frequency == 0.5 and experts_per_token == 1 and seed == 42"
    )
    routed = routed.assign(params=routed.params_dense, experts=routed.num_experts.astype(float))
    routed = routed[routed.family != "Dense"]
    yield Study("routing_moe", "routed_moe", routed, ("params", "experts"), "loss", "params_total")


CAPABILITIES = ["acc_mmlu", "acc_arc_c", "acc_hellaswag", "acc_winograd", "acc_truthfulqa"]


def with_capability(table: pd.DataFrame, fitted: pd.Series) -> pd.DataFrame:
    """First principal component of five accuracies, its centre and direction from the fitted models only."""
    values = table[CAPABILITIES].to_numpy(float)
    centre = values[fitted].mean(axis=0)
    axis = np.linalg.svd(values[fitted] - centre, full_matrices=False)[2][0]
    return table.assign(capability=(values - centre) @ (axis * np.sign(axis.sum())))


def evenly(table: pd.DataFrame, scale: str, most: int = 24) -> pd.DataFrame:
    """At most that many runs of every family, evenly in the order of scale."""
    parts = []
    for _, part in table.sort_values(scale, kind="stable").groupby("family"):
        parts.append(part.iloc[np.unique(np.linspace(0, len(part) - 1, most).round().astype(int))])
    return pd.concat(parts)


def before(law: str, plan: pd.DataFrame) -> Posterior:
    """The law's own prior in the guise of a posterior of a family without runs."""
    prepared = prepare(bs.law(law), bs.read_runs(plan), structure=bs.Structure())
    return lean(prepared, prior_draws(prepared, 2000), OWN)


def drawn(posterior: Posterior, plan: pd.DataFrame, study: Study, family: str) -> np.ndarray:
    """Forecast of the largest run on the link scale, shape (draws, 1)."""
    inputs = {name: float(plan[name].iloc[0]) for name in study.inputs}
    link = posterior.law.predicts.link
    found = bs.forecast(posterior, inputs, family=family, target="measurement", allow_failed=True)
    return link_numpy(link, found.draws)


def score(draws: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """CRPS, error and coverage of the largest run."""
    return {
        "crps": float(scores.crps(draws, truth)[0]),
        "error": float(np.median(draws) - truth[0]),
        "pit": float(scores.pit(draws, truth)[0]),
    }


def by_chance(borrowed: np.ndarray, alone: np.ndarray) -> float:
    """How often the borrowed forecast would score worse if outcomes came from it."""
    outcomes = np.random.default_rng(0).choice(borrowed[:, 0], OUTCOMES)
    ours, other = (scores.crps(np.repeat(one, OUTCOMES, axis=1), outcomes) for one in (borrowed, alone))
    return float((ours > WORSE * other).mean())


def left_out(study: Study, family: str, most: int | None = None) -> list[dict[str, Any]]:
    """Scores of one family's largest run, with and without transfer, for each number of known runs."""
    table = evenly(study.table, study.scale)
    names = sorted(table["family"].unique())
    at = names.index(family)
    table = table[table["family"].isin([family, *[*names[at + 1 :], *names[:at]][:most]])]
    mine = (table["family"] == family).to_numpy()
    if study.response == "capability":
        table = with_capability(table, ~mine)
    keep = ["family", *study.inputs, study.response]
    own = table[mine].sort_values(study.scale, kind="stable")[keep]
    others = bs.fit(study.law, bs.read_runs(table[~mine][keep]), settings=OTHERS)
    prior = bs.transfer(others, allow_failed=True)
    plan, rows = own.iloc[[-1]], []
    for known in KNOWN:
        row: dict[str, Any] = {"study": study.name, "family": family, "known": known}
        if known == 0:
            borrowed, alone, name = others, before(study.law, plan), (NEW, family)
        else:
            runs = bs.read_runs(own.iloc[:known])
            borrowed = bs.fit(study.law, runs, prior=prior, settings=OWN)
            alone = bs.fit(study.law, runs, settings=OWN)
            name = (family, family)
            assert borrowed.conflict is not None
            row |= {"p_value": borrowed.conflict.p_value, "weight": borrowed.conflict.weight}
        truth = link_numpy(others.law.predicts.link, plan[study.response].to_numpy(float))
        ours = drawn(borrowed, plan, study, name[0])
        other = drawn(alone, plan, study, name[1])
        for label, one in (("with", ours), ("without", other)):
            row |= {f"{k} {label}": v for k, v in score(one, truth).items()}
        row["worse by chance"] = by_chance(ours, other)
        rows.append(row | {"others passed": others.diagnostics.passed})
    return rows


def chosen(study: Study) -> list[str]:
    """Families with five runs or more; of many, some spread over the alphabet."""
    counts = study.table.groupby("family").size()
    names = sorted(counts[counts >= 5].index)
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, MOST_FAMILIES).round().astype(int))]


def summary(rows: pd.DataFrame) -> str:
    """Means by study and number of known runs."""
    for label in ("with", "without"):
        rows[f"held {label}"] = scores.covered(rows[f"pit {label}"], 0.9)
    rows["alarm"] = rows["p_value"] < 0.05
    rows["worse"] = (rows["crps with"] > WORSE * rows["crps without"]) & ~rows["alarm"]
    rows["worse by chance"] = rows["worse by chance"].where(~rows["alarm"], 0.0)
    columns = ["crps with", "crps without", "held with", "held without", "alarm", "worse", "worse by chance"]
    by = rows.groupby(["study", "known"], sort=False)[columns].mean()
    by.insert(2, "ratio", by["crps with"] / by["crps without"])
    whole = rows.groupby("known")[columns].mean()
    whole.insert(2, "ratio", (rows["crps with"] / rows["crps without"]).groupby(rows["known"]).median())
    return (
        f"{by.round(4).to_string()}\n\nover all families (ratio: median)\n{whole.round(4).to_string()}\n"
        f"90 % bands with transfer held {rows['held with'].mean():.3f} of {len(rows)}\n"
        f"worse without an alarm: {rows['worse'].sum()}; were every borrowed forecast exactly right, "
        f"{rows['worse by chance'].sum():.1f} would be"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", action="append", help="only this study; repeatable")
    parser.add_argument("--resume", type=Path, help="file that keeps finished families")
    parser.add_argument("--pool", type=float, nargs=2, metavar=("TIGHT", "PARTIAL"))
    parser.add_argument("--others", type=int, help="families that give the prior (default: all the others)")
    options = parser.parse_args()
    if options.pool:
        layout.POOL_SCALE = {
            **layout.POOL_SCALE,
            **dict(zip(("tight", "partial"), options.pool, strict=True)),
        }
    rows: list[dict[str, Any]] = []
    if options.resume and options.resume.exists():
        rows = [json.loads(line) for line in options.resume.read_text().splitlines()]
    done = {(row["study"], row["family"]) for row in rows}
    for study in studies():
        if options.study and study.name not in options.study:
            continue
        for family in chosen(study):
            if (study.name, family) in done:
                continue
            start = time.perf_counter()
            new = left_out(study, family, options.others)
            rows += new
            if options.resume:
                with options.resume.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
            print(f"{study.name} {family}: {time.perf_counter() - start:.0f} s", flush=True)
    print(summary(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
