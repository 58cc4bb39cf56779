"""The Gemstones: Chinchilla on their subsets, shapes as families, and a new shape's curve from the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from cases import LONGER, Outcome, Table, against, fit, quantity, read
from tables import gemstones

import bayes_scaling as bs
from bayes_scaling.laws.pretraining import chinchilla

#: Subset of the Gemstones: ln E, ln A, alpha, ln B, beta of the authors' approach 3.
GEMSTONES = {
    "constant, to 100B tokens": (0.7663, 5.457, 0.2989, 14.972, 0.6928),
    "constant, from 100B tokens": (0.6655, 4.876, 0.2576, 12.698, 0.5909),
    "cooldown": (0.7459, 5.363, 0.2970, 14.972, 0.6904),
    "half the learning rate": (0.7967, 5.875, 0.3278, 14.909, 0.6777),
}

#: Exponent of the optimal size in compute by the authors' approach 1; the first is of all constant runs.
APPROACH_1 = {
    "constant, to 100B tokens": 0.499,
    "constant, from 100B tokens": 0.458,
    "cooldown": 0.597,
    "half the learning rate": 0.513,
}


BINS = 20


def approach_1(frame: pd.DataFrame) -> list[str]:
    """Exponent of size in compute along the lowest losses: the best of each bin of compute, and the front."""
    edges = np.geomspace(frame.compute.min(), frame.compute.max() * 1.0001, BINS + 1)
    binned = frame.loc[frame.groupby(np.digitize(frame.compute, edges)).loss.idxmin()]
    front = frame.sort_values("compute")
    front = front[front.loss <= front.loss.cummin()]
    slopes = [np.polyfit(np.log(part.compute), np.log(part.params), 1)[0] for part in (binned, front)]
    return [f"{slopes[0]:.3f} ({len(binned)} points)", f"{slopes[1]:.3f} ({len(front)} points)"]


def approach_1_table() -> Table:
    frame = read("gemstones_loss")
    constant = frame[frame.schedule == "constant"]
    parts = {
        "constant, all": constant,
        "constant, from 100B tokens": constant[constant.tokens > 0.99e11],
        "cooldown": frame[frame.schedule == "cooldown"],
        "half the learning rate": frame[frame.schedule == "constant_lower_lr"],
    }
    rows = [
        [name, *approach_1(part), f"{published:.3f}"]
        for (name, part), published in zip(parts.items(), APPROACH_1.values(), strict=True)
    ]
    columns = ["subset", f"best of {BINS} bins of compute", "front of all checkpoints", "published"]
    return Table("Approach 1 on this file, exponent of the optimal size in compute", columns, rows)


def gemstones_case() -> Iterator[Outcome]:
    for name, frame in gemstones().items():
        posterior, found = fit(
            "chinchilla",
            frame[["run", "params", "tokens", "loss"]],
            f"gemstones_loss, {name}",
            settings=LONGER,
        )
        ln_e, ln_a, alpha, ln_b, beta = GEMSTONES[name]
        values = chinchilla.at_reference(
            E=np.exp(ln_e), A=np.exp(ln_a), alpha=alpha, B=np.exp(ln_b), beta=beta
        )
        found.quantities = against(
            posterior, values, names=("E", "A", "alpha", "B", "beta"), source="arXiv:2502.06857, approach 3"
        )
        whole = ", all constant runs" if name.endswith("to 100B tokens") else ""
        for value, source in ((APPROACH_1[name], f"1{whole}"), (beta / (alpha + beta), "3")):
            found.quantities.append(
                quantity(posterior, "a", "", value, f"arXiv:2502.06857, approach {source}")
            )
        if name == list(APPROACH_1)[-1]:
            found.tables.append(approach_1_table())
        yield found


def shapes_fit(structure: bs.Structure | None) -> list[Outcome]:
    frame = gemstones()["cooldown"]
    frame = frame.assign(family=frame["shape"]).groupby("run").nth(slice(None, None, 3))
    posterior, found = fit(
        "chinchilla",
        frame[["family", "run", "params", "tokens", "loss"]],
        "gemstones_loss, cooldown, shapes as families",
        structure=structure,
        settings=LONGER,
    )
    found.quantities = [quantity(posterior, f"{n}_population") for n in ("E", "A", "alpha", "B", "beta")]
    return [found]


def shapes_case() -> list[Outcome]:
    return shapes_fit(None)


def shapes_default_case() -> list[Outcome]:
    return shapes_fit(bs.Structure())


#: Tokens from which the end of a curve is forecast.
TOLD = 3.4e11
#: Rows that are fitted, and rows that are forecast with the last known loss beside each.
Split = tuple[pd.DataFrame, pd.DataFrame]


def curves_of_shapes() -> pd.DataFrame:
    """Five checkpoints of each shape at constant learning rate, from 20B tokens to 350B."""
    frame = read("gemstones_loss").query("schedule == 'constant'").sort_values(["run", "tokens"])
    return frame[(frame.tokens / 1e10).round().isin([2, 5, 10, 20, 35])]


def siblings() -> Split:
    """Each width a family: the end of the deepest model of each width of which the shallowest is known."""
    frame = curves_of_shapes().assign(family=lambda t: "width " + t.width.astype(str))
    groups = frame.groupby("family")
    shallow = frame.depth == groups.depth.transform("min")
    known = frame[shallow]
    hidden = frame[(frame.depth == groups.depth.transform("max")) & ~shallow & (frame.tokens > TOLD)]
    last = known.sort_values("tokens").groupby("family").loss.last()
    return known, hidden.assign(last=hidden.family.map(last))


def judge(split: Split, what: str, data: str) -> Outcome:
    """The law, with the default discrepancy, beside the last known loss."""
    law, (known, hidden) = bs.law("family_transfer"), split
    rows = known[["family", "run", "params", "tokens", "loss"]]
    posterior, found = fit(law, rows, f"gemstones_loss, {data}", structure=bs.Structure(), settings=LONGER)
    names = [p.name if p.pool == "shared" else f"{p.name}_population" for p in law.parameters]
    found.quantities = [quantity(posterior, n) for n in names]
    cast = bs.forecast(
        posterior, hidden[["params", "tokens"]], family=list(hidden.family), target="new_run",
        allow_failed=True,
    )  # fmt: skip
    low, middle, high = np.quantile(cast.draws, (0.05, 0.5, 0.95), axis=0)
    truth, last = hidden.loss.to_numpy(), hidden["last"].to_numpy()
    ours, theirs = np.abs(middle / truth - 1), np.abs(last / truth - 1)
    inside, nearer = int(((low <= truth) & (truth <= high)).sum()), int((ours < theirs).sum())
    count = len(truth)
    columns = ["", "mean relative error", "largest", "nearer than the last loss", "inside the 90 % band"]
    lines = [
        [law.title, *spread(ours), f"{nearer} of {count}", f"{inside} of {count}"],
        ["last loss", *spread(theirs), "", ""],
    ]
    found.tables = [Table(what, columns, lines)]
    return found


def spread(errors: np.ndarray) -> tuple[str, str]:
    return f"{100 * errors.mean():.2f} %", f"{100 * errors.max():.2f} %"


def siblings_case() -> list[Outcome]:
    what = "Loss at 350B tokens of the deepest model of a width, of which only the shallowest is known"
    return [judge(siblings(), what, "widths as families, the shallowest model of each")]
