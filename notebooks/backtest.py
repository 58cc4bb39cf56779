# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # Which law, and does it hold?
#
# Two laws that fit the small runs equally well may differ at the large run by more than either band.
# Goodness of fit cannot tell them apart. What can be tested is whether a method's forecasts of runs *that
# it has not seen, beyond the scale that it has seen*, hold.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(chains=2, draws=1000)

# %% [markdown]
# ## A study with a trap
#
# 36 runs of a team that owns ten billion different tokens: longer runs see them again and again, which is
# worth less each time. The column `unique_tokens` says so, but nobody has looked at it. (The runs are
# simulated with published coefficients of Muennighoff et al. 2023,
# [arXiv:2305.16264](https://arxiv.org/abs/2305.16264). Your own table goes in their place:
# `bs.read_runs("runs.csv")`.)

# %%
import numpy as np
import pandas as pd

real = bs.law("data_constrained")
truth = real.published["muennighoff2023"].values
rng = np.random.default_rng(5)
rows = [(n, ratio * n, min(1e10, ratio * n)) for n in np.geomspace(3e7, 6e9, 12) for ratio in (6, 20, 70)]
table = pd.DataFrame(rows, columns=["params", "tokens", "unique_tokens"])
exact = np.array([float(np.exp(real.predictor(*row, **truth))) for row in rows])
runs = bs.read_runs(table.assign(loss=exact * np.exp(0.004 * rng.standard_normal(len(table)))))
runs

# %% [markdown]
# ## A backtest
#
# Hide all runs above a cut of compute, fit the rest, forecast the hidden ones, score; then at the next cut.
# Without laws named, the default rivals for such a table take part, and their equal-weight average.

# %%
factors = (10.0, 100.0)
options = {"settings": few} if quick else {}
tested = bs.backtest(runs, factors=factors, **options)
tested.by_split().iloc[:, :9].round(3)

# %% [markdown]
# `factor` 100 means: fitted were the runs of at most 1/100 of the largest compute, `n_fit` of them.
# `coverage_0.9` is the share of hidden losses inside the 90 % band. `crps` scores a whole band in log loss
# and rewards being close *and* sure; smaller is better.

# %%
print(tested.advice())
for note in tested.notes:
    print("note:", note)
tested.overall()[["law", "coverage_0.5", "coverage_0.9", "mae", "bias", "crps", "width"]].round(4)

# %% [markdown]
# - `coverage_0.9` far below 0.9: the bands were too narrow on this very table. Near 1 with a large `width`:
#   they promised less than they could have.
# - `bias` is the mean of log(forecast / measured): negative if runs turned out worse than forecast.
# - Hidden runs share their drift from the law. Twenty of them are not twenty independent tests, and one
#   table is one draw.

# %%
bs.plot_backtest(tested)

# %% [markdown]
# Left: the percentiles (PIT) at which the truth fell in its forecast, less those of calibrated forecasts;
# the grey band is where those stay. A bowl below it says that forecasts were too low, an arch above it too
# high. Right: each hidden run against its forecast; filled marks are inside their bar.
#
# ## A law that knows
#
# A bias that grows with scale is a question to the table: what changes with scale that the law does not
# know? Here it is the repetition. The same backtest with a law that has that input:

# %%
knows = {"inputs": {"unique": "unique_tokens"}}
better = bs.backtest(runs, "data_constrained", factors=factors, **knows, **options)
both = pd.concat([tested.overall(), better.overall()])
both[["law", "coverage_0.5", "coverage_0.9", "mae", "bias", "crps", "width"]].round(4)

# %% [markdown]
# The law that knows of the repetition errs by a third as much or less, and its bands hold. Read the columns
# together: `mae` and `bias` say how far off the medians were, `coverage_0.9` and `width` whether the bands
# knew it, `crps` both. A narrow band is worth something only if it holds.
#
# ## Comparing laws
#
# `bs.compare` has three scores, each a harder question than the one before: leave one run out (`loo`),
# leave a family out (`family`), leave the largest out (`largest`). Only the last asks what a forecast asks,
# by the backtest above. The first needs one fit of each law and asks how well it describes the runs that
# are there.

# %%
compared = bs.compare(runs, ["chinchilla", "data_constrained"], methods=["loo"], settings=settings, **knows)
for note in compared.notes:
    print("note:", note)
columns = ["method", "law", "elpd", "difference", "difference_se", "units", "pareto_k", "weight"]
compared.table[columns].round(3)

# %% [markdown]
# `elpd` is the mean log density that a law gave to a run that it had not seen; larger is better.
# `difference` is that to the best law with its standard error: less than two standard errors decide
# nothing, and leave-one-out hardly tells the two laws apart where the backtest did, as inside the data both
# describe the runs. `weight` is the stacking weight, of the mixture of laws that would have scored best.
# `pareto_k` above 0.7 says that single runs decide that fit, and its score is not reliable.
#
# ## Then
#
# No law is true, and laws err in different directions. `bs.average(runs, laws)` fits several, and its
# forecasts count their disagreement as structural doubt. What such bands were worth on eleven public tables
# is measured: [do the bands hold](../calibration.md).
