# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # Learning-rate schedules and a run in flight
#
# Loss depends on how the learning rate got to where it is: while the rate is high the loss stalls, when it
# falls the loss drops. A law that knows the schedule forecasts a run under a schedule that was never tried,
# and tells a run that is going wrong from one whose rate simply has not come down yet.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=1000)

# %% [markdown]
# ## Two runs, two schedules
#
# `lr_annealing` (Tissue, Wang, Wang 2024, [arXiv:2408.11029](https://arxiv.org/abs/2408.11029)) has two
# terms: the sum of the rates so far, and the falls of the rate, each of which pays off over some thousand
# steps. The runs are simulated from coefficients that were computed from published curves of a model of 100
# million parameters; a run has a luck of its own, and its checkpoints wobble together.

# %%
import numpy as np
import pandas as pd

law = bs.law("lr_annealing")
truth = law.published["mpl_100M"].values
rng = np.random.default_rng(2)
steps, peak, low = 16_000, 3e-4, 3e-5


def stairs(rates):
    """The same schedule in 16 flat pieces, as a law needs no more."""
    return np.repeat([piece.mean() for piece in np.array_split(rates, 16)], len(rates) // 16)


wave = (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
schedules = {
    "cosine": stairs(low + (peak - low) * wave),
    "constant": np.full(steps, peak),
    "decay last 20 %": np.where(np.arange(steps) < 0.8 * steps, peak, low),
}


def curve(rates, at):
    """Expected losses of the law at the steps ``at``."""
    segments = np.stack([np.ones(len(rates)), rates], axis=1)
    return np.array([float(np.exp(law.predictor(float(step), segments, **truth))) for step in at])


def trained(rates, at, luck=0.002, wobble=0.001):
    """A run: the law, its luck, and checkpoints that wobble together."""
    wobbles = np.convolve(rng.standard_normal(len(at) + 2), np.ones(3) / 3**0.5, "valid")
    return curve(rates, at) * np.exp(luck * rng.standard_normal() + wobble * wobbles)


at = np.linspace(1000, steps, 16).round()
table = pd.concat(
    pd.DataFrame({"run": name, "schedule": name, "step": at, "loss": trained(schedules[name], at)})
    for name in ("cosine", "constant")
).reset_index(drop=True)
runs = bs.read_runs(table, schedules={name: schedules[name] for name in ("cosine", "constant")})
runs

# %% [markdown]
# ## Forecast a schedule that was never tried
#
# A plan holds the learning rate of every step.

# %%
posterior = bs.fit("lr_annealing", runs, settings=settings)
print(posterior.diagnostics)
plan = {"step": steps, "schedule": schedules["decay last 20 %"]}
forecast = bs.forecast(posterior, plan, allow_failed=quick)
low_end, high_end = forecast.interval(0.9)[:, 0]
print(
    f"final loss, 90 % band: {low_end:.3f} to {high_end:.3f}; truth {curve(plan['schedule'], [steps])[0]:.3f}"
)
finals = table[table["step"] == steps].set_index("run")["loss"]
print("final loss of the two runs that were made:", finals.round(3).to_dict())

# %% [markdown]
# The band rests on two runs of one size: `gain`, what a fall of the rate brings, is known from the cosine
# alone.

# %%
names = ["L0", "A", "alpha", "gain", "decay"]
found = posterior.summary().loc[names, ["5 %", "median", "95 %", "prior share"]]
found.assign(truth=pd.Series(truth)).round(4)

# %% [markdown]
# ## The run starts
#
# `watch` turns the plan into a band for every step, with a false-alarm probability over the *whole* run,
# however often one looks. `monitor` compares the points with it and updates the forecast of the end.

# %%
from bayes_scaling.decide import monitor, watch

plan_to_watch = watch(posterior, plan, level=0.05, allow_failed=quick)
points = pd.DataFrame({"step": at, "loss": trained(plan["schedule"], at)})
half = monitor(plan_to_watch, points.iloc[:8], refit=False)
rows = [[0, *half.history[0]], [8, *half.history[-1]]]
print("alarms:", half.alarms or "none", "| weights can be trusted:", half.reliable)
pd.DataFrame(rows, columns=["points seen", "5 %", "25 %", "50 %", "75 %", "95 %"]).round(3)

# %% [markdown]
# Half way through, the rate is still at its peak. A curve drawn through the points alone would end far too
# high; the law knows that the fall is to come.
#
# ## A run that goes wrong
#
# The same run, but from step 9 000 on the loss drifts up by 2 %, as with a damaged shard of data.

# %%
bad = points.assign(loss=points["loss"] * np.where(points["step"] > 9000, 1.02, 1.0))
seen = monitor(plan_to_watch, bad.iloc[:12], refit=False)
for alarm in seen.alarms:
    print(f"{alarm.kind} at step {alarm.at:.0f}: loss {alarm.value:.3f}, boundary {alarm.boundary:.3f}")
for note in seen.notes:
    print("note:", note)

# %%
from bayes_scaling.plot import plot_monitor

plot_monitor(seen)

# %% [markdown]
# The boundary of the alarm is wider than the band at any one step, because it must hold for the whole run:
# with pointwise 95 % bands, a sound run with sixteen looks would be stopped far more often than one time in
# twenty.
#
# What an alarm does not say is why. It says that this run and its plan are not the same thing any more.
