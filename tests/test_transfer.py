"""Borrowed priors: files, refusals, what one run makes of them, and the alarm when they do not fit."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from importlib import import_module
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _arguments
from bayes_scaling.borrowed import conflict as conflicts
from bayes_scaling.borrowed.conflict import TRUST, borrow, mixed
from bayes_scaling.borrowed.file import as_json, from_json, read_prior, save_prior
from bayes_scaling.borrowed.model import anchored, noise_terms, placed, structure_of, tokenizer, with_prior
from bayes_scaling.borrowed.record import ANY, STRUCTURE, Prior, PriorError, noise_only, normal_summary
from bayes_scaling.cli import app
from bayes_scaling.covariates import regress
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.law import Z90
from bayes_scaling.layout import prepare
from bayes_scaling.model import SPREAD_SD, expected
from bayes_scaling.plot.prior import prior_draws
from bayes_scaling.posterior import Posterior, lean
from bayes_scaling.priors import as_prior, prior, priors
from bayes_scaling.storage import save
from bayes_scaling.structure import Structure
from tests._simulate import TRUTH, chinchilla_table, design

#: The module: the package exports the function under the same name.
transfer = import_module("bayes_scaling.transfer")
LAW = bs.law("chinchilla")
FEW = bs.Settings(chains=2, warmup=200, draws=250, most_draws=250)
PLAN = {"params": 7e10, "tokens": 1.4e12}
#: How good the data of a family are; it decides its floor, up to a little chance.
QUALITY = dict(zip("abcdef", (-1.5, -0.9, -0.3, 0.3, 0.9, 1.5), strict=True))
CHANCE = dict(zip("abcdef", (0.01, -0.02, 0.02, -0.01, 0.015, -0.015), strict=True))


def values(quality: float, chance: float = 0.0) -> dict[str, float]:
    return {**TRUTH, "E": TRUTH["E"] * np.exp(-0.06 * quality + chance)}


def truth(own: dict[str, float]) -> float:
    return float(np.exp(LAW.predictor(*PLAN.values(), **own)))


def measured(family: str, own: dict[str, float], rows: int = 9) -> pd.DataFrame:
    rng = np.random.default_rng(ord(family[0]))
    n = np.geomspace(6e7, 6e9, 9)
    d = np.geomspace(2e9, 1e11, 9) * np.array([1, 3, 0.5, 2, 0.4, 1, 2.5, 0.6, 1])
    loss = np.array([float(np.exp(LAW.predictor(a, b, **own))) for a, b in zip(n, d, strict=True)])
    loss = loss * np.exp(0.003 * rng.standard_normal(9))
    return pd.DataFrame({"family": family, "params": n, "tokens": d, "loss": loss}).head(rows)


def passed(posterior: Posterior) -> Posterior:
    """Whether it converged is not what is tested here."""
    return replace(posterior, diagnostics=replace(posterior.diagnostics, problems=()))


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """Six families that differ in their floor."""
    table = pd.concat([measured(f, values(q, CHANCE[f])) for f, q in QUALITY.items()])
    return passed(bs.fit(LAW, table, structure=None, settings=FEW))


@pytest.fixture(scope="module")
def learnt(posterior) -> Prior:
    return transfer.transfer(posterior, title="six families")


@pytest.fixture(scope="module")
def one_run(learnt):
    """A seventh family with one run, with the borrowed prior and with the law's own."""
    runs = measured("x", values(0.5), rows=1)
    found = bs.fit(LAW, runs, prior=learnt, structure=None, settings=FEW)
    return found, bs.fit(LAW, runs, structure=None, settings=FEW), found.conflict


@pytest.fixture(scope="module")
def simple() -> Prior:
    """A prior of a centred law; draws of the law's own prior, so nothing is sampled."""
    x = np.geomspace(1e18, 1e21, 9)
    table = pd.DataFrame({"compute": x, "y": 2 + 3 * (x / 1e18) ** -0.2})
    runs = bs.read_runs(pd.concat([table.assign(family="a"), table.assign(family="b", y=table.y * 1.1)]))
    prepared = prepare(bs.law("power_law_offset"), runs, inputs={"x": "compute"})
    return transfer.transfer(passed(lean(prepared, prior_draws(prepared, 300), FEW)))


