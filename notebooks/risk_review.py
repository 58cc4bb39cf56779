# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # Risk review before a large run
#
# A run of 70 billion parameters on 1.4 trillion tokens is planned, and it must reach a loss of 2.0. Is it
# worth the money? This page goes through the questions of a review in their order. The study is simulated
# from published coefficients, so that the truth is known at the end.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=1000)

# %% [markdown]
# ## The small runs

# %%
import numpy as np
import pandas as pd

truth = bs.law("chinchilla").published["besiroglu2024"].values
rng = np.random.default_rng(11)
table = pd.DataFrame(
    [(n, ratio * n) for n in np.geomspace(1e8, 6e9, 7) for ratio in (8, 20, 60)], columns=["params", "tokens"]
)
curve = bs.law("chinchilla").predictor
exact = [float(np.exp(curve(n, d, **truth))) for n, d in zip(table["params"], table["tokens"], strict=True)]
table["loss"] = np.array(exact) * np.exp(0.004 * rng.standard_normal(len(table)))

runs = bs.read_runs(table)
posterior = bs.fit("chinchilla", runs, settings=settings)
print(posterior.diagnostics)
print("what the runs cannot decide:", posterior.identifiability or "nothing was found")

# %% [markdown]
# ## 1. How likely is the target?

# %%
plan = {"params": 70e9, "tokens": 1.4e12}
review = bs.risk(posterior, plan, 2.0, allow_failed=quick)
task = review.tasks[0]
named = {
    "probability": task.probability,
    "median": task.median,
    "expected shortfall": task.shortfall,
    "shortfall if missed": task.shortfall_if_missed,
    "value at risk, 95 %": task.value_at_risk,
    "CVaR, 95 %": task.cvar,
}
print(review.reading.action, "-", review.reading.reason)
pd.Series(named).round(4).to_frame("loss 2.0")

# %% [markdown]
# - *probability*: of a loss of at most 2.0, luck of the seed included.
# - *expected shortfall*: by how many nats it is missed on average, counting zero where it is met; *if
#   missed*, on average over the draws that miss.
# - *value at risk*: with 95 % probability the loss is not above this. *CVaR* is the mean of the worst 5 %.
#
# Without stakes of your own the reading is "go" from a probability of 0.9 and "no-go" below 0.5.

# %%
bs.plot_forecast(posterior, plan, allow_failed=quick)

# %% [markdown]
# ## 2. What is at stake?
#
# The probability alone does not decide. Say what the outcomes are worth, in your own unit: here a run costs
# 3 and brings 10 if it reaches the target; not running costs nothing; a month of waiting costs 0.5.

# %%
from bayes_scaling import decide

stakes = decide.Stakes(loss=lambda y: np.where(y <= 2.0, 3.0 - 10.0, 3.0), no_go=0.0, wait=0.5)
reading = bs.risk(posterior, plan, 2.0, stakes=stakes, allow_failed=quick).reading
print(reading.action)
pd.Series(reading.expected).round(3).to_frame("expected loss")

# %% [markdown]
# Waiting is judged at its best, as if it would reveal the whole curve (never the luck of the seed). A "go"
# against that bound stands whatever waiting would bring.
#
# ## 3. Is it the right size?

# %%
budget = 6 * plan["params"] * plan["tokens"]
best = bs.allocate(posterior, budget, allow_failed=quick)
size, seen, value = (best.best[name] for name in ("params", "tokens", "value"))
print(f"best plan: {size:.3g} parameters, {seen:.3g} tokens, expected loss {value:.3f}")
print("90 % interval of the optimal size: {:.2g} to {:.2g}".format(*best.quantile("params", [0.05, 0.95])))
flat = best.within(1.0)
print(f"within 1 % of the best expected loss: {flat.min():.3g} to {flat.max():.3g} parameters")
print(
    f"regret of the plan: {review.regret.mean:.4f} nats, 90 % interval {np.round(review.regret.interval, 4)}"
)

# %% [markdown]
# The interval of the optimal size is wide and the regret is small: both say that the optimum is flat.
# Between sizes that differ by so little, inference cost decides. If the model will serve 10 trillion tokens
# and the same budget pays for it:

# %%
served = bs.allocate(posterior, budget, cost=decide.Cost(inference_tokens=1e13), allow_failed=quick)
pd.DataFrame({"training only": best.best, "and 1e13 tokens served": served.best}).T

# %% [markdown]
# The budget then buys a smaller model, trained for longer, at a higher loss: what serving costs is paid for
# in nats.
#
# ## 4. How much more would make it safe?

# %%
reach = review.reach
print(f"{reach.probability:.0%} is reached at {reach.factor:.2f} times the budget, {reach.budget:.3g} FLOP")

# %% [markdown]
# A factor below one means that a smaller run would be safe enough already.
#
# ## 5. What if we are wrong?
#
# Refits with one thing changed at a time: wider priors, another law, no largest run.

# %%
checked = bs.sensitivity(posterior, plan, 2.0, laws=["gadre_overtraining"], widen=(2.0,), settings=settings)
checked.round(3)

# %% [markdown]
# Read down the column of probabilities: a decision that one plausible change turns around is not ready.
#
# ## The truth
#
# The study was simulated, so it is known:

# %%
print(f"expected loss of the plan: {float(np.exp(curve(plan['params'], plan['tokens'], **truth))):.4f}")

# %% [markdown]
# In a real review this line does not exist. What can be kept is the forecast, written down before the run
# starts: [the ledger](../ledger.md).
