"""The false-alarm rate of monitored runs against what was set, and forecasts of their end against the truth.

Simulated: runs from the predictive distribution of a fitted Chinchilla law, and the same shifted. Real: the
curves of Luo et al. 2025 (arXiv:2503.12811), three model sizes; the law is fitted to their three fit
schedules and watches the other six.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling import decide
from bayes_scaling.law import mean
from bayes_scaling.storage import load, save

PEAK, LOW, WARM, BREAK = 3e-4, 3e-5, 2160, 20_000
#: Points of the curves before this step still feel the warm-up.
FIRST = 2_300
FRACTIONS = (0.1, 0.25, 0.5, 0.75)


def rates(name: str, pieces: int = 24) -> np.ndarray:
    """Learning rate at every step of a schedule of the study, as a few constant pieces."""
    kind, *rest = name.split("_")
    steps = 16_000 if kind == "wsdcon" else int(rest[-1])
    at = np.arange(1, steps + 1)
    late = np.clip((at - BREAK) / max(steps - BREAK, 1), 0, 1)
    rate = {
        "constant": np.full(steps, PEAK),
        "cosine": LOW + (PEAK - LOW) * (1 + np.cos(np.pi * np.clip((at - WARM) / (steps - WARM), 0, 1))) / 2,
        "wsd": PEAK * (LOW / PEAK) ** late,
        "wsdld": PEAK + (LOW - PEAK) * late,
        "wsdcon": np.where(at > 8_000, float(rest[0]) * 1e-5, PEAK),
    }[kind]
    rate = np.where(at <= WARM, PEAK * at / WARM, rate)
    cuts = [np.linspace(0, WARM, 7)]
    if kind in ("cosine", "wsd", "wsdld"):
        cuts.append(np.linspace(WARM if kind == "cosine" else BREAK, steps, pieces + 1))
    for edges in cuts:
        ends = edges.round().astype(int)
        for a, b in itertools.pairwise(ends):
            rate[a:b] = rate[a:b].mean()
    return rate


def thinned(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Evenly spaced rows, first and last among them."""
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))]


def fitted(path: Path, make) -> bs.Posterior:
    """A posterior from the folder of finished ones, else made and put there."""
    if not path.exists():
        began = time.perf_counter()
        posterior = make()
        save(posterior, path)
        print(
            f"{path.name}: fitted in {time.perf_counter() - began:.0f} s, {posterior.diagnostics}", flush=True
        )
    return load(path)


# ------------------------------------------------------------------------------------------- simulated runs


def study(seed: int = 0) -> pd.DataFrame:
    """Eight runs of one family on Besiroglu's coefficients with eight dependent checkpoints each."""
    rng, law = np.random.default_rng(seed), bs.law("chinchilla")
    truth = dict(law.published["besiroglu2024"].values)
    rows = []
    for j, params in enumerate(np.geomspace(1e8, 4e9, 8)):
        end = 20 * params * np.exp(rng.normal())
        at = np.geomspace(end / 10, end, 8)
        noise = 0.004 * rng.standard_normal() + 0.002 * walk(len(at), 0.8, rng)
        loss = np.asarray(mean(law, {"params": params, "tokens": at}, truth)) * np.exp(noise)
        rows.append(pd.DataFrame({"run": f"r{j}", "params": params, "tokens": at, "loss": loss}))
    return pd.concat(rows)