def new_runs(rows: int = 1, **columns: Any) -> bs.Runs:
    return bs.read_runs(measured("x", values(0.0), rows).assign(**columns))


def centred(column: str = "compute", scale: float = 1.0) -> Any:
    table = pd.DataFrame({column: scale * np.geomspace(1e17, 1e19, 4), "y": [5.0, 4.6, 4.2, 4.0]})
    return prepare(bs.law("power_law_offset"), bs.read_runs(table), inputs={"x": column})


# --- what is learnt ----------------------------------------------------------------------------------------


def test_summary_of_normal_draws_is_that_normal() -> None:
    rng = np.random.default_rng(0)
    correlation = np.array([[1, 0.8, 0], [0.8, 1, -0.4], [0, -0.4, 1]])
    scale = np.array([0.1, 2.0, 1.0])
    draws = rng.multivariate_normal([1, -2, 0], correlation * np.outer(scale, scale), 20_000)
    location, width, found = normal_summary(draws)
    np.testing.assert_allclose(location, [1, -2, 0], atol=0.05)
    np.testing.assert_allclose(width, scale, rtol=0.03)
    np.testing.assert_allclose(found, correlation, atol=0.02)


def test_a_new_family_is_wider_than_the_population_and_covers_the_families(posterior, learnt) -> None:
    term = learnt.term("E")
    centre = np.log(posterior.tree["posterior"]["E_population"].values)
    assert term.scale > 1.2 * centre.std()
    assert term.scale > term.spread > 0
    low, high = term.interval
    assert all(low < values(q, CHANCE[f])["E"] < high for f, q in QUALITY.items())
    assert high / low < 0.6 * np.divide(*LAW.parameter("E").interval[::-1]), "narrower than the law's own"


@pytest.mark.parametrize(
    ("name", "structure", "terms"),
    [("lr_annealing", None, 6), ("coverage_exp_power", None, 1), ("chinchilla", Structure(rank=4), 4)],
)
def test_what_has_learnt_nothing_hands_on_the_prior(name, structure, terms) -> None:
    """Every kind of term: shared and pooled parameters, checkpoints, counts, the discrepancy's scale."""
    prepared = prepare(bs.law(name), design(name).runs, structure=structure)
    data, parameters = prepared.data, prepared.law.parameters
    found = transfer.transfer(passed(lean(prepared, prior_draws(prepared, 4000), FEW)))
    # the spread is log-normal: its mean square is that of exp(2 SPREAD_SD normal)
    between = np.where(np.isin(np.arange(len(parameters)), prepared.shape.pooled), data.spread, 0.0)
    scale = np.sqrt(data.scale**2 + between**2 * np.exp(2 * SPREAD_SD**2))
    for k, p in enumerate(parameters):
        term = found.term(p.name)
        assert term.location == pytest.approx(data.location[k], abs=0.1 * scale[k])
        assert term.scale == pytest.approx(scale[k], rel=0.15)
        assert (term.spread == 0) == (between[k] == 0)
        assert term.spread == pytest.approx(between[k], rel=0.1)
    noise = [found.term(label) for label in noise_terms(prepared.shape.noise)[:terms]]
    location, width = data.noise.T
    np.testing.assert_allclose([t.location for t in noise], location, atol=0.1 * width.max())
    np.testing.assert_allclose([t.scale for t in noise], width, rtol=0.1)
    assert (found.term(STRUCTURE) is None) == (structure is None)
    if structure:
        assert found.term(STRUCTURE).location == pytest.approx(data.structure[0], abs=0.1)
        assert found.term(STRUCTURE).scale == pytest.approx(data.structure[1], rel=0.1)


def test_it_says_where_it_comes_from(learnt) -> None:
    assert learnt.law == "chinchilla"
    assert learnt.units == {"params": "parameter", "tokens": "token", "loss": "nat/token"}
    assert learnt.provenance["families"] == dict.fromkeys("abcdef", 9)
    assert learnt.provenance["ranges"]["params"] == pytest.approx([6e7, 6e9])
    assert learnt.title == "six families"
    assert learnt.anchor is None


def test_failed_diagnostics_make_no_prior(posterior) -> None:
    failed = replace(posterior, diagnostics=replace(posterior.diagnostics, problems=("the chains disagree",)))
    with pytest.raises(DiagnosticsRefused, match=r"(?s)makes no prior.*the chains disagree.*allow_failed"):
        transfer.transfer(failed)
    assert transfer.transfer(failed, allow_failed=True).law == "chinchilla"


