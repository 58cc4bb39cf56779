# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # A prior for a new model family
#
# A new family has one, two or three small runs. They say little about five constants of a scaling law.
# Other families say a good deal about what those constants usually are. A *borrowed prior* carries that
# over, and distrusts itself if the first runs disagree.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=500)

# %% [markdown]
# ## Learn from the families that there are
#
# Cerebras-GPT plays the new family: all of it is hidden.

# %%
from bayes_scaling import datasets

table = datasets.load("pile-families")[["family", "size", "params", "tokens", "loss"]]
table = table[table.groupby("family")["loss"].transform("count") >= 5]  # families of five models or more
new = table[table["family"] == "cerebras-gpt"]
others = bs.fit("chinchilla", table[table["family"] != "cerebras-gpt"], settings=settings)
print(others.diagnostics)
prior = bs.transfer(others, title="families scored on the Pile", allow_failed=quick)

# %% [markdown]
# The prior of a new family is the learnt population, its own uncertainty included. Beside the law's own
# prior:

# %%
import pandas as pd

law = bs.law("chinchilla")
rows = [
    {"parameter": t.name, "unit": t.unit, "own 5 %": p.interval[0], "own 95 %": p.interval[1],
     "borrowed 5 %": t.interval[0], "borrowed 95 %": t.interval[1]}
    for t, p in zip(prior.parameters, law.parameters, strict=True)
]  # fmt: skip
pd.DataFrame(rows).round(3)

# %% [markdown]
# Where both intervals are alike, the families had nothing to say: most of them saw the same number of
# tokens at every size, so the data term stays open. `bs.save_prior(prior, "prior.json")` writes these
# numbers, one line each, to be read and argued with.
#
# ## One run, three runs
#
# Each time the largest model, 13B, is forecast: with the law's own prior and with the borrowed one.

# %%
plan = new[["params", "tokens"]].iloc[[-1]]
rows = []
for count in (1, 3):
    for name, given in (("own", None), ("borrowed", prior)):
        fitted = bs.fit("chinchilla", new.iloc[:count], prior=given, settings=settings)
        ahead = bs.forecast(fitted, plan, family="cerebras-gpt", allow_failed=True)
        low, high = ahead.interval(0.9)[:, 0]
        passed = "passed" if fitted.diagnostics.passed else "FAILED"
        rows.append([count, name, low, ahead.median[0], high, high - low, passed])
columns = ["runs", "prior", "5 %", "median", "95 %", "width", "diagnostics"]
print("measured:", new["loss"].iloc[-1])
pd.DataFrame(rows, columns=columns).round(3)

# %% [markdown]
# With one run the borrowed prior takes a good part off the width; both bands are mostly prior, and say so
# by being wide. With three runs there is little left for it to add. And the measured loss lies *below* both
# bands of three runs: those runs, of at most 590 million parameters, are 470 times short of the plan's
# compute, and the loss of this family falls faster than they let expect. Agreement of three small runs
# vouches for nothing at that distance.
#
# `allow_failed=True` stands here to show every row; the last column says which of them the gate would have
# refused.
#
# ## The alarm
#
# Before it is used, the borrowed prior is judged by up to three of the new runs. `fitted.conflict` says how
# it went:

# %%
print(fitted.conflict)

# %% [markdown]
# `p` is how often simulated runs lie as far from the prior's centre as the measured ones. `weight` is what
# the borrowed prior keeps against the law's own one, starting from 0.9. Now a prior that does not fit: the
# pack `chinchilla`, learnt from web text. The Pile holds code and repeated text, and losses on it are
# lower.

# %%
web = bs.fit("chinchilla", new.iloc[:1], prior="chinchilla", settings=settings)
print(web.conflict)
ends = {name: web.conflict.widened[name] for name in ("E", "A", "B")}
pd.DataFrame(ends, index=["scale as borrowed", "scale as used"]).T.round(3)

# %% [markdown]
# The prior was widened, on the scale of logs, by what the disagreement deserves: the nearer the weight to
# zero, the nearer the law's own prior. Nothing has to be switched off by hand.
#
# ## What it looks like
#
# Three runs of the new family under the borrowed prior, and the forecast of its largest model. The other
# families' runs are in no way part of this fit: only the numbers of the prior are.

# %%
bs.plot_forecast(fitted, plan, family="cerebras-gpt", allow_failed=True)
