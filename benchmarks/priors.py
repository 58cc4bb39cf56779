"""The prior packs of `bayes_scaling.priors`, learnt anew from public studies.

    BAYES_SCALING_DATA=FOLDER python benchmarks/priors.py [NAME ...] [--folder FOLDER] [--force]

A pack that is there already is kept unless ``--force`` is given, so that a run that was cut short goes on
where it stopped. Each study x family is one family of one table with at most `MOST` runs, spread evenly over
compute, so that no study outweighs the others. A pack whose posterior fails its diagnostics is not written.
The studies are described in docs/data.md, what the packs say in docs/transfer.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from engine import load, study

import bayes_scaling as bs
from bayes_scaling import layout
from bayes_scaling.borrowed.file import read_prior, save_prior
from bayes_scaling.borrowed.record import Prior, noise_only
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.transfer import transfer

#: Runs of one family: more would say more of that family than families say of a new one.
MOST = 24
SETTINGS = bs.Settings(chains=4, warmup=400, draws=1000, most_draws=6000)
#: Mean acceptance of the first try, and of a second one where the first diverges.
ACCEPT = (0.95, 0.99)
#: Spread where there is one family, in prior scales: a new one is then about as uncertain as the law says.
UNKNOWN = dict.fromkeys(layout.POOL_SCALE, 0.5)
#: Points of a grid of learning rate and batch size that the quadratic through its optimum is fitted to.
NEAR_OPTIMUM, LEAST_POINTS = 0.015, 12
SAMPLES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)

HOFFMANN = (
    "Hoffmann et al. 2022, arXiv:2203.15556, points read off by Besiroglu et al. 2024, arXiv:2404.10102"
)
GADRE = "Gadre et al. 2024, arXiv:2403.08540"
MARIN = "Marin scaling ladders 2026, github.com/Open-Athena/scaling-law-analysis"
DATABLATIONS = "Muennighoff et al. 2023, arXiv:2305.16264, at most 1.5 epochs"
MISFITTING = "Li, Kudugunta, Zettlemoyer 2025, arXiv:2502.18969, final losses at the best learning rate"
RNSL = "Alabdulmohsin, Neyshabur, Zhai 2022, arXiv:2209.06640"
STEP = "Li et al. 2025, arXiv:2503.04715, optima of our own quadratic fits to each grid"
MONKEYS = "Brown et al. 2024, arXiv:2407.21787; counts by Schaeffer et al. 2025, arXiv:2502.17578"


@dataclass(frozen=True)
class Pack:
    """A pack: its law, what it is, its sources and its table."""

    law: str
    title: str
    sources: tuple[str, ...]
    table: Callable[[], pd.DataFrame]
    anchored: bool = True


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(study(name))


def losses() -> pd.DataFrame:
    """Losses of language models by parameters and tokens: nine families of five studies."""
    chinchilla = read("chinchilla_epoch").query("epoch_excluded == 0")
    gadre = read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val)
    data = read("datablations_upto4B").query("epochs <= 1.5").drop(columns=["seed"])
    misfitting = read("misfitting").query("final == 1")
    best = misfitting.groupby(["params", "total_tokens"])["loss"].idxmin()
    frames = [chinchilla, gadre, read("marin_isoflop"), data, misfitting.loc[best]]
    return families(pd.concat(frames), ["params", "tokens", "loss"])


def families(frame: pd.DataFrame, columns: list[str], by: str = "compute") -> pd.DataFrame:
    """At most `MOST` rows of every study x family, evenly in the order of a column."""
    frame = frame.assign(family=frame.study + "/" + frame.family.astype(str)).dropna(subset=columns)
    parts = []
    for _, part in frame.sort_values(by).groupby("family"):
        parts.append(part.iloc[np.unique(np.linspace(0, len(part) - 1, MOST).round().astype(int))])
    return pd.concat(parts)[["family", *columns]].reset_index(drop=True)


def curves(domain: str) -> pd.DataFrame:
    """Learning curves of one domain, each relative to its own centre."""
    frame = read("rnsl_benchmark_language").query("domain == @domain")
    frame = frame.drop_duplicates(["run", "seen"]).assign(
        family=lambda t: t.task + "/" + t.family.astype(str)
    )
    frame = families(frame.assign(x=frame.seen, y=frame.value), ["x", "y"], by="seen")
    for name in ("x", "y"):
        centre = np.exp(np.log(frame[name]).groupby(frame.family).transform("mean"))
        frame[name] = frame[name] / centre
    return frame


def optima() -> pd.DataFrame:
    """The best learning rate of every cell of parameters and tokens, by a quadratic near the optimum."""
    frame = read("steplaw_dense").query("diverged == 0")
    rows = []
    for (params, tokens), cell in frame.groupby(["params", "tokens"]):
        near = cell[cell.loss < cell.loss.min() * (1 + NEAR_OPTIMUM)]
        x, y = np.log(near.lr), np.log(near.batch_size)
        design = np.column_stack([np.ones(len(near)), x, y, x * x, x * y, y * y])
        best = np.log(cell.lr[cell.loss.idxmin()])
        if len(near) >= LEAST_POINTS:
            c = np.linalg.lstsq(design, near.loss, rcond=None)[0]
            curvature = np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
            top = -np.linalg.solve(curvature, c[1:3])
            if np.linalg.eigvalsh(curvature)[0] > 0 and x.min() <= top[0] <= x.max():
                best = top[0]
        rows.append({"params": params, "tokens": tokens, "learning_rate": np.exp(best)})
    return pd.DataFrame(rows).assign(family="step_law/dense")


def coverage() -> pd.DataFrame:
    """Problems solved in k samples: the expected number among those tried, rounded."""
    rows = []
    for run, part in read("language_monkeys").groupby("run"):
        n, s = part.n_samples.to_numpy(), part.n_correct.to_numpy()
        for k in SAMPLES:
            # 1 - C(n - s, k) / C(n, k), as a product over the samples
            misses = [np.log1p(-min(b, a - k) / (a - np.arange(k))).sum() for a, b in zip(n, s, strict=True)]
            left = np.where(n - s < k, 0.0, np.exp(misses))
            solved = round(float((1 - left).sum()))
            rows.append({"family": run, "k": k, "n_samples": len(part), "n_correct": solved})
    return pd.DataFrame(rows)


def errors() -> pd.DataFrame:
    """Mean error over 17 tasks by the loss on C4."""
    frame = read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val, error=lambda t: t.err_avg17)
    return families(frame, ["loss", "error"])


LOSSES = (HOFFMANN, GADRE, MARIN, DATABLATIONS, MISFITTING)
WHAT = "of language models by parameters and tokens"
PACKS = {
    "step_law": Pack("step_law", "Optimal learning rate of dense language models", (STEP,), optima),
    "coverage_exp_power": Pack(
        "coverage_exp_power", "Coverage of MATH problems by repeated sampling of Pythia", (MONKEYS,), coverage
    ),
    "error_vs_loss_exp": Pack(
        "error_vs_loss_exp", "Mean error over 17 tasks from the loss on C4", (GADRE,), errors
    ),
    "power_law_offset_nmt": Pack(
        "power_law_offset", "Learning curves of machine translation", (RNSL,), lambda: curves("NMT"), False
    ),
    "power_law_offset_lm": Pack(
        "power_law_offset", "Learning curves of language models", (RNSL,), lambda: curves("LM"), False
    ),
    "power_law_offset_bigbench": Pack(
        "power_law_offset", "Learning curves of BIG-bench tasks", (RNSL,), lambda: curves("BB"), False
    ),
    "chinchilla": Pack("chinchilla", f"Losses {WHAT}, additive", LOSSES, losses),
    "coupled_chinchilla": Pack("coupled_chinchilla", f"Losses {WHAT}, coupled", LOSSES, losses),
}
#: Made from another pack: noise and discrepancy alone, for any law of the same response.
NOISE = {"loss_noise": ("chinchilla", "Seed noise, misfit and discrepancy of losses of language models")}


def learn(pack: Pack) -> Prior:
    """The prior of a new family from the pack's table, with smaller steps where larger ones diverge."""
    runs = bs.read_runs(pack.table())
    alone = runs.table["family"].nunique() == 1
    with patch.object(layout, "POOL_SCALE", UNKNOWN if alone else layout.POOL_SCALE):
        for accept in ACCEPT:
            posterior = bs.fit(pack.law, runs, settings=replace(SETTINGS, target_accept=accept))
            if posterior.diagnostics.passed:
                break
    return transfer(posterior, anchored=pack.anchored, title=pack.title, sources=pack.sources)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="packs to make (default: all)")
    parser.add_argument("--folder", type=Path, default=Path(str(files("bayes_scaling.priors"))))
    parser.add_argument("--force", action="store_true", help="make packs anew that are there already")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in (*PACKS, *NOISE)]
    if unknown:
        parser.error(f"no such pack: {', '.join(unknown)}; known: {', '.join((*PACKS, *NOISE))}")
    for name in [n for n in (*PACKS, *NOISE) if n in options.names or not options.names]:
        path = options.folder / f"{name}.json"
        if path.exists() and not options.force:
            print(f"{name}: kept")
            continue
        start = time.perf_counter()
        try:
            if name in NOISE:
                base, title = NOISE[name]
                prior = noise_only(read_prior(options.folder / f"{base}.json"), title)
            else:
                prior = learn(PACKS[name])
        except (DiagnosticsRefused, ValueError) as error:
            print(f"{name}: NOT written after {time.perf_counter() - start:.0f} s: {error}", file=sys.stderr)
            continue
        save_prior(prior, path)
        print(
            f"{name}: {time.perf_counter() - start:.0f} s, load {load()}, {prior.provenance['diagnostics']}"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