# --- one run -----------------------------------------------------------------------------------------------


def test_one_run_with_the_borrowed_prior_beats_one_run_alone(one_run) -> None:
    borrowed, alone, _ = (*(bs.forecast(p, PLAN, target="mean", allow_failed=True) for p in one_run[:2]), 0)
    expected = truth(values(0.5))
    widths = [np.ptp(f.interval(), axis=0).item() for f in (borrowed, alone)]
    assert widths[0] < 0.5 * widths[1]
    low, high = borrowed.interval().ravel()
    assert low < expected < high
    crps = [
        np.abs(f.draws - expected).mean() - np.abs(f.draws - np.roll(f.draws, 101, axis=0)).mean() / 2
        for f in (borrowed, alone)
    ]
    assert crps[0] < 0.5 * crps[1]


def test_agreement_is_told_and_keeps_the_prior(one_run, learnt) -> None:
    conflict = one_run[2]
    assert not conflict.conflicting
    assert conflict.p_value > 0.05
    assert conflict.weight > TRUST
    assert conflict.error < 0.5
    assert conflict.runs == 1
    assert all(1 < np.divide(*conflict.widened[t.name][::-1]) < 2 for t in learnt.parameters), (
        "a little wider"
    )
    assert "agrees with 1 measurement of" in str(conflict)
    assert "bytes_per_token" in str(conflict), "that the tokenizer was not checked"


@pytest.mark.parametrize("rows", [1, 3])
def test_a_family_far_off_raises_the_alarm(learnt, rows) -> None:
    far = prepare(LAW, bs.read_runs(measured("x", {**TRUTH, "E": 3.6}, rows)))
    changed, conflict = borrow(far, learnt)
    assert conflict.conflicting
    assert conflict.p_value < 0.01
    assert conflict.weight < 0.05
    before, after = conflict.widened["E"]
    assert after > 3 * before
    assert f"conflicts with {rows} measurement" in str(conflict)
    np.testing.assert_allclose(changed.data.scale, far.data.scale, rtol=0.05)
    np.testing.assert_allclose(changed.data.location, far.data.location, atol=0.1)


def test_runs_that_no_prior_expects_are_told_apart(learnt) -> None:
    odd = prepare(LAW, bs.read_runs(measured("x", TRUTH, 1).assign(loss=15.0)))
    assert "own prior does not expect these runs either" in str(borrow(odd, learnt)[1])


def test_p_values_are_uniform_under_the_prior_itself(learnt) -> None:
    prepared = with_prior(prepare(LAW, new_runs(3)), learnt)
    replicated = conflicts._predictive(prepared, np.arange(3), 4000, 0).replicated
    p = np.sort([conflicts._p_value(replicated, y) for y in replicated[:400]])
    assert np.abs(p - (np.arange(400) + 0.5) / 400).max() < 1.63 / 20, "Kolmogorov-Smirnov at 1 %"


def test_predictive_density_is_that_of_the_replicates(learnt) -> None:
    prepared = with_prior(prepare(LAW, new_runs(1)), learnt)
    found = conflicts._predictive(prepared, np.arange(1), 20_000, 0)
    y, h = float(prepared.data.response[0]), 0.02
    counted = (np.abs(found.replicated[:, 0] - y) < h).mean() / (2 * h)
    assert conflicts._log_mean(found.log_density)[0] == pytest.approx(np.log(counted), abs=0.1)


@pytest.mark.parametrize("weight", [0.02, 0.3, 0.97])
def test_mixture_has_the_intervals_of_its_draws(learnt, weight) -> None:
    prepared, rng, size = prepare(LAW, new_runs(1)), np.random.default_rng(0), 200_000
    found = mixed(learnt, prepared, weight)
    data = prepared.data
    ours = rng.multivariate_normal([t.location for t in learnt.terms], learnt.covariance, size)
    centre = np.concatenate([data.location, data.noise[:, 0]])
    theirs = centre + np.concatenate([data.scale, data.noise[:, 1]]) * rng.standard_normal(ours.shape)
    draws = np.where(rng.random((size, 1)) < weight, ours, theirs)
    location, scale = (np.array([getattr(t, name) for t in found.terms]) for name in ("location", "scale"))
    for prob, z in ((0.05, -Z90), (0.95, Z90)):
        np.testing.assert_allclose(location + z * scale, np.quantile(draws, prob, axis=0), atol=0.03)
    np.testing.assert_allclose(found.correlation, weight * np.array(learnt.correlation), atol=1 - weight)
    assert np.linalg.eigvalsh(found.correlation)[0] > 0


