# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # Write your own law
#
# A law is a function of **one** run and a table of what its symbols mean. Everything else (hierarchy,
# priors, forecasts, pictures, checks) follows from that declaration. This page writes a law that is not in
# the zoo, checks it, and uses it.
#
# The idea: filtered tokens are worth more than raw ones. A run sees *D* tokens of which a share *q* passed
# a quality filter; its data term in Chinchilla's law counts *D q^g*. At `g = 0` quality does not matter.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=1000)

# %% [markdown]
# ## The function
#
# Inputs by position, parameters by keyword, JAX inside, and the natural log of the expected loss as the
# result (losses have a log link). A law that contains another calls its function.

# %%
from bayes_scaling.laws.pretraining import chinchilla


def log_mean(params, tokens, quality, *, E, A, alpha, B, beta, g):
    """Log of the expected loss; tokens count by their quality."""
    return chinchilla.log_mean(params, tokens * quality**g, E=E, A=A, alpha=alpha, B=B, beta=beta)


# %% [markdown]
# ## The declaration
#
# Every input has a unit and the range in which the law is meant to be used. Every parameter has a **90 %
# prior interval in its own unit**, a support that the interval must respect, and `pool`, which says how
# families share it. A `Limit` is a statement that can be tested: here, that the law becomes Chinchilla's
# where all data pass the filter.

# %%
from bayes_scaling.law import Golden, Input, Law, Limit, Parameter, Reference, loss


def all_pass(inputs, values):
    """The same run with q = 1, and what Chinchilla's law is given for it."""
    pure = {**inputs, "quality": 1.0}
    rest = {name: value for name, value in values.items() if name != "g"}
    return pure, values, {"params": inputs["params"], "tokens": inputs["tokens"]}, rest


known = bs.law("chinchilla")
own = Law(
    name="filtered_chinchilla",
    title="Loss from parameters, tokens and the share of filtered data",
    equation="L = E + A (N/N0)^-alpha + B (D q^g/D0)^-beta",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(*known.inputs, Input("quality", "1", "share of tokens that passed the filter", (0.05, 1.0))),
    parameters=(*known.parameters, Parameter("g", (-0.5, 1.5), "real", "tight", meaning="worth of quality")),
    floor="E",
    monotone={"params": "decreasing", "tokens": "decreasing"},
    golden=(
        Golden(
            {"params": 1e9, "tokens": 2e10, "quality": 1.0},
            2.5301,
            {**known.published["besiroglu2024"].values, "g": 0.6},
        ),
    ),
    limits=(Limit("q = 1", "chinchilla", all_pass),),
    reference=Reference("An example of the documentation", "bayes_scaling", 2026),
)

# %% [markdown]
# A name that does not match the function's signature is found when the law is built, not in the middle of a
# fit:

# %%
from dataclasses import replace

try:
    replace(own, monotone={"token": "decreasing"})
except ValueError as error:
    print(error)

# %% [markdown]
# ## Check it
#
# A file in the zoo gets these checks from the test suite. By hand: the golden number comes out, and the
# limit holds.

# %%
import numpy as np

from bayes_scaling.law import mean

golden = own.golden[0]
print("golden number:", float(mean(own, golden.inputs, golden.values)), "expected", golden.value)

one, values, other, rest = own.limits[0].translate(
    {"params": 3e9, "tokens": 5e10, "quality": 0.3}, {**golden.values, "g": 0.9}
)
print("limit:", float(mean(own, one, values)), "expected", float(mean(known, other, rest)))

# %% [markdown]
# ## What the priors expect
#
# Before data: does the law, with these intervals, expect anything absurd? The bands are those of its curve
# over the typical range of its inputs, all rising together; thin lines are single draws.

# %%
bs.plot_prior_predictive(own)

# %% [markdown]
# ## Can the truth be found again?
#
# Simulate a study from known values, fit it, and look whether the intervals hold them. A law that fails
# here on clean data will not do better on real ones.

# %%
import pandas as pd

truth = {**known.published["besiroglu2024"].values, "g": 0.6}
rng = np.random.default_rng(3)
rows = [(n, n * ratio, q) for n in (5e7, 2e8, 8e8, 3e9) for ratio in (10, 60) for q in (0.1, 0.4, 1.0)]
table = pd.DataFrame(rows, columns=["params", "tokens", "quality"])
exact = [float(np.exp(log_mean(*row, **truth))) for row in rows]
table["loss"] = np.array(exact) * np.exp(0.004 * rng.standard_normal(len(table)))

posterior = bs.fit(own, table, settings=settings)
print(posterior.diagnostics)
found = posterior.summary().loc[list(truth), ["5 %", "median", "95 %", "prior share"]]
found.assign(truth=pd.Series(truth)).round(3)

# %% [markdown]
# `g` is known from 24 runs, since quality varied at every size; where all runs have one quality, its `prior
# share` stays near 1 and the number is the prior's. Now ask what filtering is worth for a run that is not
# made yet, on common draws:

# %%
raw = {"params": 7e9, "tokens": 1.4e11, "quality": 0.2}
filtered = {**raw, "tokens": 7e10, "quality": 1.0}
duel = bs.beats(posterior, filtered, raw, allow_failed=quick)
print(f"half the tokens, all filtered: better with probability {duel.probability:.2f}")
print(f"difference in loss: {duel.difference}")

# %%
bs.plot_forecast(posterior, [raw, filtered], allow_failed=quick)

# %% [markdown]
# The interval of the difference is narrower than those of the two losses suggest, because most of what is
# unknown is common to both plans.
#
# ## Into the zoo
#
# The same declaration as `LAW` in a file `bayes_scaling/laws/<folder>/filtered_chinchilla.py` is all that
# the registry, the command line, the contract tests and the law's page need. [How to add a
# law](../add_a_law.md) lists what each field should hold.
