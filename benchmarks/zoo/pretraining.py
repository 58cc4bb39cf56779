"""Chapter 1, pretraining losses: the laws on the public studies from which they came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import curve_fits
import numpy as np
import pandas as pd
import shapes
from cases import (
    LEVELS,
    SETTINGS,
    Case,
    Outcome,
    Quantity,
    Table,
    against,
    counted,
    draws_of,
    fit,
    forecasts,
    quantity,
    read,
)
from tables import datablations, optima

import bayes_scaling as bs
from bayes_scaling.law import Law, loss, with_priors
from bayes_scaling.laws.pretraining import data_constrained, parscale

#: Corpora of Gadre et al. and the names under which the law keeps their published fits.
CORPORA = {"c4_original": "c4", "rpj": "redpajama", "rw_original": "refinedweb"}
#: Relative errors of the authors' fits: over-trained 1.4B, 6.9B. The first row is printed in their notebook,
#: the others come out of their procedure.
GADRE_ERRORS = {
    "rpj": ("0.71 %", "0.73 %"),
    "rw_original": ("0.01 % (recomputed)", "1.62 % (recomputed)"),
    "c4_original": ("1.50 % (recomputed)", "4.30 % (recomputed)"),
}
#: Routers and the keys of the paper's fit and of a refit of the released runs.
ROUTERS = {"Hash": "hash", "RL-R": "rlr", "S-Base": "sbase"}


def epoch() -> pd.DataFrame:
    frame = read("chinchilla_epoch").query("epoch_excluded == 0")
    return frame[["params", "tokens", "loss"]].reset_index(drop=True)


def chinchilla_case() -> list[Outcome]:
    posterior, found = fit("chinchilla", epoch(), "chinchilla_epoch, 240 points")
    found.quantities = against(posterior, "besiroglu2024", names=("E", "A", "alpha", "B", "beta", "a"))
    found.quantities += [
        quantity(posterior, name, "", value, "arXiv:2203.15556, which arXiv:2404.10102 rejects")
        for name, value in (("E", 1.69), ("alpha", 0.339), ("beta", 0.285), ("a", 0.4565))
    ]
    return [found]


def isoflop_case() -> list[Outcome]:
    frame = epoch().assign(compute=lambda t: 6 * t.params * t.tokens)
    posterior, found = fit("isoflop_parabola", frame, "chinchilla_epoch, 240 points")
    found.quantities = [quantity(posterior, n) for n in ("E", "gamma", "curvature", "N_opt")]
    paper = "arXiv:2203.15556, approach"
    found.quantities += [
        quantity(posterior, "a", "", 0.50, f"{paper} 1: (0.488, 0.502)"),
        quantity(posterior, "a", "", 0.49, f"{paper} 2: (0.462, 0.534)"),
    ]
    return [found]


def coupled_case() -> list[Outcome]:
    posterior, found = fit("coupled_chinchilla", epoch(), "chinchilla_epoch, 240 points")
    found.quantities = [quantity(posterior, n) for n in ("E", "alpha", "beta", "a")]
    low = quantity(posterior, "k", "", 0.77, "arXiv:2608.07222: 0.77 to 0.90 on these runs, lower end")
    high = quantity(posterior, "k", "", 0.90, "the same, upper end")
    found.quantities += [low, high]
    below = float((draws_of(posterior, "k") < 1).mean())
    found.tables = [Table("Coupling", ["P(k < 1)"], [[f"{below:.2f}"]])]
    return [found]


def kaplan_case() -> list[Outcome]:
    posterior, found = fit("kaplan_nd", epoch(), "chinchilla_epoch, 240 points")
    found.quantities = against(posterior, "kaplan2020_joint", names=("alpha", "beta", "A", "B"))
    return [found]


def farseer_case() -> list[Outcome]:
    law = replace(bs.law("farseer"), predicts=loss("nat/token"))
    law = with_priors(law, {"E": (0.83, 3.1), "B": (0.1, 1.33)})
    posterior, found = fit(law, epoch(), "chinchilla_epoch, 240 points")
    found.quantities = [
        quantity(posterior, n) for n in ("E", "E_slope", "B", "B_slope", "beta", "beta_slope")
    ]
    return [found]


def gadre_frame() -> pd.DataFrame:
    return read("gadre_overtraining").assign(loss=lambda t: t.loss_c4_val)


def gadre_targets(posterior: bs.Posterior, title: str) -> Table:
    hidden = gadre_frame().query("split == 'target'").sort_values(["family", "params"])
    labels = [
        f"{f}, {n / 1e9:.1f}B, M = {m:.0f}"
        for f, n, m in zip(hidden.family, hidden.params, hidden.tokens / hidden.params, strict=True)
    ]
    errors = [GADRE_ERRORS[f][int(n > 2e9)] for f, n in zip(hidden.family, hidden.params, strict=True)]
    return forecasts(
        posterior, hidden, hidden.loss, labels, title=title, families=list(hidden.family), published=errors
    )


def gadre_case() -> Iterator[Outcome]:
    frame = gadre_frame()
    small = frame.query("paper_fit_loss == 1")[["family", "params", "tokens", "loss"]]
    all_small = frame.query("split == 'fit'")[["family", "params", "tokens", "loss"]]
    for data, part, structure in (
        ("gadre_overtraining, the authors' 5 runs a corpus", small, None),
        ("gadre_overtraining, the authors' 5 runs a corpus", small, bs.Structure()),
        ("gadre_overtraining, all runs but the targets", all_small, None),
    ):
        posterior, found = fit("gadre_overtraining", part, data, structure=structure)
        if structure is None:
            for family, key in CORPORA.items():
                found.quantities += against(posterior, key, family)
        table = gadre_targets(posterior, f"Targets, C4 loss, forecast from {data} ({found.structure})")
        found.tables = [counted(table)]
        yield found


def tied_law() -> Law:
    """`data_constrained` with equal exponents, as the paper fits it."""

    def log_mean(params, tokens, unique, *, E, A, alpha, B, R_D, R_N):
        return data_constrained.log_mean(
            params, tokens, unique, E=E, A=A, alpha=alpha, B=B, beta=alpha, R_D=R_D, R_N=R_N
        )

    law = bs.law("data_constrained")
    kept = tuple(p for p in law.parameters if p.name != "beta")
    derived = tuple(d for d in law.derived if d.name != "a")
    return replace(
        law, predictor=log_mean, parameters=kept, derived=derived, published={}, golden=(), limits=()
    )


def seed_spread(posterior: bs.Posterior, frame: pd.DataFrame) -> Quantity:
    """Scale of the seed at the losses of the replicated configurations, beside their spread over five seeds.

    `seed_sd` belongs to a loss of 3 nat/token; the replicates lie lower.
    """
    groups = frame.assign(log=np.log(frame.loss)).groupby(["params", "tokens", "unique_tokens"]).log
    several = groups.agg(["size", "mean", "std"]).query("size > 1")
    away = several["mean"].to_numpy() - np.log(3.0)
    sd, slope = (draws_of(posterior, n)[:, None] for n in ("seed_sd", "seed_slope"))
    low, middle, high = np.quantile(np.median(sd * np.exp(slope * away), axis=1), LEVELS)
    losses = np.exp(several["mean"])
    name = f"seed's scale at a loss of {losses.min():.2f} to {losses.max():.2f}"
    source = f"spread of the log loss over five seeds, median of {len(several)} configurations"
    median = float(several["std"].median())
    return Quantity(name, "", float(middle), float(low), float(high), median, source)


def data_constrained_case() -> Iterator[Outcome]:
    published = bs.law("data_constrained").published["muennighoff2023"]
    for law, what, epochs in (
        (bs.law("data_constrained"), "exponents free", 40),
        (tied_law(), "exponents tied as in the paper", 40),
        (tied_law(), "exponents tied as in the paper", 24),
    ):
        data = f"datablations_upto4B, 1e9 tokens or more, at most {epochs} epochs, falling losses; {what}"
        posterior, found = fit(
            law,
            datablations(epochs),
            data,
            inputs={"unique": "unique_tokens"},
            settings=replace(SETTINGS, target_accept=0.98),
        )
        names = ["R_D", "R_N", "worth_4_epochs", "worth_16_epochs", "E", "alpha"]
        names += ["beta"] if what == "exponents free" else []
        found.quantities = against(posterior, published.values, names=names, source=published.source)
        found.quantities.append(seed_spread(posterior, datablations(epochs)))
        yield found


def routing_case() -> list[Outcome]:
    frame = read("routing_moe").query(
        "final == 1 and routing_frequency == 0.5 and experts_per_token == 1 and seed == 42"
    )
    frame = frame.assign(params=frame.params_dense, experts=frame.num_experts)
    columns = ["family", "params", "experts", "loss"]
    dense = frame[frame.family == "Dense"]
    # as in the authors' fits, every router has the dense runs as those of one expert
    with_dense = [dense.assign(family=router) for router in ROUTERS]
    routed = pd.concat([frame[frame.family.isin(ROUTERS)], *with_dense])[columns]
    posterior, found = fit("routed_moe", routed, "routing_moe, final, every second block, one expert a token")
    for family, key in ROUTERS.items():
        found.quantities += against(posterior, f"clark2022_{key}", family)
        found.quantities += against(posterior, f"refit_{key}", family)
    line = bs.fit(
        "power_law", dense.assign(x=dense.params, y=dense.loss)[["x", "y"]], structure=None, settings=SETTINGS
    )
    found.quantities.append(quantity(line, "alpha", "", 0.078, "dense alone, arXiv:2202.01169"))
    return [found]


def vocab_case() -> list[Outcome]:
    frame = read("vocab_scaling").query("compute >= 2.18e17").sort_values(["run", "compute"])
    frame = frame.groupby("run").nth(slice(None, None, 4))
    columns = ["run", "params_nonvocab", "params_vocab", "tokens", "loss_u"]
    posterior, found = fit("vocab_loss", frame[columns], "vocab_scaling, true tokens, every 4th checkpoint")
    names = (
        "E",
        "A",
        "alpha",
        "A_v",
        "alpha_v",
        "B",
        "beta",
        "vocabulary_3B",
        "vocabulary_7B",
        "vocabulary_70B",
    )
    found.quantities = against(posterior, "tao2024", names=names)
    return [found]


def parscale_case() -> list[Outcome]:
    frame = read("parscale").assign(params=lambda t: t.params_nonembed)[
        ["family", "params", "streams", "loss"]
    ]
    posterior, found = fit("parscale", frame, "parscale, 24 losses a corpus")
    for family, key in (("stack_v2_python", "chen2025_stack"), ("pile", "chen2025_pile")):
        found.quantities += against(
            posterior, key, family, [p.name for p in parscale.LAW.parameters] + ["multiplier_8"]
        )
    return [found]


def step_case() -> Iterator[Outcome]:
    frame = optima()
    data = f"steplaw_dense, optima of our quadratics in {len(frame)} of 17 cells"
    posterior, rate = fit("step_law", frame, data)
    rate.quantities = against(posterior, "li2025", names=("lr", "p", "q", "lr_7B"))
    issue = "issue 10 of the authors' repository, refit of this file"
    rate.quantities += [quantity(posterior, n, "", v, issue) for n, v in (("p", 0.767), ("q", 0.197))]
    yield rate
    posterior, batch = fit("step_law_batch", frame, data)
    batch.quantities = against(posterior, "li2025", names=("batch", "r", "batch_1400B"))
    yield batch


def surface_case() -> list[Outcome]:
    frame = read("steplaw_dense").query("diverged == 0")
    best = frame.groupby(["params", "tokens"]).loss.transform("min")
    frame = frame[frame.loss < 1.02 * best].assign(
        learning_rate=lambda t: t.lr, batch_tokens=lambda t: 2048 * t.batch_size
    )
    frame = frame.sort_values(["params", "tokens", "lr", "batch_size"]).iloc[::3]
    columns = ["params", "tokens", "learning_rate", "batch_tokens", "loss"]
    posterior, found = fit(
        "lr_bs_surface", frame[columns], "steplaw_dense, within 2 % of the best of the cell, every 3rd"
    )
    found.quantities = against(
        posterior, "median_cell", names=("h_lr", "h_batch", "coupling", "lr", "p", "q", "batch", "r")
    )
    return [found]


def misfitting_case() -> Iterator[Outcome]:
    frame = read("misfitting").query("final == 1")
    best = frame.loc[frame.groupby(["params", "total_tokens"]).loss.idxmin()]
    choices = {
        "best learning rate, all parameters": best,
        "best learning rate, without embeddings": best.assign(params=best.params_nonembed),
        "learning rate 0.002 alone, all parameters": frame[
            np.isclose(frame.lr, 0.002) & (frame.replicate == 0)
        ],
    }
    for name, part in choices.items():
        posterior, found = fit(
            "chinchilla", part[["params", "tokens", "loss"]], f"misfitting, final losses, {name}"
        )
        found.quantities = [quantity(posterior, n) for n in ("E", "alpha", "beta", "a")]
        yield found


def marin_case() -> Iterator[Outcome]:
    frame = read("marin_isoflop")
    grid, optimal = frame[frame.kind == "isoflop"], frame[frame.kind == "optimal"]
    hidden = optimal[optimal.compute > 2.5e19].sort_values(["family", "compute"])
    labels = [f"{f}, {c:.1e} FLOP" for f, c in zip(hidden.family, hidden.compute, strict=True)]
    for name, structure in (("isoflop_parabola", None), ("chinchilla", None), ("chinchilla", bs.Structure())):
        columns = ["family", "params", "tokens", "compute", "loss"]
        posterior, found = fit(name, grid[columns], "marin_isoflop, the grid", structure=structure)
        found.quantities = [quantity(posterior, "a", f) for f in posterior.families]
        title = f"Runs at the predicted optimum, {name}, {found.structure}"
        table = forecasts(posterior, hidden, hidden.loss, labels, title=title, families=list(hidden.family))
        found.tables = [counted(table)]
        yield found


CASES: dict[str, Case] = {
    "chinchilla": chinchilla_case,
    "isoflop_parabola": isoflop_case,
    "gadre_overtraining": gadre_case,
    "routed_moe": routing_case,
    "step_law": step_case,
    "parscale": parscale_case,
    "coupled_chinchilla": coupled_case,
    "kaplan_nd": kaplan_case,
    "farseer": farseer_case,
    "lr_annealing": curve_fits.lr_annealing_case,
    "multi_power": curve_fits.multi_power_case,
    "data_constrained": data_constrained_case,
    "vocab_loss": vocab_case,
    "gemstones": shapes.gemstones_case,
    "gemstones_shapes": shapes.shapes_case,
    "gemstones_shapes_default": shapes.shapes_default_case,
    "family_transfer": shapes.siblings_case,
    "misfitting": misfitting_case,
    "marin": marin_case,
    "lr_bs_surface": surface_case,
}