def test_a_small_vague_part_hardly_widens(learnt) -> None:
    found = mixed(learnt, prepare(LAW, new_runs(1)), 0.97)
    wider = [after.scale / before.scale for before, after in zip(learnt.terms, found.terms, strict=True)]
    assert min(wider) > 0.99
    assert max(wider) < 1.25


def test_several_new_families_get_the_spread_apart_from_the_population(learnt) -> None:
    two = bs.read_runs(pd.concat([measured("x", TRUTH, 2), measured("y", TRUTH, 2)]))
    one, several = (with_prior(prepare(LAW, r), learnt).data for r in (new_runs(1), two))
    term = learnt.term("E")
    assert one.scale[0] == term.scale
    assert several.spread[0] == term.spread
    assert several.scale[0] ** 2 + several.spread[0] ** 2 == pytest.approx(term.scale**2)


def test_the_judges_are_spread_over_scales_and_end_their_runs() -> None:
    step = np.tile([1e9, 2e9, 4e9], 6)
    table = pd.DataFrame(
        {"run": np.repeat(list("abcdef"), 3), "params": np.repeat(np.geomspace(1e8, 1e10, 6), 3)}
    )
    prepared = prepare(LAW, bs.read_runs(table.assign(tokens=step, loss=3.0)))
    rows = conflicts._first(prepared)
    assert len(rows) == 3
    np.testing.assert_allclose(prepared.measured.inputs["tokens"][rows], 4e9)
    assert prepared.measured.inputs["params"][rows[[0, 2]]] == pytest.approx([1e8, 1e10])


def test_trust_is_a_probability(learnt) -> None:
    with pytest.raises(PriorError, match="trust is 1; expected a weight between 0 and 1"):
        borrow(prepare(LAW, new_runs(1)), learnt, trust=1.0)


# --- what belongs together ---------------------------------------------------------------------------------


def test_an_anchored_prior_means_the_same_curve_on_another_table(simple) -> None:
    prepared = centred()
    moved = anchored(prepared, simple.anchor)
    theta = np.array([[0.6, 0.5, 0.2]])
    with jax.enable_x64(True):
        found = np.asarray(expected(moved.shape, moved.data, theta))[:4]
    x = prepared.measured.inputs["x"] / simple.anchor.centres["x"]
    np.testing.assert_allclose(found, simple.anchor.shift + np.log(0.6 + 0.5 * x**-0.2), rtol=1e-10)
    assert with_prior(prepared, simple).centres == simple.anchor.centres
    relative = replace(simple, anchor=None)
    assert with_prior(prepared, relative).centres == prepared.centres


def edited(learnt: Prior, which: str, **changes: Any) -> Prior:
    return replace(learnt, terms=tuple(replace(t, **changes) if t.name == which else t for t in learnt.terms))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda p: replace(p, law="kaplan_nd"),
            "of law 'kaplan_nd', but the law to fit is 'chinchilla'",
        ),
        (
            lambda p: edited(p, "beta", name="b"),
            "parameters E, A, alpha, B, b, but law 'chinchilla'",
        ),
        (lambda p: edited(p, "E", support="real"), "E is real in the prior but positive in law 'chinchilla'"),
        (lambda p: edited(p, "noise.tail", name="noise.tial"), "'noise.tial' .*did you mean 'noise.tail'"),
        (
            lambda p: replace(p, units={**p.units, "loss": "bit/byte"}),
            "loss is in bit/byte in the prior but",
        ),
        (
            lambda p: replace(p, units={"loss": "nat/token"}),
            "gives units of loss; expected params",
        ),
    ],
)
def test_a_prior_of_something_else_is_refused(learnt, change, message) -> None:
    with pytest.raises(PriorError, match=message):
        borrow(prepare(LAW, new_runs(1)), change(learnt))


