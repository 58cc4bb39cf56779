"""Simulation-based calibration: truths of the prior, ranked among posterior draws of data made from them.

    python benchmarks/sbc.py [LAW ...] [--replications 100] [--bare] [--resume FOLDER] [--jobs 4]
        [--seed 7] [--long]

If model and sampler are right, the rank of a truth among its posterior draws is uniform (Talts et al. 2018,
arXiv:1804.06788). For every parameter of a family, the noise and the scale of the discrepancy this prints
whether the empirical distribution of the ranks stays in its simultaneous 95 % band, and its largest distance
from uniform, and the law's row of docs/sbc.md. Each law is simulated on runs of two families, spread over the
typical ranges of its inputs; laws of schedules on checkpoints under three of them. ``--resume`` keeps
finished replications, as JSON lines, by version of package, law and settings. Blocks of 20 replications go
through joblib: ``--jobs``, or ``joblib.parallel_config`` around `main`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import qmc

import bayes_scaling as bs
from bayes_scaling import scores
from bayes_scaling.batch import sample_each
from bayes_scaling.diagnostics import diagnose
from bayes_scaling.engine import Settings
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.law import Law
from bayes_scaling.law import mean as mean_of
from bayes_scaling.layout import Data, Prepared, prepare, responding
from bayes_scaling.sample import Draws

ROWS, TRIALS = 15, 500
SETTINGS = Settings(chains=4, warmup=300, draws=500, most_draws=9000)  # chains go on as a user's would
#: Without the discrepancy as in the recovery of tests/test_recovery.py: few draws, many laws.
BARE = Settings(chains=2, warmup=200, draws=300, most_draws=600, target_accept=0.85, max_tree_depth=7)
SEED = 7  # of the truths and of the data that are made from them
BLOCK = 20  # replications that are fitted together, and kept when they are finished
#: Posterior draws among which a truth is ranked; thinned, because ranks of correlated draws are not uniform.
RANKED = 99
#: Learning rate of every step, for laws of schedules: a cosine, a decay at the end, and steps.
SCHEDULES = {
    "cosine": 3e-4 * (0.55 + 0.45 * np.cos(np.linspace(0, np.pi, 8000))),
    "decay": np.concatenate([np.full(12000, 3e-4), np.linspace(3e-4, 3e-5, 4000)]),
    "steps": np.repeat([3e-4, 9e-5, 2.7e-5], [9000, 3000, 3000]),
}
NOISE = ("log total scatter", "logit seed share", "seed slope", "log tail")


def design(law: Law, structure: bs.Structure | None) -> Prepared:
    """Runs of two families over the typical ranges of the inputs; their responses are placeholders."""
    y = law.predicts
    column = "bpb" if y.unit == "bit/byte" else y.name  # a column called loss is in nats per token
    if any(i.kind == "schedule" for i in law.inputs):
        runs = bs.read_runs(curves().assign(**{column: 3.0}), schedules=SCHEDULES)
        return prepare(law, runs, structure=structure)
    points = qmc.Sobol(len(law.inputs), seed=1).random(2 * ROWS)
    table = pd.DataFrame()
    for i, u in zip(law.inputs, points.T, strict=True):
        low, high = (0.03, 30.0) if i.centre == "data" else i.typical
        table[i.name] = low * (high / low) ** u
    table["family"] = np.repeat(["a", "b"], ROWS)
    middle = {p.name: p.constrain(p.location) for p in law.parameters}
    for k, row in table.iterrows():
        relative = {i.name: float(row[i.name]) for i in law.inputs}
        table.loc[k, column] = float(mean_of(law, relative, middle)) if y.noise == "student" else 100
    if y.trials:
        table[y.trials] = TRIALS
    response = None if column == y.name else column
    return prepare(law, bs.read_runs(table), response=response, structure=structure)


def curves() -> pd.DataFrame:
    """Checkpoints of two families' runs, one run under each schedule."""
    rows = []
    for family in ("a", "b"):
        for name, rates in SCHEDULES.items():
            label = {"family": family, "run": f"{family} {name}", "schedule": name}
            rows += [{**label, "step": step} for step in np.linspace(0.2, 1.0, 5) * len(rates)]
    return pd.DataFrame(rows)


def with_data() -> list[str]:
    """Laws that real measurements were fitted with."""
    return [name for name in bs.laws() if bs.law(name).checked_on]


def block(
    prepared: Prepared, truths: list[dict[str, np.ndarray]], settings: Settings, first: int
) -> list[dict[str, float]]:
    """Fit the data that were replicated from some truths, all at once; ``first`` numbers the replications."""
    made = [responding(prepared, truth["replicated"]) for truth in truths]
    drawn = sample_each(prepared.shape, made, settings, seeds=range(first, first + len(made)))
    found = {k: ranks(prepared, made[k], truths[k], draws) for k, draws in drawn}
    return [found[k] for k in range(len(made))]


