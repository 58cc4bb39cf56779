"""Pictures: what is on the axes, in which units, how many marks there are, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

import bayes_scaling as bs
from bayes_scaling import datasets
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.plot import (
    PlotError,
    plot_forecast,
    plot_predictive_check,
    plot_prior_posterior,
    plot_prior_predictive,
)
from bayes_scaling.plot._path import POINTS, abscissa, path
from bayes_scaling.plot._style import brief, fixed, log_ticks, power_or_brief
from bayes_scaling.plot.checks import residuals
from bayes_scaling.plot.densities import density, panels
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.posterior import Posterior

PLAN = {"params": 70e9, "tokens": 1.4e12}
FEW = bs.Settings(chains=2, warmup=100, draws=100)


def simulated(rows: int = 12) -> pd.DataFrame:
    """Runs of one family that follow the published Chinchilla law, with 0.5 % of noise."""
    rng = np.random.default_rng(1)
    n, d = np.geomspace(5e7, 8e9, rows), np.geomspace(2e9, 1.6e11, rows) * rng.uniform(0.3, 3, rows)
    loss = 1.8172 + 482.01 * n**-0.3478 + 2085.43 * d**-0.3658
    return pd.DataFrame({"params": n, "tokens": d, "loss": loss * np.exp(0.005 * rng.standard_normal(rows))})


@pytest.fixture(scope="module")
def fitted() -> Posterior:
    """A real, short fit of one family."""
    return bs.fit("chinchilla", simulated(), settings=FEW)


@pytest.fixture(scope="module")
def refused(fitted) -> Posterior:
    """The same draws, with diagnostics that say no."""
    return replace(fitted, diagnostics=replace(fitted.diagnostics, problems=("the chains disagree",)))


@pytest.fixture(scope="module")
def pile() -> Posterior:
    """Six families with draws from the prior: pictures need a posterior, not a good one."""
    return from_prior(bs.law("chinchilla"), bs.read_runs(datasets.load("pile-families")), draws=200)


@pytest.fixture(scope="module")
def floor() -> Posterior:
    """A generic law of compute."""
    table = simulated().assign(compute=lambda t: 6 * t.params * t.tokens)
    runs = bs.read_runs(table)
    return from_prior(bs.law("power_law_offset"), runs, {"x": "compute"}, "loss", draws=200)


@pytest.fixture(scope="module")
def coverage() -> Posterior:
    """Counts of successes."""
    k = np.geomspace(1, 1000, 10)
    table = pd.DataFrame({"k": k, "n_samples": 500, "n_correct": np.round(500 * k / (k + 30))})
    return from_prior(bs.law("coverage_exp_power"), bs.read_runs(table), draws=200)


def text_of(figure) -> str:
    """All words of a figure."""
    words = [t.get_text() for ax in figure.axes for t in (*ax.texts, ax.title, ax._left_title)]
    words += [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    words += [figure._suptitle.get_text()] if figure._suptitle else []
    return "\n".join(words)


def bands(axes) -> list[PolyCollection]:
    return [c for c in axes.collections if isinstance(c, PolyCollection)]


def marks(axes) -> np.ndarray:
    """All points drawn as markers without a line, shape (n, 2)."""
    drawn = [line.get_xydata() for line in axes.lines if line.get_linestyle() == "None"]
    return np.concatenate(drawn)


# --- the forecast ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "x", "xlabel", "ylabel", "scales"),
    [
        ("fitted", None, "Training compute 6ND (FLOP)", "Loss (nat/token)", ("log", "log")),
        ("fitted", "params", "Total parameters", "Loss (nat/token)", ("log", "log")),
        ("pile", "compute", "Training compute 6ND (FLOP)", "Loss (nat/token)", ("log", "log")),
        ("floor", None, "Training compute (FLOP)", "Loss (nat/token)", ("log", "log")),
        ("floor", "compute", "Training compute (FLOP)", "Loss (nat/token)", ("log", "log")),
        ("coverage", None, "Samples per problem", "Success rate (n_correct of n_samples)", ("log", "linear")),
    ],
)
def test_axes_have_names_units_and_scales(which, x, xlabel, ylabel, scales, request) -> None:
    axes = plot_forecast(request.getfixturevalue(which), x=x).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (xlabel, ylabel)
    assert (axes.get_xscale(), axes.get_yscale()) == scales
    for axis in (axes.xaxis, axes.yaxis):
        inside = [v for v in axis.get_majorticklocs() if np.prod(np.array(axis.get_view_interval()) - v) <= 0]
        assert 2 <= len(inside) <= 10
        assert all(axis.get_major_formatter()(v) for v in inside)


def test_every_run_is_drawn_where_it_is(fitted, pile) -> None:
    for posterior in (fitted, pile):
        measured = posterior.prepared.measured
        drawn = marks(plot_forecast(posterior).axes[0])
        expected = np.stack([6 * measured.inputs["params"] * measured.inputs["tokens"], measured.response], 1)
        assert len(drawn) == len(measured.response)
        np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])


def test_counts_are_drawn_as_shares(coverage) -> None:
    drawn = marks(plot_forecast(coverage).axes[0])
    assert len(drawn) == 10
    assert (drawn[:, 1] <= 1).all()


def test_a_curve_with_two_bands_runs_from_the_data_to_the_plan(fitted) -> None:
    figure = plot_forecast(fitted, PLAN, allow_failed=True)
    axes = figure.axes[0]
    assert len(bands(axes)) == 2
    curve = max((line.get_xydata() for line in axes.lines), key=len)
    measured = fitted.prepared.measured
    assert len(curve) == POINTS
    assert curve[0, 0] == pytest.approx((6 * measured.inputs["params"] * measured.inputs["tokens"]).min())
    assert curve[-1, 0] == pytest.approx(6 * PLAN["params"] * PLAN["tokens"])
    assert (np.diff(curve[:, 1]) < 0).all()  # this law falls along such a path
    outer, inner = (np.ptp(c.get_paths()[0].vertices[:, 1]) for c in bands(axes))
    assert outer > inner


def test_planned_runs_show_their_quantiles_and_labels(fitted, refused) -> None:
    made = bs.forecast(fitted, PLAN, allow_failed=True)
    figure = plot_forecast(fitted, forecasts=made)
    axes = figure.axes[0]

    bars = [c.get_segments()[0] for c in axes.collections if hasattr(c, "get_segments")]
    q05, q25, q50, q75, q95 = made.quantile([0.05, 0.25, 0.5, 0.75, 0.95])[:, 0]
    ends = {tuple(bar[:, 1].round(9)) for bar in bars}
    assert ends == {(round(q05, 9), round(q95, 9)), (round(q25, 9), round(q75, 9))}
    points = [tuple(line.get_xydata()[0]) for line in axes.lines if len(line.get_xydata()) == 1]
    assert points == [pytest.approx((6 * 70e9 * 1.4e12, q50))]
    assert f"70B params, 1.4T tokens\n{fixed(q50)}  [{fixed(q05)}, {fixed(q95)}]" in text_of(figure)
    assert "largest run" in text_of(figure)
    assert "planned run" in text_of(figure)
    assert "diagnostics FAILED" in text_of(plot_forecast(refused))


def test_plans_at_one_place_are_set_apart_and_told_apart(pile) -> None:
    figure = plot_forecast(pile, [PLAN, PLAN], family=["new", "cerebras-gpt"], allow_failed=True)
    axes = figure.axes[0]
    at = [line for line in axes.lines if len(line.get_xydata()) == 1 and line.get_xdata()[0] > 1e23]
    x = np.array([line.get_xdata()[0] for line in at])
    assert 1.02 < x.max() / x.min() < 1.5
    assert np.sqrt(x.prod()) == pytest.approx(6 * 70e9 * 1.4e12)
    looks = {(line.get_markeredgecolor(), line.get_marker()) for line in at}
    assert len(looks) == 2
    assert len(bands(axes)) == 4
    words = text_of(figure)
    assert words.count("a new family") == 2  # legend and margin
    for family in pile.families:
        assert family in words
    notes = [t for t in axes.texts if "70B params" in t.get_text()]
    heights = [t.xyann[1] for t in notes]
    assert abs(heights[0] - heights[1]) > 0.1


def test_families_without_a_plan_are_grey_and_have_markers_of_their_own(pile) -> None:
    axes = plot_forecast(pile, PLAN, family="pythia", allow_failed=True).axes[0]
    runs = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xydata()) < 30]
    runs = {line.get_label(): line for line in runs if line.get_label() in pile.families}
    assert len({line.get_marker() for line in runs.values()}) == len(pile.families)
    for family, line in runs.items():
        red, green, blue = mpl.colors.to_rgb(line.get_markeredgecolor())
        assert (family == "pythia") or red == green == blue


def test_many_families_share_a_marker(pile) -> None:
    table = pd.concat([simulated(2).assign(family=f"f{k:02d}") for k in range(20)])
    crowd = from_prior(bs.law("chinchilla"), bs.read_runs(table), draws=50)
    figure = plot_forecast(crowd)
    assert "8 more families" in text_of(figure)
    assert len(marks(figure.axes[0])) == 40


def test_curves_of_chosen_families_without_a_plan(pile) -> None:
    axes = plot_forecast(pile, family=["pythia", "gpt-j"]).axes[0]
    assert len(bands(axes)) == 4


def test_an_average_is_drawn_as_its_mixture(pile) -> None:
    runs = bs.read_runs(datasets.load("pile-families"))
    rival = from_prior(bs.law("kaplan_nd"), runs, draws=200)
    whole = bs.Average((pile, rival), (3.0, 1.0))
    figure = plot_forecast(whole, PLAN, family="pythia", allow_failed=True)
    axes = figure.axes[0]
    assert "Average of 2 laws" in text_of(figure)
    assert "chinchilla 75 %, kaplan_nd 25 %" in text_of(figure)
    made = bs.forecast(whole, PLAN, family="pythia", allow_failed=True)
    drawn = [line for line in axes.lines if len(line.get_xydata()) == 1 and line.get_xdata()[0] > 1e23]
    assert drawn[0].get_ydata()[0] == pytest.approx(made.median[0])
    assert len(bands(axes)) == 2
    assert len(marks(axes)) == len(pile.prepared.measured.response) + 1
    with pytest.raises(PlotError, match=r"of law 'chinchilla', the posterior of 'chinchilla \+ kaplan_nd'"):
        plot_forecast(whole, forecasts=bs.forecast(pile, PLAN, allow_failed=True))


def test_laws_of_other_inputs_share_a_path(fitted, floor) -> None:
    along = abscissa(fitted.prepared, None)
    plan = {**PLAN, "x": 6 * PLAN["params"] * PLAN["tokens"]}
    plans = pd.DataFrame(path(fitted.prepared, along, "all", plan, [floor.prepared]))
    np.testing.assert_allclose(plans.x, 6 * plans.params * plans.tokens, rtol=1e-9)
    assert plans.iloc[-1].to_dict() == pytest.approx(plan)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_picture_is_written(fitted, suffix, tmp_path) -> None:
    file = tmp_path / f"forecast.{suffix}"
    plot_forecast(fitted, path=file)
    assert file.read_bytes()[:5] in (b"\x89PNG\r", b"%PDF-", b"<?xml")


def test_what_cannot_be_drawn_is_said(fitted, refused, pile, floor, tmp_path) -> None:
    made = bs.forecast(fitted, PLAN, allow_failed=True)
    with pytest.raises(PlotError, match="not both"):
        plot_forecast(fitted, PLAN, forecasts=made)
    with pytest.raises(PlotError, match="measurement, new_run"):
        plot_forecast(fitted, forecasts=[made, replace(made, target="measurement")])
    with pytest.raises(PlotError, match="of law 'chinchilla', the posterior of 'power_law_offset'"):
        plot_forecast(floor, forecasts=made)
    with pytest.raises(PlotError, match="did you mean 'params'"):
        plot_forecast(fitted, x="param")
    with pytest.raises(PlotError, match=r"expected one of .*\.png"):
        plot_forecast(fitted, path=tmp_path / "forecast.docx")
    with pytest.raises(PlotError, match="no folder"):
        plot_forecast(fitted, path=tmp_path / "nowhere" / "forecast.png")
    with pytest.raises(DiagnosticsRefused):
        plot_forecast(refused, PLAN)
    with pytest.raises(ValueError, match="did you mean 'pythia'"):
        plot_forecast(pile, PLAN, family="pythi", allow_failed=True)


def test_nothing_global_changes(fitted) -> None:
    before = dict(mpl.rcParams)
    plot_forecast(fitted)
    plot_prior_posterior(fitted)
    assert dict(mpl.rcParams) == before
    code = "import sys, bayes_scaling.plot; print([m for m in sys.modules if m.startswith('matplotlib')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- along which inputs ------------------------------------------------------------------------------------


def test_a_path_follows_the_data_and_ends_at_the_plan(pile) -> None:
    prepared = pile.prepared
    along = abscissa(prepared, None)
    plans = pd.DataFrame(path(prepared, along, "pythia", PLAN))
    u = np.log(6 * plans.params * plans.tokens)
    assert np.diff(u, 2) == pytest.approx(0, abs=1e-9)  # even steps in log compute
    assert plans.iloc[-1].to_dict() == pytest.approx(PLAN)
    data = plans[plans.params <= 1.185e10]
    np.testing.assert_allclose(data.tokens, 2.999e11, rtol=1e-6)  # every Pythia model saw as many tokens
    assert (np.diff(plans.params) > 0).all()


def test_a_plan_inside_the_data_leaves_the_trend_alone(pile) -> None:
    along = abscissa(pile.prepared, None)
    inside = {"params": 1e9, "tokens": 5e10}
    with_plan, without = (pd.DataFrame(path(pile.prepared, along, "pythia", p)) for p in (inside, None))
    pd.testing.assert_frame_equal(with_plan, without)


def test_one_run_is_joined_to_its_plan(pile) -> None:
    plans = path(pile.prepared, abscissa(pile.prepared, None), "gpt-j", PLAN)
    assert plans[0] == pytest.approx({"params": 6.053e9, "tokens": 4.02e11})
    assert plans[-1] == pytest.approx(PLAN)


def test_discrete_inputs_are_held() -> None:
    table = pd.concat([simulated(6).assign(bits_w=b, bits_a=16.0, bits_kv=16.0) for b in (4.0, 8.0)])
    posterior = from_prior(bs.law("precision_train"), bs.read_runs(table), draws=20)
    along = abscissa(posterior.prepared, None)
    plan = {**PLAN, "bits_w": 8.0, "bits_a": 16.0, "bits_kv": 16.0}
    assert {p["bits_w"] for p in path(posterior.prepared, along, "all", plan)} == {8.0}


def test_a_schedule_is_followed_up_to_each_step() -> None:
    rates = np.append(np.full(800, 3e-4), np.linspace(3e-4, 3e-5, 200))
    steps = np.arange(100, 1001, 100)
    table = pd.DataFrame({"run": "a", "step": steps, "loss": np.linspace(4, 3, len(steps))})
    runs = bs.read_runs(table, schedules={"a": rates})
    posterior = from_prior(bs.law("lr_annealing"), runs, draws=50)
    plans = path(posterior.prepared, abscissa(posterior.prepared, None), "all", None)
    assert all(len(plan["schedule"]) == plan["step"] for plan in plans)
    assert plans[-1]["step"] == 1000
    np.testing.assert_allclose(plans[-1]["schedule"], rates)
    figure = plot_forecast(posterior)
    assert figure.axes[0].get_xlabel() == "Optimiser steps done"
    assert len(bands(figure.axes[0])) == 2


# --- parameters --------------------------------------------------------------------------------------------


def test_every_parameter_has_a_panel(fitted, pile, tmp_path) -> None:
    file = tmp_path / "parameters.png"
    figure = plot_prior_posterior(fitted, path=file)
    assert file.stat().st_size > 10_000
    shown = [ax for ax in figure.axes if ax.get_visible()]
    titles = [ax.get_title(loc="left").split(" ")[0] for ax in shown]
    noise = ["seed_sd", "seed_slope", "misfit_sd", "degrees_of_freedom", "structure_scale"]
    assert titles == ["E", "A", "alpha", "B", "beta", *noise]
    assert shown[0].get_title(loc="left") == "E (nat/token)"
    assert [ax.get_xscale() for ax in shown] == ["log"] * 6 + ["linear"] + ["log"] * 3
    for ax in shown:
        assert len(ax.lines) == 2  # prior and posterior
        for line in ax.lines:
            assert line.get_ydata().max() == pytest.approx(1, abs=1e-6)
    names = [panel.name for panel in panels(pile)]
    assert names[:5] == ["E", "A", "alpha", "B", "beta"]
    assert names[5:10] == [f"{name}_spread" for name in names[:5]]
    assert len(plot_prior_posterior(pile).axes[0].lines) == 2 + len(pile.families)


def test_densities_lie_where_the_draws_are(fitted) -> None:
    axes = plot_prior_posterior(fitted).axes
    for panel, ax in zip(panels(fitted)[:5], axes, strict=False):
        prior, posterior = ax.lines
        low, high = np.quantile(panel.posterior, [0.1, 0.9])
        assert low < posterior.get_xdata()[np.argmax(posterior.get_ydata())] < high
        middle = np.exp(fitted.law.parameter(panel.name).location)
        assert prior.get_xdata()[np.argmax(prior.get_ydata())] == pytest.approx(middle, rel=0.02)
    assert "% of prior" in text_of(plot_prior_posterior(fitted))


def test_density_of_normal_draws() -> None:
    draws = np.random.default_rng(0).standard_normal(4000)
    grid = np.linspace(-3, 3, 121)
    estimate, normal = density(draws, grid), np.exp(-(grid**2) / 2)
    assert estimate.max() == 1
    np.testing.assert_allclose(estimate / estimate.sum(), normal / normal.sum(), atol=2e-3)


# --- the predictive check ----------------------------------------------------------------------------------


def test_residuals_are_what_the_model_leaves(fitted) -> None:
    fit, residual, replicated, pit = residuals(fitted)
    observed = fitted.prepared.measured.response
    np.testing.assert_allclose(np.log(observed), np.log(fit) + residual)
    np.testing.assert_allclose(np.median(replicated, axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(pit, (replicated < residual).mean(axis=0))
    assert np.abs(residual).max() < 0.05
    figure = plot_predictive_check(fitted)
    left, right = figure.axes
    assert left.get_ylabel() == "Residual of the log (%)"
    assert left.get_xlabel() == "Fitted loss (nat/token)"
    assert len(marks(left)) == 12
    assert len([c for c in left.collections if hasattr(c, "get_segments")]) == 2
    inside = int((np.abs(pit - 0.5) <= 0.45).sum())
    assert f"90 % bands hold {inside} of 12" in text_of(figure)
    assert sum(patch.get_data().values.sum() for patch in right.patches if hasattr(patch, "get_data")) == 24


def test_predictive_check_of_counts_and_of_many_rows(coverage) -> None:
    left, right = plot_predictive_check(coverage).axes
    assert left.get_ylabel() == "Residual on the link scale"
    assert np.isfinite(marks(left)).all()
    assert right.get_xlim() == (0, 1)
    many = from_prior(bs.law("chinchilla"), bs.read_runs(simulated(200)), draws=100)
    assert len(bands(plot_predictive_check(many).axes[0])) == 2


# --- the prior predictive ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "xlabel", "ylabel"),
    [
        ("chinchilla", "Training compute 6ND (FLOP)", "Loss (nat/token)"),
        ("lr_annealing", "Optimiser steps done", "Loss (nat/token)"),
        ("coverage_exp_power", "Samples per problem", "Success rate"),
        ("log_linear", "relative to the data's centre", "Y, relative to the data's centre"),
    ],
)
def test_prior_predictive_of_a_law(law, xlabel, ylabel) -> None:
    axes = plot_prior_predictive(law, draws=100).axes[0]
    assert axes.get_xlabel().endswith(xlabel)
    assert axes.get_ylabel() == ylabel
    assert len(bands(axes)) == 2
    assert np.isfinite(axes.get_ylim()).all()


@pytest.mark.parametrize(
    ("law", "ylabel"),
    [
        ("discovery_poisson_linear", "Expected number found"),
        ("error_vs_loss_exp:2", "Share wrong"),
        ("bit_level_total_bits", "FID"),
        ("henighan:3", "Parameters"),
    ],
)
def test_prior_predictive_says_what_is_counted(law, ylabel) -> None:
    assert plot_prior_predictive(law, draws=50).axes[0].get_ylabel() == ylabel


def test_prior_predictive_says_where_other_inputs_are_held() -> None:
    axes = plot_prior_predictive("kaplan_trajectory", draws=200).axes[0]
    assert axes.get_xlabel() == "Non-embedding parameters\nat steps = 31.6k, batch = 949k"
    axes = plot_prior_predictive("sloth:2", draws=200).axes[0]
    assert axes.get_xlabel().endswith("benchmark = 1"), "a choice is held at a whole number"
    assert len(plot_prior_predictive("chinchilla", draws=50).axes[0].get_xlabel().splitlines()) == 1


@pytest.mark.parametrize("law", ["chinchilla", "kinetics_cost", "adv_log_law"])
def test_prior_predictive_shows_the_bands_whole_and_names_them(law) -> None:
    figure = plot_prior_predictive(law, draws=300)
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    for band in bands(axes):
        heights = band.get_paths()[0].vertices[:, 1]
        assert low < heights.min() < heights.max() < high
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:3] == ["median", "50 % band", "90 % band"]


def test_prior_predictive_has_an_even_axis_for_dates() -> None:
    assert plot_prior_predictive("densing_time", draws=50).axes[0].get_xscale() == "linear"
    assert plot_prior_predictive("chinchilla", draws=50).axes[0].get_xscale() == "log"


def test_prior_predictive_over_runs(tmp_path) -> None:
    file = tmp_path / "prior.png"
    axes = plot_prior_predictive("chinchilla", simulated(), draws=200, path=file).axes[0]
    assert file.stat().st_size > 10_000
    assert len(marks(axes)) == 12
    low, high = axes.get_ylim()
    assert low < simulated().loss.min() < simulated().loss.max() < high


# --- numbers and ticks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (70e9, "70B"),
        (1.4e12, "1.4T"),
        (111e6, "111M"),
        (999.9999e6, "1B"),
        (2999e8, "300B"),
        (1e15, "1e15"),
        (3e23, "3e23"),
        (5.88e23, "5.88e23"),
        (0.0012, "0.0012"),
        (1e-7, "1e-7"),
        (64, "64"),
        (1234, "1.23k"),
        (0, "0"),
    ],
)
def test_brief_numbers(value, words) -> None:
    assert brief(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(1.4, "1.40"), (0.012, "0.0120"), (100.0, "100"), (70e9, "70B"), (-1.5, "-1.50")]
)
def test_fixed_numbers(value, words) -> None:
    assert fixed(value) == words


def test_tick_labels() -> None:
    assert power_or_brief(2.5) == "2.5"
    assert power_or_brief(1e10) == "10B"
    assert power_or_brief(1e23) == "$10^{23}$"
    assert power_or_brief(3e-6) == r"$3\times10^{-6}$"
    assert power_or_brief(0.0) == ""


@pytest.mark.parametrize(
    ("low", "high"), [(1.4, 2.7), (1e18, 1e24), (0.05, 0.9), (1, 1e12), (98, 102), (3, 40)]
)
@pytest.mark.parametrize("count", [4, 7])
def test_ticks_are_few_and_inside(low, high, count) -> None:
    ticks = log_ticks(low, high, count)
    assert 2 <= len(ticks) <= count
    assert all(low <= v <= high for v in ticks)
    assert (np.diff(ticks) > 0).all()
