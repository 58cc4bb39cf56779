# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # Coverage: from 100 samples to 10 000
#
# *Coverage* at *k* is the share of problems that at least one of *k* samples solves. Paying for 100 samples
# of each problem is cheap, paying for 10 000 is not: what would the other 9 900 bring?
#
# The law is that of Brown et al. 2024 ([arXiv:2407.21787](https://arxiv.org/abs/2407.21787)), `c(k) =
# exp(-a k^-b)`: `exp(-a)` is the success rate of one sample, and `b` says how fast repetition pays.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=1000)

# %% [markdown]
# ## A benchmark with 128 problems
#
# The success rate of one sample differs between problems by orders of magnitude: many easy ones, and a long
# tail of hard ones. Here it is drawn from a beta distribution, so that the truth at 10 000 samples is
# known.

# %%
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
rates = rng.beta(0.35, 4.0, size=128)  # chance that one sample solves a problem
solved = rng.binomial(100, rates)  # of 100 samples each: all that we measure
print(f"one sample solves {rates.mean():.3f} of the problems; {np.sum(solved == 0)} of 128 stay unsolved")

# %% [markdown]
# ## From counts to coverage
#
# With *s* of *n* samples correct, the unbiased chance that *k* of them hold a correct one is `1 - C(n-s, k)
# / C(n, k)`; `1 - (1 - s/n)^k` is biased. Summed over the problems it is the expected number solved.
#
# All *k* come from the same 100 samples, so they are nearly one observation. Four well-spaced ones carry
# what there is; twenty would only make the fit believe that it knows more.

# %%
from bayes_scaling.laws.inference.coverage_exp_power import pass_at_k

table = pd.DataFrame({"k": [1, 5, 22, 100]})
table["n_correct"] = [round(sum(pass_at_k(100, int(s), k) for s in solved)) for k in table["k"]]
table["n_samples"] = 128  # trials of the law are problems
table

# %% [markdown]
# ## Fit and forecast

# %%
posterior = bs.fit("coverage_exp_power", table, settings=settings)
print(posterior.diagnostics)
for note in posterior.identifiability:
    print("note:", note)
posterior.summary().round(3)

# %% [markdown]
# `median` with `5 %` and `95 %` is the credible interval of each quantity. `samples_half` is derived from
# both parameters: the samples per problem at which half of the problems are solved. `prior share` is the
# part of the prior's standard deviation that is left: near 1, these data said nothing about the quantity.

# %%
plans = [{"k": 1000}, {"k": 10_000}]
forecast = bs.forecast(posterior, plans, target="mean", allow_failed=quick)
truth = [float(np.mean(1 - (1 - rates) ** plan["k"])) for plan in plans]
low, high = forecast.interval(0.9)
pd.DataFrame(
    {"k": [1000, 10_000], "5 %": low, "median": forecast.median, "95 %": high, "truth": truth}
).round(3)

# %% [markdown]
# The forecast is of the *mean*, the coverage that the law expects: another 128 problems
# (`target="measurement"`) would scatter more. At both *k* the band holds the truth, from samples that reach
# neither.

# %%
bs.plot_forecast(posterior, plans, target="mean", allow_failed=quick)

# %% [markdown]
# ## Where the law must fail
#
# The law ends at 1: with enough samples everything is solved. If some problems cannot be solved at all,
# nothing in the first hundred samples says so. The same study, every eighth problem impossible:

# %%
hopeless = rates * (np.arange(128) % 8 != 0)
again = rng.binomial(100, hopeless)
second = table.assign(n_correct=[round(sum(pass_at_k(100, int(s), k) for s in again)) for k in table["k"]])
refit = bs.fit("coverage_exp_power", second, settings=settings)
far = bs.forecast(refit, plans, target="mean", allow_failed=quick)
truth = [float(np.mean(1 - (1 - hopeless) ** plan["k"])) for plan in plans]
low, high = far.interval(0.9)
pd.DataFrame({"k": [1000, 10_000], "5 %": low, "median": far.median, "95 %": high, "truth": truth}).round(3)

# %% [markdown]
# The true coverage cannot pass 0.875, whatever *k* is; the law's forecast knows of no such ceiling. Look at
# the problems that stayed at zero before you trust 10 000 samples, and measure a few of them with 1 000
# samples: that is the cheapest experiment there is. If a ceiling is real, write it into the law: [write
# your own law](own_law.py).