def test_anchor_and_units_of_a_centred_law_are_checked(simple, learnt) -> None:
    with pytest.raises(PriorError, match="x is in FLOP in the prior but in token in"):
        with_prior(centred("tokens", 1e-9), simple)
    assert with_prior(centred("tokens", 1e-9), replace(simple, anchor=None)), "relative: any quantity will do"
    with pytest.raises(PriorError, match="law 'chinchilla' is not centred on the data"):
        with_prior(prepare(LAW, new_runs(1)), replace(learnt, anchor=simple.anchor))


def test_a_discrepancy_of_another_kind_is_refused(learnt) -> None:
    one = learnt.terms[-1]
    terms = (*learnt.terms[:-1], replace(one, name=STRUCTURE, location=-5.0, scale=0.3))
    smooth = replace(learnt, terms=terms, structure={"length": 9.0, "level": 1.0})
    prepared = prepare(LAW, new_runs(2), structure=bs.Structure())
    with pytest.raises(PriorError, match=r"discrepancy of length=9, but the one to fit has length=2"):
        with_prior(prepared, smooth)
    same = replace(smooth, structure={"length": 2.0, "level": bs.Structure().level})
    np.testing.assert_array_equal(with_prior(prepared, same).data.structure, [-5.0, 0.3])


def test_noise_alone_serves_other_laws_of_the_same_response(learnt) -> None:
    noise = noise_only(learnt, "noise")
    assert noise.law == ANY
    assert noise.parameters == ()
    prepared = prepare(bs.law("kaplan_nd"), new_runs(2))
    changed = with_prior(prepared, noise).data
    np.testing.assert_array_equal(changed.location, prepared.data.location)
    np.testing.assert_array_equal(changed.noise[0], [noise.terms[0].location, noise.terms[0].scale])
    with pytest.raises(PriorError, match="loss is in nat/token in the prior but in no unit"):
        with_prior(centred(), noise)


# --- tokenizers --------------------------------------------------------------------------------------------


def test_one_tokenizer_keeps_bits_per_byte_and_bytes_of_text() -> None:
    runs = new_runs(3, bytes_per_token=[4.0, 3.0, 5.0], loss_se=0.01)
    same = transfer.common_tokenizer(runs, 4.5)
    size = runs.table["bytes_per_token"]
    np.testing.assert_allclose(same.table["loss"] / 4.5, runs.table["loss"] / size)
    np.testing.assert_allclose(same.table["loss_se"] / 4.5, runs.table["loss_se"] / size)
    np.testing.assert_allclose(same.table["tokens"] * 4.5, runs.table["tokens"] * size)
    np.testing.assert_array_equal(same.table["params"], runs.table["params"])
    assert tokenizer(same) == 4.5
    assert tokenizer(transfer.common_tokenizer(runs)) == pytest.approx(60 ** (1 / 3))
    assert "4.5 bytes per token" in same.warnings[-1]
    with pytest.raises(PriorError, match=r"runs from 3 to 5: .*common_tokenizer"):
        tokenizer(runs)


def test_tokenizers_that_differ_are_refused(learnt) -> None:
    theirs = replace(learnt, bytes_per_token=4.5)
    with pytest.raises(PriorError, match=r"4.5 bytes per token, these runs have 3.*common_tokenizer"):
        borrow(prepare(LAW, new_runs(1, bytes_per_token=3.0)), theirs)
    same = transfer.common_tokenizer(new_runs(1, bytes_per_token=3.0), 4.5)
    assert borrow(prepare(LAW, same), theirs)[1].notes == ()
    with pytest.raises(PriorError, match="has no column bytes_per_token"):
        transfer.common_tokenizer(new_runs(1))
    with pytest.raises(PriorError, match="bytes_per_token is missing in 1 of 2 rows"):
        transfer.common_tokenizer(new_runs(2, bytes_per_token=[4.0, np.nan]))


# --- covariates --------------------------------------------------------------------------------------------


def test_covariates_sharpen_the_prior_of_a_new_family(posterior, learnt) -> None:
    known = pd.DataFrame({"quality": QUALITY})
    before = known.copy()
    found = {q: transfer.regress_families(posterior, known, {"quality": q}).term("E") for q in (-1.2, 1.2)}
    pd.testing.assert_frame_equal(known, before)
    for q, term in found.items():
        assert abs(term.location - np.log(values(q)["E"])) < 2 * term.scale
        assert term.scale < learnt.term("E").scale
    slope = (found[1.2].location - found[-1.2].location) / 2.4
    assert slope == pytest.approx(-0.06, abs=0.02)


