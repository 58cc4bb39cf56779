"""Data simulated from the prior: 90 % intervals hold the truth as often as they say."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import bayes_scaling as bs
from bayes_scaling.batch import sample_each, sample_many
from bayes_scaling.diagnostics import diagnose
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.latents import energy
from bayes_scaling.layout import Data, Prepared
from bayes_scaling.sample import Draws
from bayes_scaling.scores import uniformity
from tests._simulate import FEW, FOUNDATION, design, replications, typical

#: Replications of the slow test; a smaller number in the environment is for trying it out.
REPLICATIONS = int(os.environ.get("BAYES_SCALING_REPLICATIONS", "200"))
#: Few draws: a rank is a share, and two hundred of them are looked at.
THOROUGH = bs.Settings(chains=2, warmup=200, draws=300, most_draws=600, target_accept=0.85, max_tree_depth=7)
#: For the broken power law, whose break may lie in several places, along curved ridges.
LONGER = replace(THOROUGH, chains=4, warmup=300, draws=400, most_draws=1600, max_tree_depth=10)


#: What decides the draws, beside the law's own file: results of other versions of it are not gone on with.
SOURCES = (
    "supports", "law", "observe", "structure", "layout", "model", "whiten", "pilot", "turn", "latents",
    "engine", "sample", "batch", "evaluate",
)  # fmt: skip


def fingerprint(prepared: Prepared, settings: bs.Settings) -> str:
    """Of the law, the design, the settings and the code that samples."""
    package = Path(bs.__file__).parent
    files = [package / f"{name}.py" for name in SOURCES]
    files.append(Path(inspect.getfile(prepared.law.predictor)))
    content = [file.read_bytes() for file in files]
    content += [prepared.runs.hash.encode(), json.dumps(asdict(settings), sort_keys=True).encode()]
    return hashlib.sha256(b"\0".join(content)).hexdigest()[:12]


def ranked(
    prepared: Prepared, data: Data, truth: Mapping[str, np.ndarray], drawn: Draws
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Share of the posterior draws below each truth, by group of quantities, and what the gate says."""
    flat = drawn.latents.reshape(-1, drawn.latents.shape[-1])
    values = evaluate(prepared.shape, data, flat, rows=False)
    ranks = {name: (values[name] < true).mean(axis=0) for name, true in truth.items()}
    return ranks, diagnose(drawn.latents, drawn.statistics).problems


def covered(ranks: np.ndarray) -> float:
    """Share of the central 90 % intervals that hold their truth."""
    return float(np.mean(np.abs(np.asarray(ranks) - 0.5) <= 0.45))