def ranks(prepared: Prepared, data: Data, truth: dict[str, np.ndarray], drawn: Draws) -> dict[str, float]:
    """Share of the posterior draws below each truth, and whether the gate was passed."""
    flat = drawn.latents.reshape(-1, drawn.latents.shape[-1])
    kept = flat[np.linspace(0, len(flat) - 1, RANKED).round().astype(int)]
    found = evaluate(prepared.shape, data, kept, rows=False)
    judged = diagnose(drawn.latents, drawn.statistics)
    out = {"failed": float(bool(judged.problems))}
    for k, p in enumerate(prepared.law.parameters):
        out[p.name] = float((found["theta"][:, 0, k] < truth["theta"][0, k]).mean())
    noise = NOISE if prepared.shape.noise == "student" else ("log overdispersion",)
    for k, name in enumerate(noise[: truth["noise"].shape[-1]]):
        out[name] = float((found["noise"][:, k] < truth["noise"][k]).mean())
    if "structure_scale" in truth:
        out["structure_scale"] = float((found["structure_scale"] < truth["structure_scale"]).mean())
    return out


def replicate(
    law: Law,
    structure: bs.Structure | None,
    settings: Settings,
    count: int,
    resume: Path | None,
    jobs: int | None = None,
    seed: int = SEED,
) -> pd.DataFrame:
    """Ranks of all replications of a law."""
    prepared = design(law, structure)
    kept = f"{law.label}{'' if structure else '-bare'}-{mark(prepared, settings, seed)}.jsonl"
    path = resume / kept if resume else None
    done = finished(path) if path else []
    own = seed_of(law, seed)
    latents = prior_latents(prepared.shape, prepared.data, count, seed=own)
    drawn = evaluate(prepared.shape, prepared.data, latents, seed=own)
    keys = [k for k in ("theta", "noise", "structure_scale", "replicated") if k in drawn]
    truths = [{k: drawn[k][s] for k in keys} for s in range(count)]
    starts = range(len(done), count, BLOCK)
    work = (delayed(block)(prepared, truths[at : at + BLOCK], settings, at) for at in starts)
    for found in Parallel(n_jobs=jobs, return_as="generator")(work):
        done += found
        if path:
            with path.open("a") as file:
                file.writelines(json.dumps(one) + "\n" for one in found)
    return pd.DataFrame(done[:count])


def seed_of(law: Law, seed: int) -> int:
    """A seed of the law's own: with one for all, truths of one law that are bad luck are so for all laws."""
    return int(hashlib.sha256(f"{law.label} {seed}".encode()).hexdigest()[:8], 16)


def mark(prepared: Prepared, settings: Settings, seed: int) -> str:
    """Of what decides the replications: results of other versions are not gone on with."""
    priors = [(p.name, p.interval, p.support, p.pool) for p in prepared.law.parameters]
    about = (
        bs.__version__,
        settings,
        RANKED,
        priors,
        prepared.runs.hash,
        prepared.shape.rank,
        seed,
    )
    return hashlib.sha256(repr(about).encode()).hexdigest()[:12]


def finished(path: Path) -> list[dict[str, float]]:
    """Replications of an earlier run; a last line that was cut off by its end is dropped."""
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def row(label: str, told: pd.DataFrame, found: pd.DataFrame, seconds: float) -> str:
    """The law's row of the table on the page."""
    out = [f"{name} ({far:.3f})" for name, far in told.loc[~told.inside, ["quantity", "distance"]].to_numpy()]
    cells = (f"`{label}`", len(told), int(told.inside.sum()), f"{told.distance.max():.3f}",
             ", ".join(out) or "none", len(found), int(found.failed.sum()), f"{seconds:.0f}")  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def verdict(name: str, found: pd.DataFrame) -> pd.DataFrame:
    """Per quantity: largest distance of its ranks from uniform, and whether they stay in the band."""
    rng, rows = np.random.default_rng(0), []
    for column in found.columns.drop("failed"):
        pits = (found[column].to_numpy() * RANKED + rng.random(len(found))) / (RANKED + 1)
        far, inside = scores.uniformity(pits, 0.95)
        rows.append({"law": name, "quantity": column, "distance": far, "inside": inside})
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("laws", nargs="*", help="default: every law with data")
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--bare", action="store_true", help="without the structural discrepancy")
    parser.add_argument("--long", action="store_true", help="chains of the bare model as a user's, too")
    parser.add_argument("--resume", type=Path, help="folder that keeps finished replications")
    parser.add_argument("--jobs", type=int, help="blocks of 20 at once; default: as joblib is configured")
    parser.add_argument("--seed", type=int, default=SEED, help="of truths and data")
    options = parser.parse_args(arguments)
    if options.resume:
        options.resume.mkdir(parents=True, exist_ok=True)
    for name in options.laws or with_data():
        start, law = time.perf_counter(), bs.law(name)
        structure = None if options.bare else bs.Structure()
        settings = BARE if options.bare and not options.long else SETTINGS
        found = replicate(
            law, structure, settings, options.replications, options.resume, options.jobs, options.seed
        )
        told = verdict(law.label, found)
        print(told.round(3).to_string(index=False))
        print(row(law.label, told, found, time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