def test_regression_takes_the_pull_of_the_population_out() -> None:
    """Families with noisy runs are pulled together by the hierarchy; the slope must not be."""
    rng = np.random.default_rng(0)
    x = np.linspace(-1.5, 1.5, 30)
    theta, error, spread = 1.0 + 0.5 * x, 0.4, 0.5
    seen = theta + error * rng.standard_normal(30)
    keep = spread**2 / (spread**2 + error**2)
    own = keep * seen + (1 - keep) * seen.mean() + error * np.sqrt(keep) * rng.standard_normal((4000, 30))
    centre = seen.mean() + 0.01 * rng.standard_normal(4000)
    design = np.column_stack([np.ones(30), x])
    ends = [
        regress(own, centre, np.full(4000, spread), design, np.array([1.0, at]), (0.0, 3.0, 0.3), 0.8)
        for at in (-1.0, 1.0)
    ]
    slope = (ends[1][0] - ends[0][0]) / 2
    direct, pulled = np.polyfit(x, seen, 1)[0], np.polyfit(x, own.mean(axis=0), 1)[0]
    assert slope == pytest.approx(direct, abs=0.03)
    assert slope > 1.3 * pulled


@pytest.mark.parametrize(
    ("covariates", "at", "message"),
    [
        ({f: {"q": q} for f, q in list(QUALITY.items())[:5]}, {"q": 0}, r"no covariates of \['f'\]"),
        ({f: {"q": 1.0} for f in QUALITY}, {"q": 0}, "'q' must be finite and differ"),
        ({f: {"q": q} for f, q in QUALITY.items()}, {"p": 0}, r"has \['p'\]; expected covariates \['q'\]"),
        ({f: {"q": q} for f, q in QUALITY.items()}, {"q": "good"}, "'q' of the new family is 'good'"),
        ({f: {"r": f} for f in QUALITY}, {"r": "a"}, "6 families for 5 covariates .*expected at least 8"),
        ({f: {"r": "web" if f < "c" else "code"} for f in QUALITY}, {"r": "webb"}, "did you mean 'web'"),
        ({f: {"r": "web"} for f in QUALITY}, {"r": "web"}, "'r' is 'web' for every family"),
    ],
)
def test_covariates_that_cannot_be_regressed_on(posterior, covariates, at, message) -> None:
    with pytest.raises(PriorError, match=message):
        transfer.regress_families(posterior, covariates, at)


# --- the file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["learnt", "simple"])
def test_a_file_says_all_of_it(name, request, tmp_path) -> None:
    original = request.getfixturevalue(name)
    path = save_prior(original, tmp_path / "prior.json")
    assert read_prior(path) == original
    assert as_prior(str(path)) == as_prior(original) == original
    text = path.read_text()
    assert json.loads(text)["terms"][0]["interval_90"] == list(original.terms[0].interval)
    assert max(map(len, text.splitlines())) < 400, "a term, or a row of the correlation, on a line"