def walk(count: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """AR(1) with unit variance."""
    out = rng.standard_normal(count)
    for k in range(1, count):
        out[k] = correlation * out[k - 1] + np.sqrt(1 - correlation**2) * out[k]
    return out


def simulated(folder: Path, runs: int) -> dict:
    """False alarms over whole runs that the model drew, and power against shifts from 30 % of the run on."""
    from bayes_scaling.decide._luck import luck_at, paths, seen
    from bayes_scaling.decide.monitor import against_plan, alarms, carriers
    from bayes_scaling.predict import predict

    posterior = fitted(
        folder / "simulated.nc",
        lambda: bs.fit(
            "chinchilla", bs.read_runs(study()), structure=None, settings=bs.Settings(chains=2, draws=2500)
        ),
    )
    plan = {"params": 7e9, "tokens": 1.4e11}
    end, rng = plan["tokens"], np.random.default_rng(11)
    drawn = carriers(decide.watch(posterior, plan, allow_failed=True), posterior)
    out: dict = {"runs": runs, "level": 0.05, "cases": []}
    # places at random, others in every run: the level must hold wherever a run is looked at
    for shift in (0.0, 0.02, 0.04, 0.06):
        hits = {"both": 0, "above": 0, "below": 0}
        delays = []
        many = runs if shift == 0 else runs // 4
        for r in range(many):
            at = np.sort(rng.uniform(0.02, 1.0, rng.integers(10, 60))) * end
            some = np.random.default_rng(1_000 + r)
            inputs = {"params": np.full(len(at), plan["params"]), "tokens": at}
            eta = predict(drawn, inputs, ["all"] * len(at), some).eta
            luck = luck_at(drawn, eta, np.zeros(len(at)), 0.1)
            y = np.exp(paths(luck, at, eta, seen(luck, None, 0), 0.0, some)[some.integers(len(eta))])
            y = np.where(at > 0.3 * end, y * (1 + shift), y)
            watched = decide.watch(posterior, plan, start=0.0, seed=r, allow_failed=True)
            points = decide.read_run(watched, pd.DataFrame({"tokens": at, "loss": y}))
            beside = against_plan(watched, points)
            for side in ("both", "above", "below"):
                _, found = alarms(replace(watched, side=side), points, beside)
                hits[side] += bool(found)
                late = [a.fraction for a in found if a.kind == "above plan"]
                delays += [late[0] - 0.3] if late and shift and side == "both" else []
        low, middle, high = np.quantile(beside.simulated[:, -1], [0.05, 0.5, 0.95])
        half = (high - low) / 2 / middle
        case = {
            "shift": shift,
            "runs": many,
            "half_band": half,
            "share": {k: v / many for k, v in hits.items()},
        }
        case["median_delay"] = float(np.median(delays)) if delays else None
        out["cases"].append(case)
        print(case, flush=True)
    return out


# ------------------------------------------------------------------------------------------------ real runs


def real(folder: Path, law: str, points: int, structure: bool, refit: bool) -> dict:
    """Alarms on held-out curves, and the forecast of their ends along the way."""
    table = pd.read_csv(Path(os.environ["BAYES_SCALING_DATA"]) / "multipowerlaw_curves.csv")
    table = table[table["step"] > FIRST]
    rows, alarms = [], []
    for family in ("25M", "100M", "400M"):
        own = table[table["family"] == family]
        seen_runs = own[own["split"] == "fit"]
        thin = pd.concat([thinned(one, 24) for _, one in seen_runs.groupby("run")])
        runs = bs.read_runs(
            thin[["family", "run", "schedule", "step", "loss"]],
            schedules={name: rates(name) for name in thin["schedule"].unique()},
        )
        kind = bs.Structure() if structure else None
        settings = bs.Settings(chains=2, draws=500, most_draws=1500)
        posterior = fitted(
            folder / f"{law}_{'structure' if structure else 'none'}_{family}.nc",
            lambda runs=runs, kind=kind, settings=settings: bs.fit(
                law, runs, structure=kind, settings=settings
            ),
        )
        for name, curve in own[own["split"] == "target"].groupby("schedule"):
            curve = thinned(curve, points)[["step", "loss"]]
            end = float(curve["step"].iloc[-1])
            plan = {"step": end, "schedule": rates(str(name))}
            watched = decide.watch(posterior, plan, start=FIRST, allow_failed=True)
            whole = decide.monitor(watched, curve, refit=False)
            alarms.append(
                {
                    "family": family,
                    "schedule": name,
                    "alarms": [f"{a.kind} {a.fraction:.2f}" for a in whole.alarms],
                }
            )
            truth = float(curve["loss"].iloc[-1])
            for fraction in (0.0, *FRACTIONS):
                part = curve[curve["step"] <= fraction * end]
                found = decide.monitor(watched, part if len(part) else None, refit=refit)
                low, middle, high = found.quantile([0.05, 0.5, 0.95])
                rows.append(
                    {
                        "family": family, "schedule": name, "fraction": fraction, "in": low <= truth <= high,
                        "width": high - low, "error": abs(middle - truth), "bias": middle - truth,
                        "reliable": found.reliable, "refitted": bool(found.refitted),
                    }
                )  # fmt: skip
            print(alarms[-1], rows[-len(FRACTIONS) - 1 :], flush=True)
    scores = pd.DataFrame(rows).groupby("fraction")[["in", "width", "error", "reliable", "refitted"]].mean()
    mended = widened(pd.DataFrame(rows))
    print(f"widened by what the other sizes need:\n{mended.round(4).to_string()}", flush=True)
    false = float(np.mean([bool(one["alarms"]) for one in alarms]))
    print(scores.round(4).to_string(), f"\ncurves with an alarm: {false:.2f} of {len(alarms)}", flush=True)
    answer = {"law": law, "alarm_share": false, "curves": len(alarms), "alarms": alarms, "rows": rows}
    tables = {"scores": scores, "widened": mended}
    return answer | {name: one.reset_index().to_dict("records") for name, one in tables.items()}


def widened(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage and width of each family's forecasts, widened by what those of the other families need."""
    parts = []
    for (_, family), own in rows.groupby(["fraction", "family"]):
        others = rows[(rows["fraction"] == own["fraction"].iloc[0]) & (rows["family"] != family)]
        ratios = np.sort(2 * others["error"] / others["width"])
        factor = max(1.0, ratios[int(np.ceil(0.9 * (len(ratios) + 1))) - 1])
        width = own["width"] * factor
        parts.append(own.assign(width=width, factor=factor, **{"in": 2 * own["error"] <= width}))
    return pd.concat(parts).groupby("fraction")[["in", "width", "factor"]].mean()


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("simulated", "real"))
    parser.add_argument("--resume", type=Path, default=Path("monitor-fits"), help="folder of finished fits")
    parser.add_argument("--runs", type=int, default=400, help="simulated runs that go to plan")
    parser.add_argument("--law", default="multi_power")
    parser.add_argument("--points", type=int, default=40, help="points of each real curve that are seen")
    parser.add_argument("--structure", action="store_true", help="with the structural discrepancy")
    parser.add_argument("--refit", action="store_true", help="fit again where the weights degenerate")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.resume.mkdir(parents=True, exist_ok=True)
    if asked.part == "simulated":
        answer = simulated(asked.resume, asked.runs)
    else:
        answer = real(asked.resume, asked.law, asked.points, asked.structure, asked.refit)
    if asked.json:
        asked.json.write_text(json.dumps(answer, indent=1, default=float), encoding="utf-8")


if __name__ == "__main__":
    main()
