"""The gate between sampling and forecasting, and what the data can tell of each parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayes_scaling.layout import Prepared

MOST_RHAT = 1.01
LEAST_ESS = 400.0
LEAST_BFMI = 0.3

#: Divergent transitions are always reported; more than this share of the draws fails the gate. A single one
#: in tens of thousands does not, or a longer run would fail more often than a short one.
MOST_DIVERGENT = 5e-4

#: A parameter whose posterior keeps more than this share of the prior's standard deviation is the prior's.
PRIOR_SHARE = 0.8


@dataclass(frozen=True)
class Diagnostics:
    """Convergence of one posterior.

    Parameters
    ----------
    rhat : float
        Largest rank-normalised split R-hat over all latents.
    ess_bulk, ess_tail : float
        Smallest effective sample sizes.
    divergences : int
        Divergent transitions after warm-up.
    bfmi : float
        Smallest Bayesian fraction of missing information over chains.
    tree_depth_hits : int
        Draws that used the whole tree depth.
    chains, draws : int
    restarted : int
        Chains that were started anew because their start was dead.
    interrupted : bool
        Whether the user stopped the sampler early.
    problems : tuple of str
        What failed, each with what to do; empty when the posterior may be used.
    moved : int
        Chains that the first warm-up found in a mode without weight, and that went on from where another was.
    """

    rhat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    bfmi: float
    tree_depth_hits: int
    chains: int
    draws: int
    restarted: int
    interrupted: bool
    problems: tuple[str, ...]
    moved: int = 0

    @property
    def passed(self) -> bool:
        """Whether the posterior may be used for forecasts."""
        return not self.problems

    @property
    def only_divergences(self) -> bool:
        """Whether divergent transitions are all that failed: smaller steps may mend that."""
        return len(self.problems) == 1 and self.divergences > MOST_DIVERGENT * self.chains * self.draws

    def __str__(self) -> str:
        head = (
            f"R-hat {self.rhat:.4f}, ESS bulk {self.ess_bulk:.0f} tail {self.ess_tail:.0f}, "
            f"{self.divergences} divergences, BFMI {self.bfmi:.2f}, {self.chains} x {self.draws} draws"
        )
        for count, what in ((self.restarted, "restarted"), (self.moved, "moved")):
            head += f", {count} chain{'s' if count > 1 else ''} {what}" if count else ""
        return "\n".join(
            [("passed: " if self.passed else "FAILED: ") + head, *("  " + p for p in self.problems)]
        )


class Mixing(NamedTuple):
    """Worst R-hat and effective sample sizes over all latents."""

    rhat: float
    ess_bulk: float
    ess_tail: float

    @property
    def good(self) -> bool:
        """Whether they pass the gate."""
        return self.rhat <= MOST_RHAT and min(self.ess_bulk, self.ess_tail) >= LEAST_ESS


def mixing(latents: np.ndarray) -> Mixing:
    """Rank-normalised split R-hat, bulk and tail effective sample size of draws (chains, draws, d).

    References
    ----------
    Vehtari et al. (2021), "Rank-normalization, folding, and localization: an improved R-hat".
    """
    from arviz_stats.base.array import array_stats  # heavy import, needed only here

    if not np.isfinite(latents).all() or latents.shape[1] < 8:
        return Mixing(np.inf, 0.0, 0.0)
    rhat = np.nanmax(array_stats.rhat(latents, chain_axis=0, draw_axis=1)) if len(latents) > 1 else np.nan
    bulk = np.nanmin(array_stats.ess(latents, 0, 1, "bulk"))
    tail = np.nanmin(array_stats.ess(latents, 0, 1, "tail", prob=(0.05, 0.95)))
    return Mixing(float(rhat), float(bulk), float(tail))


def diagnose(
    latents: np.ndarray,
    statistics: Mapping[str, np.ndarray],
    *,
    max_tree_depth: int = 10,
    restarted: int = 0,
    interrupted: bool = False,
    moved: int = 0,
) -> Diagnostics:
    """Judge a set of draws.

    Parameters
    ----------
    latents : array, shape (chains, draws, d)
    statistics : mapping
        ``diverging``, ``energy`` and ``n_steps``, shape (chains, draws).
    """
    chains, draws, _ = latents.shape
    rhat, bulk, tail = mixing(latents)
    energy = statistics["energy"]
    bfmi = float(
        np.min(np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.maximum(energy.var(axis=1), 1e-300))
    )
    divergences = int(statistics["diverging"].sum())
    hits = int((statistics["n_steps"] >= 2**max_tree_depth - 1).sum())
    problems = []
    if not rhat <= MOST_RHAT and chains > 1:
        problems.append(
            f"R-hat {rhat:.3f} > {MOST_RHAT}: the chains disagree. Sample longer (warmup=1000, draws=2000); "
            "if it stays, the law has more than one explanation of these runs: "
            "see the identifiability report."
        )
    if min(bulk, tail) < LEAST_ESS:
        problems.append(
            f"effective sample size {min(bulk, tail):.0f} < {LEAST_ESS:.0f}: "
            "tail quantiles are not reliable. Sample longer (draws=4000)."
        )
    if divergences > MOST_DIVERGENT * chains * draws:
        problems.append(
            f"{divergences} divergent transitions: part of the posterior was not explored. "
            "Raise target_accept to 0.99, or tighten the priors that the data do not decide."
        )
    if bfmi < LEAST_BFMI:
        problems.append(
            f"BFMI {bfmi:.2f} < {LEAST_BFMI}: heavy tails in the energy. Sample longer or tighten priors."
        )
    if interrupted:
        problems.append(f"interrupted: {draws} draws per chain were kept.")
    return Diagnostics(
        rhat,
        bulk,
        tail,
        divergences,
        bfmi,
        hits,
        chains,
        draws,
        restarted,
        interrupted,
        tuple(problems),
        moved,
    )


def identifiability(prepared: Prepared) -> tuple[str, ...]:
    """What these runs cannot decide, told before sampling.

    Fewer runs than parameters, fewer than three distinct scales, inputs that move together (a fixed ratio of
    tokens to parameters, say), and responses that stay far above any floor.
    """
    law, measured, found = prepared.law, prepared.measured, []
    runs = len(np.unique(measured.run))
    if runs < len(law.parameters):
        found.append(
            f"{runs} runs for {len(law.parameters)} parameters of {law.name}: "
            "the priors decide what the runs do not"
        )
    logs = {i.name: np.log(measured.inputs[i.name]) for i in law.inputs if i.kind == "positive"}
    for name, values in logs.items():
        distinct = len(np.unique(np.round(values, 3)))
        if distinct < 3:
            found.append(
                f"only {distinct} distinct value{'s' * (distinct > 1)} of {name}: "
                f"what depends on {name} comes from the prior"
            )
    names = [name for name, values in logs.items() if values.std() > 1e-3]
    for k, first in enumerate(names):
        for second in names[k + 1 :]:
            r = float(np.corrcoef(logs[first], logs[second])[0, 1])
            if abs(r) > 0.995:
                found.append(
                    f"{first} and {second} move together (correlation of logs {r:.4f}): "
                    "their exponents and amplitudes cannot be told apart"
                )
    if law.floor and law.predicts.link == "log":
        reach = float(measured.response.max() / measured.response.min())
        if reach < 1.3:
            found.append(
                f"the response varies only by a factor {reach:.2f}: "
                f"the floor {law.floor} is mostly the prior's"
            )
    return tuple(found)


def prior_shares(prior_sd: Mapping[str, float], posterior_sd: Mapping[str, float]) -> dict[str, float]:
    """Share of the prior's standard deviation (unconstrained scale) that is left in the posterior."""
    return {name: posterior_sd[name] / prior_sd[name] for name in posterior_sd if prior_sd.get(name, 0) > 0}
