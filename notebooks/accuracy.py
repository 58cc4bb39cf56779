# ---
# jupytext:
#   formats: py:percent
# kernelspec:
#   name: python3
#   display_name: Python 3
# ---

# %% [markdown]
# # From loss to accuracy
#
# A loss is not what a model is made for. This page goes on from the forecast of a loss to that of task
# scores, with the doubt of both steps in one set of draws: plan to loss by a scaling law, loss to accuracy
# by a sigmoid that starts at chance.

# %% tags=["hide-cell"]
import os

import bayes_scaling as bs

quick = "BAYES_SCALING_QUICK" in os.environ  # the tests run this page with few draws
few = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
settings = few if quick else bs.Settings(target_accept=0.99, draws=1000)

# %% [markdown]
# ## Models, losses, scores
#
# Three lines of models from the embedded table, two tasks. The two largest models of Cerebras-GPT are
# hidden.

# %%
from bayes_scaling import datasets

tasks = ["hellaswag", "arc_challenge"]
table = datasets.load("pile-families")
table = table[table["family"].isin(["cerebras-gpt", "cerebras-gpt-mup", "pythia"])].drop(columns="compute")
hidden = (table["family"] == "cerebras-gpt") & table["size"].isin(["6.7B", "13B"])
small = bs.read_runs(table[~hidden])
known = datasets.describe("pile-families").tasks
for name in tasks:
    print(f"{name}: {known[name].items} items, chance {known[name].chance:g}")
table.loc[table["family"] == "cerebras-gpt", ["size", "loss", *tasks]]

# %% [markdown]
# Number of items and chance are part of the model: a score of 0.25 on a task of four options is nothing,
# and one on few items is known to a few points only.
#
# ## Two steps, one posterior

# %%
loss = bs.fit("chinchilla", small, settings=settings)
print("loss:", loss.diagnostics)
both = bs.fit_chain(bs.chain("chinchilla", grouping="task"), small, tasks, loss=loss, settings=settings)
for block in both.blocks:
    print(", ".join(block.tasks) + ":", block.posterior.diagnostics)

# %% [markdown]
# `grouping="task"` takes all lines of models as alike in how loss becomes accuracy. That is an assumption:
# a line trained on more code reads the same loss into other skills. `grouping="family"` lets lines differ
# and needs more models.
#
# ## The forecast

# %%
plans = table.loc[hidden, ["params", "tokens"]]
forecast = bs.forecast_tasks(both, plans, family="cerebras-gpt", allow_failed=quick)
answer = forecast.to_dataframe()[["task", "params", "q5", "q50", "q95", "predictable"]]
answer["measured"] = [score for name in tasks for score in table.loc[hidden, name]]
answer.round(3)

# %% [markdown]
# `q5` to `q95` is the 90 % band of the score on the task's fixed test set: the law of the loss, the
# sigmoid, drift beyond the data, the luck of the run, and the sampling of the items. Of four scores, one
# outside its band is no surprise, two would be.

# %%
bs.plot_tasks(both, forecast, family="cerebras-gpt")

# %% [markdown]
# Points are the models that were fitted, the curve is the sigmoid with its drift for this line, and each
# bar is a planned run: its 90 % band of loss across, of accuracy up.
#
# ## What the doubt is made of

# %%
import pandas as pd

parts = {name: forecast.task(name).variance for name in tasks}
shares = {
    name: {part: v[-1] / sum(w[-1] for w in var.values()) for part, v in var.items()}
    for name, var in parts.items()
}
pd.DataFrame(shares).T.round(2)

# %% [markdown]
# Of the largest model: `loss_parameters` would shrink with more small runs, `task_parameters` with more
# scored models, `items` with a larger test set. `structure` is drift of either step.
#
# ## Is a task predictable at all?

# %%
for verdict in forecast.verdicts:
    print(f"{verdict.task}: {'predictable' if verdict.predictable else 'NOT predictable'}, {verdict.reason}")

# %% [markdown]
# A task on which all small models guess says nothing of where it will rise. The verdict says so before
# anyone reads a median off its forecast.
#
# The tasks of one model share the luck of its loss, so that their errors do not average out as those of
# independent tasks would. The average is drawn from the same joint draws:

# %%
mean = forecast.average()
low, high = mean.interval(0.9)
measured = table.loc[hidden, tasks].mean(axis=1).to_numpy()
pd.DataFrame(
    {"params": plans["params"].to_numpy(), "5 %": low, "95 %": high, "measured mean": measured}
).round(3)

# %% [markdown]
# The largest model does better than expected in both tasks: the average lies near the upper end of its
# band, which is what joint draws are for. Two independent tasks would have made that band narrower.
