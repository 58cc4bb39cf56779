"""Whether each task of a chain can be predicted from its runs."""

from __future__ import annotations

from bayes_scaling.chain.fitting import ChainPosterior
from bayes_scaling.verdict import Items, Verdict, judged


def verdicts(posterior: ChainPosterior) -> tuple[Verdict, ...]:
    """One verdict per task, in the order of the tasks.

    Parameters
    ----------
    posterior : ChainPosterior
    """
    return tuple(_judged(posterior, task) for task in posterior.tasks.names)


def _judged(chain: ChainPosterior, task: str) -> Verdict:
    block = chain.block(task)
    items = Items(chain.tasks.items(task), chain.chain.same_items, block.includes_items)
    labels = [chain.label(task, family) for family in chain.families]
    return judged(task, block.posterior, items, labels)
