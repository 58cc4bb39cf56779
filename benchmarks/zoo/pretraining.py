"""Chapter 1, pretraining losses: the laws on the public studies from which they came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from cases import (
    SETTINGS,
    Case,
    Outcome,
    Table,
    against,
    coverage,
    draws_of,
    fit,
    forecasts,
    number,
    quantity,
    read,
)
from schedules import curves, thinned
from tables import datablations, gemstones, optima

import bayes_scaling as bs
from bayes_scaling.law import Law, loss, with_priors
from bayes_scaling.laws.pretraining import chinchilla, data_constrained, parscale

#: Corpora of Gadre et al. and the names under which the law keeps their published fits.
CORPORA = {"c4_original": "c4", "rpj": "redpajama", "rw_original": "refinedweb"}
#: Relative errors of the authors' fits: over-trained 1.4B, 6.9B (the first row is printed in the paper).
GADRE_ERRORS = {
    "rpj": ("0.71 %", "0.73 %"),
    "rw_original": ("0.01 %", "1.62 %"),
    "c4_original": ("1.50 %", "4.30 %"),
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
        found.tables = [replace_title(table)]
        yield found


def replace_title(table: Table) -> Table:
    return Table(f"{table.title}: {coverage(table)}", table.columns, table.rows)


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
        seeds = "spread of five seeds at 2.8B, log loss: median over the 7 configurations kept"
        found.quantities.append(quantity(posterior, "seed_sd", "", 0.00072, seeds))
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


def _curve_case(name: str, key: str, published: dict[str, str]) -> list[Outcome]:
    table, rates = curves()
    rows = thinned(table, 16)
    fitted = rows[rows.split == "fit"]
    runs = bs.read_runs(
        fitted[["family", "run", "step", "loss"]], schedules={r: rates[r] for r in set(fitted.run)}
    )
    posterior, found = fit(name, runs, "multipowerlaw_curves, the authors' 3 schedules, every 16th point")
    for family in posterior.families:
        found.quantities += against(posterior, key.format(family), family)
    lines = []
    for family in posterior.families:
        test = table[(table.family == family) & (table.split == "target")]
        test = test.groupby("run").nth(slice(4, None, 24)).reset_index(drop=True)
        plans = [{"step": float(s), "schedule": rates[r]} for s, r in zip(test.step, test.run, strict=True)]
        cast = bs.forecast(posterior, plans, family=family, target="new_run", allow_failed=True)
        low, middle, high = np.quantile(cast.draws, (0.05, 0.5, 0.95), axis=0)
        test = test.assign(error=np.abs(middle - test.loss), inside=(low <= test.loss) & (test.loss <= high))
        spread = test.groupby("run").loss.transform("mean")
        squares = pd.DataFrame({"run": test.run, "r": test.error**2, "t": (test.loss - spread) ** 2})
        sums = squares.groupby("run").sum()
        worst = (test.error / test.loss).max()
        lines.append(
            [family, len(test), number(test.groupby("run").error.mean().mean()),
             f"{(1 - sums.r / sums.t).mean():.4f}", f"{100 * worst:.2f} %",
             f"{100 * test.inside.mean():.0f} %", published[family]]
        )  # fmt: skip
    columns = ["size", "points", "MAE", "R2", "worst error", "inside the 90 % band", "published: MAE, worst"]
    found.tables = [Table("Six further schedules, forecast", columns, lines)]
    return [found]


def lr_annealing_case() -> list[Outcome]:
    published = {"25M": "0.0048, 0.54 %", "100M": "0.0047, 0.72 %", "400M": "0.0065, 0.82 %"}
    return _curve_case("lr_annealing", "mpl_{}", published)


def multi_power_case() -> list[Outcome]:
    published = {
        "25M": "0.00376, 0.41 % (R2 0.9988)",
        "100M": "0.00435, 0.58 % (R2 0.9983)",
        "400M": "0.00484, 1.0 % (R2 0.9978)",
    }
    return _curve_case("multi_power", "luo2025_{}", published)


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


#: Subset of the Gemstones: ln E, ln A, alpha, ln B, beta of the authors' approach 3.
GEMSTONES = {
    "constant, to 100B tokens": (0.7663, 5.457, 0.2989, 14.972, 0.6928),
    "constant, from 100B tokens": (0.6655, 4.876, 0.2576, 12.698, 0.5909),
    "cooldown": (0.7459, 5.363, 0.2970, 14.972, 0.6904),
    "half the learning rate": (0.7967, 5.875, 0.3278, 14.909, 0.6777),
}


def gemstones_case() -> Iterator[Outcome]:
    for name, frame in gemstones().items():
        posterior, found = fit(
            "chinchilla", frame[["run", "params", "tokens", "loss"]], f"gemstones_loss, {name}"
        )
        ln_e, ln_a, alpha, ln_b, beta = GEMSTONES[name]
        values = chinchilla.at_reference(
            E=np.exp(ln_e), A=np.exp(ln_a), alpha=alpha, B=np.exp(ln_b), beta=beta
        )
        found.quantities = against(
            posterior, values, names=("E", "A", "alpha", "B", "beta"), source="arXiv:2502.06857, approach 3"
        )
        yield found


def shapes_case() -> list[Outcome]:
    frame = gemstones()["cooldown"]
    frame = frame.assign(family=frame["shape"]).groupby("run").nth(slice(None, None, 3))
    posterior, found = fit(
        "chinchilla",
        frame[["family", "run", "params", "tokens", "loss"]],
        "gemstones_loss, cooldown, shapes as families",
    )
    found.quantities = [quantity(posterior, f"{n}_population") for n in ("E", "A", "alpha", "B", "beta")]
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
        found.tables = [replace_title(table)]
        yield found


CASES: dict[str, Case] = {
    "chinchilla": chinchilla_case,
    "gadre_overtraining": gadre_case,
    "routed_moe": routing_case,
    "step_law": step_case,
    "parscale": parscale_case,
    "coupled_chinchilla": coupled_case,
    "kaplan_nd": kaplan_case,
    "farseer": farseer_case,
    "lr_annealing": lr_annealing_case,
    "multi_power": multi_power_case,
    "data_constrained": data_constrained_case,
    "vocab_loss": vocab_case,
    "gemstones": gemstones_case,
    "gemstones_shapes": shapes_case,
    "misfitting": misfitting_case,
    "marin": marin_case,
    "lr_bs_surface": surface_case,
}