def broken(learnt: Prior, *path: Any, value: Any) -> str:
    record = json.loads(as_json(learnt))
    at = record
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(record)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "a recipe", "no bayes_scaling prior: expected an object with 'format'"),
        (("format_version",), 2, "format_version is 2; this version of the package reads 1"),
        (("laww",), "x", r"too much \['laww'\]; 'laww': did you mean 'law'"),
        (("law",), 7, "law is '7'; expected text"),
        (("terms",), [], "at least one term"),
        (("terms", 0), [], "term 1 must be an object with name, support"),
        (("terms", 1, "name"), "E", "terms: E stand there twice"),
        (("terms", 0, "support"), "postive", "E: unknown support 'postive'; did you mean 'positive'"),
        (("terms", 0, "scale"), -0.1, "E: scale is -0.1; expected between"),
        (("terms", 0, "scale"), 0, "E: scale is 0; expected between"),
        (("terms", 0, "scale"), float("nan"), "E: scale is 'the number NaN'; expected a finite number"),
        (("terms", 0, "scale"), True, "E: scale is 'True'; expected a finite number"),
        (("terms", 0, "scale"), 10**400, "E: scale is '1000.*; expected a finite number"),
        (("terms", 0, "location"), 1e4, "E: location is 10000; expected at most 200"),
        (("terms", 0, "location"), 3.0, "E: location and scale mean .*if you edited one of them"),
        (("terms", 0, "spread"), 9.0, "E: spread is 9; expected between 0 and the scale"),
        (("terms", 0, "interval_90"), [1.0], "E: interval_90 must be two numbers"),
        (("terms", 0, "interval_90", 1), 99.0, "E: location and scale mean .*interval_90 says 99"),
        (("terms", 5, "name"), STRUCTURE, "'structure' does not say of which discrepancy"),
        (("correlation",), [[1.0]], "correlation must be 9 rows of 9 numbers"),
        (("correlation", 0, 1), 0.9, "must be symmetric with ones"),
        (("correlation", 0, 0), 2.0, "must be symmetric with ones"),
        (("correlation", 0, 1), "much", "correlation of E is 'much'"),
        (("units",), {}, "units must say the unit of every input"),
        (("provenance",), "a friend", "provenance must be an object"),
        (("bytes_per_token",), -4.0, "bytes_per_token is '-4.0'; expected a positive finite number"),
        (("anchor",), {"centres": {}}, r"anchor lacks \['shift', 'stretch'\]"),
        (("structure",), {"hurst": None}, "structure: hurst is 'None'"),
    ],
)
def test_edited_nonsense_is_refused(learnt, path, value, message, tmp_path) -> None:
    file = tmp_path / "edited.json"
    file.write_text(broken(learnt, *path, value=value))
    with pytest.raises(PriorError, match=rf"edited.json': .*{message}"):
        read_prior(file)


def test_correlations_that_no_draws_have_are_refused(learnt) -> None:
    record = json.loads(as_json(learnt))
    for i, j, r in ((0, 1, 0.9), (1, 2, 0.9), (0, 2, -0.9)):
        record["correlation"][i][j] = record["correlation"][j][i] = r
    with pytest.raises(PriorError, match="not positive definite"):
        from_json(json.dumps(record))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"[1]", b'{"law": 1}'])
def test_what_is_no_prior_is_refused(text) -> None:
    with pytest.raises(PriorError, match=r"not JSON|no bayes_scaling prior"):
        from_json(text)


def test_files_that_are_not_there(tmp_path, learnt) -> None:
    with pytest.raises(PriorError, match=r"cannot read the prior .*nothing\.json': No such file"):
        read_prior(tmp_path / "nothing.json")
    with pytest.raises(PriorError, match="cannot write the prior to"):
        save_prior(learnt, tmp_path / "no" / "prior.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_a_prior_without_a_version_is_refused(simple) -> None:
    record = json.loads(as_json(simple)) | {"package_version": ""}
    with pytest.raises(PriorError, match="package_version is empty"):
        from_json(json.dumps(record))


@given(data=st.data())
def test_no_edit_does_worse_than_a_refusal(simple, data) -> None:
    """Anything in the place of any value: refused with a reason, or a prior that can be used and kept."""
    record = json.loads(as_json(simple))
    at: Any = record
    while True:
        key = data.draw(st.sampled_from(sorted(at)) if isinstance(at, dict) else st.integers(0, len(at) - 1))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.integers(0, 3)) == 0:
            break
        at = at[key]
    at[key] = data.draw(_JSON)
    with contextlib.suppress(PriorError):  # anything else that is raised fails the test
        found = from_json(json.dumps(record))
        assert from_json(as_json(found)) == found
        assert np.isfinite(np.linalg.cholesky(found.covariance)).all()
        changed = with_prior(centred(), found).data
        assert (changed.scale > 0).all()
        assert np.isfinite(changed.location).all()


# --- packs, command line -----------------------------------------------------------------------------------


def test_an_unknown_pack_is_refused() -> None:
    with pytest.raises(PriorError, match="no prior pack 'chinchila'; did you mean 'chinchilla'"):
        prior("chinchila")