def quantities(prepared: Prepared, ranks: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Ranks by quantity: parameters of the first family, and all that families share."""
    theta = np.array([r["theta"] for r in ranks])[:, 0]
    found = {p.name: theta[:, k] for k, p in enumerate(prepared.law.parameters)}
    for group in ("location", "spread", "noise"):
        if group in ranks[0]:
            columns = np.array([r[group] for r in ranks])
            found |= {f"{group} {k + 1}": columns[:, k] for k in range(columns.shape[1])}
    return found


def test_intervals_hold_the_truth() -> None:
    """A small version of the slow test below: 45 parameters of three families in three replications."""
    prepared = design("chinchilla")
    made = list(replications(prepared, 3, seed=11))
    shares = [
        covered(ranked(prepared, data, {"theta": truth["theta"]}, drawn)[0]["theta"])
        for (data, truth), drawn in zip(
            made, sample_many(prepared.shape, [data for data, _ in made], FEW), strict=True
        )
    ]
    assert np.mean(shares) >= 0.6, shares


def score(prepared: Prepared, draws: int = 4000) -> np.ndarray:
    """Gradients of the joint density at truths of the prior, with data made from them; shape (draws, d).

    They average to zero. They do not if data depend on their truth by more than the likelihood, as they do
    where both are made with the same random numbers, or if simulation and density differ in anything else;
    then no posterior is calibrated on them.
    """
    shape, data = prepared.shape, jax.tree.map(np.asarray, prepared.data)
    latents = prior_latents(shape, data, draws, seed=5)
    made = evaluate(shape, data, latents, seed=5)["replicated"]
    with jax.enable_x64(True):

        def slope(item):
            z, response = item
            return jax.grad(lambda z: energy(shape, data._replace(response=response), z))(z)

        at = (latents, made.astype(float))
        return np.asarray(jax.jit(lambda at: jax.lax.map(slope, at, batch_size=50))(at))


def vanishes(slopes: np.ndarray) -> bool:
    """Whether the mean of every column is within 4.5 of its standard errors of zero."""
    assert np.isfinite(slopes).all(), f"{(~np.isfinite(slopes).all(axis=1)).sum()} of {len(slopes)}"
    far = slopes.mean(axis=0) / slopes.std(axis=0) * np.sqrt(len(slopes))
    print(f"largest distance {np.abs(far).max():.1f} standard errors, of {len(far)}")
    return bool(np.abs(far).max() < 4.5)


#: Laws of which the suite asks that simulation and density agree; the slow tests ask it of all others.
OFTEN = ("chinchilla", "kaplan_nd", "power_law_offset", "coverage_exp_power")


@pytest.mark.parametrize("name", OFTEN)
def test_the_score_of_simulated_data_vanishes(name) -> None:
    assert vanishes(score(design(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in bs.laws() if n not in OFTEN])
def test_the_score_of_every_law_vanishes(name) -> None:
    """Simulation and density agree for every law: what calibration on simulated data begins with."""
    assert vanishes(score(design(name) if name in FOUNDATION else typical(name)))


def test_replications_are_of_the_design() -> None:
    prepared = design("chinchilla")
    for data, truth in replications(prepared, 3, seed=11):
        assert truth["theta"].shape == (3, 5)
        n = len(prepared.runs)
        assert np.ptp(data.response[:n]) > 0.01
        config = prepared.measured.config
        within = [np.ptp(data.response[:n][config == c]) for c in np.unique(config)]
        assert 0 < np.median(within) < 0.5 * np.ptp(data.response[:n])


def test_a_ledger_is_of_one_version() -> None:
    """Another law, design or length of the chains starts a ledger of its own."""
    chinchilla = design("chinchilla")
    marks = {
        fingerprint(chinchilla, THOROUGH),
        fingerprint(chinchilla, LONGER),
        fingerprint(design("kaplan_nd"), THOROUGH),
        fingerprint(design("chinchilla", 3), THOROUGH),
    }
    assert len(marks) == 4
    assert fingerprint(chinchilla, THOROUGH) in marks


@pytest.fixture
def ledger(request) -> Path:
    """Where results are kept, so that a run that was broken off goes on: one line for each replication."""
    chosen = os.environ.get("BAYES_SCALING_SLOW_DIR")
    folder = Path(chosen) if chosen else request.config.cache.mkdir("recovery")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settled(path: Path) -> dict[int, dict]:
    """Finished replications; a line that was cut short is done again."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[record["replication"]] = record
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUNDATION)
def test_coverage_of_two_hundred_replications(name, ledger) -> None:
    """Three families, four seeds: 90 % intervals of families' parameters hold 85 to 95 % of the truths."""
    prepared = design(name)
    settings = LONGER if name == "smoothly_broken_power_law" else THOROUGH
    path = ledger / f"{name}-{fingerprint(prepared, settings)}.jsonl"
    done = settled(path)
    made = list(replications(prepared, REPLICATIONS, seed=2024))
    left = [r for r in range(REPLICATIONS) if r not in done]
    for k, drawn in sample_each(prepared.shape, [made[r][0] for r in left], settings, seeds=left):
        r = left[k]
        ranks, problems = ranked(prepared, *made[r], drawn)
        rounded = {k: np.round(v, 4).tolist() for k, v in ranks.items()}
        done[r] = {"replication": r, "ranks": rounded, "problems": list(problems)}
        with path.open("a") as file:
            file.write(("\n" if path.stat().st_size else "") + json.dumps(done[r]))
    records = [done[r] for r in range(REPLICATIONS)]
    failed = sum(bool(record["problems"]) for record in records)
    shares = {k: covered(np.array([r["ranks"][k] for r in records])) for k in records[0]["ranks"]}
    # posteriors that fail the gate count too: leaving them out would choose the easy truths
    print(f"{name}: {shares}, {failed} of {len(records)} failed the gate")
    by_quantity = quantities(prepared, [r["ranks"] for r in records])
    far = {label: uniformity(ranks, 0.95) for label, ranks in by_quantity.items()}
    outside = [label for label, (_, inside) in far.items() if not inside]
    furthest = max(d for d, _ in far.values())
    print(f"ranks of {len(far)} quantities: largest distance from uniform {furthest:.3f}")
    print(f"outside their simultaneous 95 % band: {', '.join(outside) or 'none'}")
    assert 0.85 <= shares["theta"] <= 0.95, shares
    assert all(0.8 <= share <= 0.98 for share in shares.values()), shares
