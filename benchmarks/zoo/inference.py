"""Chapter 3, repeated sampling, discoveries and reinforcement learning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from cases import Case, Outcome, Table, against, counted, fit, forecasts, number, quantity, read
from problems import Mixture, extrapolated

import bayes_scaling as bs
from bayes_scaling.laws.inference.coverage_exp_power import pass_at_k

#: Samples of each problem that the fit may see, and those to which coverage is extrapolated.
SEEN, TARGETS = 100, (1_000, 10_000)
#: Few well-spaced k: coverages of the same samples are almost one observation.
SPACED = (1, 10, 100)

#: Cumulative discoveries after 0, 200, ..., 7000 GPU-hours (read off the figure of arXiv:2507.18074).
FOUND = (
    0, 0, 0, 1, 1, 3, 5, 6, 9, 11, 16, 20, 23, 27, 34, 35, 40, 45, 53, 58, 62, 64, 65, 69, 71, 74, 77, 83,
    88, 91, 94, 97, 98, 99, 102, 106,
)  # fmt: skip

#: Parameters (1e9) -> slope and intercept (log10) of the lines of test error, arXiv:2509.25300, read off its
#: figures to 0.0005 and 0.02: base and instruct models in compute, base models in samples.
SIZES = (0.5, 1.5, 3, 7, 14, 32)
LINES = {
    "base": (
        (0.0042, 0.056), (0.0123, 0.193), (0.0222, 0.345), (0.0434, 0.678), (0.0677, 1.098), (0.0977, 1.627),
    ),
    "instruct": (
        (0.0027, 0.024), (0.0071, 0.086), (0.0137, 0.172), (0.0282, 0.369), (0.0472, 0.670), (0.0762, 1.166),
    ),
    "samples": (
        (0.0051, 0.004), (0.0133, 0.026), (0.0241, 0.039), (0.0477, 0.066), (0.0739, 0.120), (0.1063, 0.182),
    ),
}  # fmt: skip
#: The same of 72e9 parameters: the level is from that size's own runs, the slope the authors' extrapolation.
LARGEST = {"base": (0.1221, 2.103), "instruct": (0.1026, 1.696), "samples": (0.1326, 0.245)}
READING, SLOPE_READING = 0.02 * np.log(10), 0.0005
PUBLISHED_K = {"base": (0.150, 17.1e9), "instruct": (0.146, 29.1e9), "samples": (0.162, 16.8e9)}


def first_samples(seed: int = 0) -> pd.DataFrame:
    """Successes of each problem among `SEEN` of its samples, drawn from all of them without replacement."""
    frame, rng = read("language_monkeys").sort_values(["params", "problem"]), np.random.default_rng(seed)
    early = rng.hypergeometric(frame.n_correct, frame.n_samples - frame.n_correct, SEEN)
    return frame.assign(early=early)


def true_coverage(part: pd.DataFrame, k: int) -> float:
    """Unbiased coverage at k from all samples."""
    n, s = part.n_samples.astype(int), part.n_correct.astype(int)
    return float(np.mean([1.0 if k > b - a else _pass(b, a, k) for a, b in zip(s, n, strict=True)]))


def _pass(n: int, s: int, k: int) -> float:
    return -float(np.expm1(np.log1p(-min(k, n) / (n - np.arange(s))).sum())) if s else 0.0


def monkeys_case() -> Iterator[Outcome]:
    """Coverage at 10 000 samples from 100 of each problem: from curves, and from the counts of problems."""
    frame = first_samples()
    truth = {
        run: {k: true_coverage(part, k) for k in TARGETS} for run, part in frame.groupby("run", sort=False)
    }
    rows = []
    for run, part in frame.groupby("run", sort=False):
        for k in SPACED:
            solved = sum(pass_at_k(SEEN, int(s), k) for s in part.early)
            rows.append({"family": run, "k": k, "n_samples": len(part), "n_correct": round(solved)})
    models = list(truth)
    for name in ("pass_at_k_mixture", "coverage_exp_power"):
        posterior, found = fit(
            name,
            pd.DataFrame(rows),
            f"language_monkeys, coverage of the first {SEEN} samples at k = 1, 10, 100",
        )
        keys = {"coverage_exp_power": "b", "pass_at_k_mixture": "alpha"}
        found.quantities = [
            quantity(
                posterior,
                keys[name],
                run,
                bs.law("coverage_exp_power").published[_key(run)].values["b"],
                "b, arXiv:2502.17578, all samples",
            )
            for run in models
        ]
        plans = pd.DataFrame({"k": [k for _ in models for k in TARGETS]})
        labels = [f"{run}, k = {k}" for run in models for k in TARGETS]
        later, families = zip(*[(truth[r][k], r) for r in models for k in TARGETS], strict=True)
        title = f"MATH, coverage by {name}"
        table = forecasts(
            posterior, plans, later, labels, title=title, families=list(families), target="measurement"
        )
        found.tables = [counted(table)]
        yield found


def _key(run: str) -> str:
    return run.lower().replace(" ", "_").replace(".", "_")


def problems_case() -> list[Outcome]:
    """The mixture fitted to counts of problems: beta-binomial over problems, by quadrature."""
    outcomes, lines = [], []
    for run, part in first_samples().groupby("run", sort=False):
        mixture = Mixture.of(part.early.to_numpy(), SEEN)
        found = mixture.outcome(f"language_monkeys, {run}, counts of {SEEN} samples by problem")
        published = bs.law("coverage_exp_power").published[_key(str(run))].values["b"]
        found.quantities[0] = replace(
            found.quantities[0],
            family=str(run),
            published=published,
            source="b, arXiv:2502.17578, all samples",
        )
        for k in TARGETS:
            low, middle, high = np.quantile(extrapolated(mixture, k), (0.05, 0.5, 0.95))
            value = true_coverage(part, k)
            inside = "yes" if low <= value <= high else "no"
            lines.append(
                [
                    run,
                    "MATH",
                    k,
                    number(true_coverage(part, SEEN)),
                    number(value),
                    number(middle),
                    f"[{number(low)}, {number(high)}]",
                    inside,
                ]
            )
        outcomes.append(found)
    inside = sum(line[-1] == "yes" for line in lines)
    columns = ["model", "task", "k", f"coverage at {SEEN}", "measured", "median", "90 % band", "inside"]
    title = (
        f"Coverage from {SEEN} samples of each problem, beta-binomial over problems: "
        f"{inside} of {len(lines)} inside their 90 % bands"
    )
    outcomes[-1].tables = [Table(title, columns, lines)]
    return outcomes


def discovery_case() -> Iterator[Outcome]:
    hours = 200.0 * np.arange(1, len(FOUND))
    frame = pd.DataFrame({"hours": hours, "interval": 200.0, "n_found": np.diff(FOUND)})
    for variant, names in ((1, ("r", "per_1000_hours")), (2, ("r", "lag", "in_7000_hours"))):
        law = bs.law("discovery_poisson_linear", variant)
        posterior, found = fit(law, frame, "figure of arXiv:2507.18074, 35 intervals between its 36 counts")
        if variant == 1:
            found.quantities = against(posterior, "figure", names=names)
            found.quantities += against(posterior, "abstract", names=names[:1])
            least = "slope of least squares on the cumulative counts"
            found.quantities.append(quantity(posterior, "per_1000_hours", "", 17.3, least))
        else:
            found.quantities = [quantity(posterior, n) for n in names]
        density = draws_log_likelihood(posterior)
        expected = np.logaddexp.reduce(density, axis=0) - np.log(len(density)) - density.var(axis=0)
        columns = ["expected log density of the counts (WAIC)"]
        found.tables = [Table(f"Variant {variant}", columns, [[f"{expected.sum():.1f}"]])]
        yield found


def draws_log_likelihood(posterior: bs.Posterior) -> np.ndarray:
    values = next(iter(posterior.tree["log_likelihood"].data_vars.values())).values
    return values.reshape(-1, values.shape[-1])


def line(k: float, e: float, x: float) -> float:
    """Test error on a digitised line."""
    return 10 ** (e - k * np.log10(x))


def rl_case() -> Iterator[Outcome]:
    """Two points of every digitised line; the reading error enters as the number of trials that has it."""
    for along, kinds, ends, variants in (
        ("compute", ("base", "instruct"), (1e18, 1e20), (1, 3)),
        ("samples", ("samples",), (1e3, 5e4), (2, 4)),
    ):
        rows = []
        for kind in kinds:
            for size, own in zip(SIZES, LINES[kind], strict=True):
                for x in ends:
                    error = line(*own, x)
                    trials = max(2, round((1 - error) / error / READING**2))
                    point = {"family": kind, "params": size * 1e9, along: x, "n_samples": trials}
                    if error < 0.999:
                        rows.append({**point, "n_correct": round((1 - error) * trials)})
        table = pd.DataFrame(rows)
        for variant in variants:
            yield _rl_fit(table, along, kinds, ends, variant)


def _rl_fit(
    table: pd.DataFrame, along: str, kinds: tuple[str, ...], ends: tuple[float, float], variant: int
) -> Outcome:
    law = bs.law("rl_posttrain_loglinear", variant)
    intercept = "intercepts linear in the log of the size" if variant < 3 else "intercepts saturating"
    points = f"{ends[0]:.0e} and {ends[1]:.0e}"
    posterior, found = fit(
        law, table, f"figures of arXiv:2509.25300, digitised lines of six sizes at {points}; {intercept}"
    )
    for kind in kinds:
        family = kind if len(kinds) > 1 else ""
        own = {"samples": "base"}.get(kind, kind)
        source = f"arXiv:2509.25300, digitised, {kind}"
        values = dict(law.published[own].values) | dict(zip(("k_max", "N0"), PUBLISHED_K[kind], strict=True))
        found.quantities += [quantity(posterior, n, family, v, source) for n, v in values.items()]
        if variant == 3:
            (k, e), (k_large, e_large) = LINES[kind][-1], LARGEST[kind]
            where = 10 ** ((e_large - e) / (k_large - k))
            lines = "crossing of the digitised lines of 32e9 and 72e9"
            found.quantities.append(quantity(posterior, "overtakes_72B", family, where, lines))
    plans = pd.DataFrame([{"params": 72e9, along: x} for _ in kinds for x in ends])
    labels = [f"72e9, {kind}, {x:.0e}" for kind in kinds for x in ends]
    truth = [1 - line(*LARGEST[kind], x) for kind in kinds for x in ends]
    families = [kind for kind in kinds for _ in ends]
    title = f"Pass rate of 72e9 parameters from six smaller sizes, variant {variant}"
    forecast = forecasts(posterior, plans, truth, labels, title=title, families=families, target="mean")
    found.tables = [counted(forecast)]
    return found


def rl_slope_case() -> Iterator[Outcome]:
    """The slope of the lines in the size alone, with its reading error: Hill's curve of exponent one."""
    for kind, (k_max, n0) in PUBLISHED_K.items():
        sizes = np.array(SIZES)
        frame = pd.DataFrame({"x": sizes, "y": [k for k, _ in LINES[kind]], "standard_error": SLOPE_READING})
        posterior, found = fit(
            "saturating_hill",
            frame,
            f"figures of arXiv:2509.25300, digitised slopes k(N) of six sizes, {kind}",
            priors={"steepness": (0.9, 1.1)},
        )
        centre = np.exp(np.log(sizes).mean())
        stretch = frame.y.std(ddof=0)
        for name, factor, value in (("rise", stretch, k_max), ("middle", centre, n0 / 1e9)):
            q = quantity(posterior, name)
            found.quantities.append(
                replace(
                    q,
                    name={"rise": "k_max", "middle": "N0, 1e9"}[name],
                    median=q.median * factor,
                    low=q.low * factor,
                    high=q.high * factor,
                    published=value,
                    source="arXiv:2509.25300, digitised",
                )
            )
        yield found


CASES: dict[str, Case] = {
    "monkeys_problems": problems_case,
    "monkeys_curves": monkeys_case,
    "discovery": discovery_case,
    "rl_posttrain": rl_case,
    "rl_slope": rl_slope_case,
}