@pytest.mark.parametrize("name", priors())
def test_packs_are_whole(name) -> None:
    pack = prior(name)
    assert pack.title
    assert pack.provenance["sources"]
    assert pack.provenance["diagnostics"].startswith("passed")
    assert pack.version
    if pack.law != ANY:
        assert [t.name for t in pack.parameters] == [p.name for p in bs.law(pack.law).parameters]
    own = {p.name: p for p in bs.law(pack.law).parameters} if pack.law != ANY else {}
    if len(pack.provenance["families"]) > 1:  # of one family, how families differ is the law's own prior
        assert all(t.scale < own[t.name].scale for t in pack.parameters), "something was learnt"
    assert from_json(as_json(pack)) == pack


def test_packs_fit_the_tables_of_their_laws() -> None:
    prepared = prepare(LAW, new_runs(2), structure=bs.Structure())
    for name in ("chinchilla", "loss_noise"):
        changed = with_prior(prepared, prior(name)).data
        assert np.any(changed.noise != prepared.data.noise)
        assert np.any(changed.structure != prepared.data.structure)


@pytest.fixture(scope="module")
def run():
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def test_transfer_on_the_command_line(run, posterior, learnt, tmp_path) -> None:
    file, out = save(posterior, tmp_path / "six.nc"), tmp_path / "prior.json"
    done = run("transfer", file, "--out", out, "--title", "six families", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["law"] == "chinchilla"
    assert read_prior(out).terms == learnt.terms
    shown = run("priors", out)
    assert shown.exit_code == 0
    assert "E " in shown.stdout
    assert "six families" in shown.stdout


def test_what_the_command_line_refuses(run, posterior, tmp_path) -> None:
    failed = replace(posterior, diagnostics=replace(posterior.diagnostics, problems=("the chains disagree",)))
    file = save(failed, tmp_path / "failed.nc")
    refused = run("transfer", file, "--out", tmp_path / "prior.json")
    assert refused.exit_code == 3
    assert "the chains disagree" in refused.stderr
    assert not (tmp_path / "prior.json").exists()
    for arguments, message in (
        (("transfer", file, "--out", tmp_path / "no" / "prior.json"), "there is no folder"),
        (("transfer", file, "--law", "kaplan_nd", "--out", tmp_path / "p.json"), "not of 'kaplan_nd'"),
        (("priors", "nothing"), "there is no prior pack 'nothing'"),
        (("priors", tmp_path / "nothing.json"), "cannot read the prior"),
    ):
        bad = run(*arguments)
        assert bad.exit_code == 2, bad.output
        assert message in bad.stderr
        assert bad.stdout == ""


def test_packs_on_the_command_line(run) -> None:
    listed = json.loads(run("priors", "--json").stdout)
    assert [one["name"] for one in listed] == list(priors())
    assert all(name in run("priors").stdout for name in priors())


def test_priors_of_the_option(learnt, tmp_path) -> None:
    file = str(save_prior(learnt, tmp_path / "prior.json"))
    assert _arguments.borrowed(["E=1,2", file]) == (["E=1,2"], learnt)
    assert _arguments.borrowed(None) == ([], None)
    with pytest.raises(ValueError, match="at most one file or pack"):
        _arguments.borrowed([file, "chinchilla"])


def test_the_discrepancy_is_anchored_where_the_prior_was_learnt() -> None:
    """A distance from the few small runs of a new family would count as doubt that its kin have settled."""
    law, table = bs.law("chinchilla"), chinchilla_table()
    wide = prepare(law, bs.read_runs(table), structure=bs.Structure())
    about = structure_of(wide, anchored=True)
    at = {name: float(np.exp(np.log(table[name]).mean())) for name in ("params", "tokens")}
    assert about == pytest.approx({"length": 2.0, "level": 1.0} | {f"centre.{k}": v for k, v in at.items()})
    prior = Prior("chinchilla", (), (), {}, structure=about)
    found = placed(bs.Structure(), prior)
    assert found is not None
    assert found.centre == pytest.approx(at)
    small = prepare(law, new_runs(2), structure=found)
    assert small.marks is not None
    assert wide.marks is not None
    np.testing.assert_allclose(small.marks.centre, wide.marks.centre)
    assert placed(None, prior) is None
    assert placed(bs.Structure(), replace(prior, structure=structure_of(wide))) == bs.Structure()
    with pytest.raises(ValueError, match=r"anchored at .* law 'chinchilla' needs a positive"):
        prepare(law, new_runs(2), structure=bs.Structure(centre={"x": 1.0}))
