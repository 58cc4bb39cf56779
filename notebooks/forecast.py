# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # Forecast a large run from small ones
#
# In the embedded table four families have five models or more with a loss on the Pile's test set, 28 in
# all. Hide the two largest of one family, forecast them from the rest, and look whether the bands hold
# them. The same three calls forecast a run that nobody has made.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=1000)

# %% [markdown]
# ## The runs

# %%
from bayes_scaling import datasets

table = datasets.load("pile-families")[["family", "size", "params", "tokens", "loss"]]
table = table[table.groupby("family")["loss"].transform("count") >= 5]  # families of five models or more
hidden = (table["family"] == "cerebras-gpt") & table["size"].isin(["6.7B", "13B"])
small = bs.read_runs(table[~hidden])
print(small)
table[table["family"] == "cerebras-gpt"]

# %% [markdown]
# `read_runs` checks units and says what looks wrong.
#
# ## The fit
#
# Chinchilla's law, `L = E + A (N/N0)^-alpha + B (D/D0)^-beta`, for every family, its parameters drawn
# towards a common population. `settings` here is `bs.Settings(target_accept=0.99, draws=1000)`: hierarchies
# of few runs have narrow corners, and smaller steps go round them. Where the steps are too large the next
# line says FAILED, and what to do.

# %%
posterior = bs.fit("chinchilla", small, settings=settings)
print(posterior.diagnostics)

# %% [markdown]
# - **R-hat** compares the chains with each other; above 1.01 they have not found the same distribution.
# - **ESS** is how many independent draws the correlated ones are worth, in the middle (bulk) and in the 5 %
#   and 95 % quantiles (tail), for the worst latent. 400 is the gate.
# - **Divergences** are places that the sampler could not follow. More than 5 in 10 000 fail.
#
# What was learnt of this family:

# %%
mine = [f"{name}[cerebras-gpt]" for name in ("E", "A", "alpha", "B", "beta")]
posterior.summary().loc[mine, ["5 %", "median", "95 %", "prior share"]].round(3)

# %% [markdown]
# `prior share` is the part of the prior's standard deviation that is left. All runs of this family saw 20
# tokens per parameter, so its own runs cannot tell the size term from the data term: what separates them
# comes from the other families and from the prior.
#
# ## The forecast

# %%
plans = table.loc[hidden, ["params", "tokens"]]
forecast = bs.forecast(posterior, plans, family="cerebras-gpt", allow_failed=quick)
rows = forecast.to_dataframe()[["params", "tokens", "q5", "q25", "q50", "q75", "q95"]]
rows.assign(measured=table.loc[hidden, "loss"].to_numpy()).round(3)

# %% [markdown]
# `q5` to `q95` is the 90 % band of a *new run*: its curve and the luck of its seed. It is a statement about
# these two runs together: `forecast.draws` holds joint draws, one column for each plan.

# %%
bs.plot_forecast(posterior, plans, family="cerebras-gpt", allow_failed=quick)

# %% [markdown]
# ## What the doubt is made of

# %%
shares = [c for c in forecast.to_dataframe() if c.startswith("share")]
forecast.to_dataframe()[["params", "sd", *shares]].round(3)

# %% [markdown]
# - **parameter**: the law's constants are not known. More runs, best at other ratios of tokens to
#   parameters, shrink it.
# - **structure**: reality may drift from the law beyond the data. It grows over a few e-folds, and only
#   larger runs shrink it.
# - **seed**: another run of the same plan would differ by so much. Nothing shrinks it.
# - **evaluation**: zero here, as this is the run's true loss; `target="measurement"` adds it.
#
# `forecast.notes` says how far a plan lies beyond the largest run of the table. Here it is empty, as other
# families have runs of that compute.
#
# ## Without the discrepancy
#
# `structure=None` is the bare law, which is what a least-squares fit with a bootstrap takes for the truth.
# On this very question its 90 % band misses the larger run ([benchmarks](../benchmarks.md), "Pooling"). One
# such case proves nothing; that bands of the bare law are too narrow is [measured on eleven public
# tables](../calibration.md), and a [backtest](backtest.py) asks the same of your own.
