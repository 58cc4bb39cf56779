"""What the commands ``allocate``, ``risk`` and ``next`` print for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_scaling.average import Average
    from bayes_scaling.decide import Allocation, Duel, Risk
    from bayes_scaling.posterior import Posterior


def print_head(posterior: Posterior | Average, notes: Sequence[str]) -> Any:
    """Diagnostics and notes; the console that they were printed on."""
    from bayes_scaling import _render
    from bayes_scaling.average import Average

    console, notes = _render.new_console(), [*posterior.runs.warnings, *notes]
    if isinstance(posterior, Average):
        _render.average_head(console, posterior, notes)
    else:
        _render.head(console, posterior, [*notes, *posterior.identifiability])
    return console


def show_allocations(posterior: Posterior | Average, found: Sequence[Allocation]) -> None:
    from bayes_scaling._render import new_table
    from bayes_scaling.plot import brief, fixed

    several = len(found) > 1
    notes = [
        f"budget {brief(one.budget)}: {note}" if several else note for one in found for note in one.notes
    ]
    console = print_head(posterior, notes)
    first = found[0]
    table = new_table(f"budget ({first.cost.unit})", "", "params", "tokens", "ratio", first.response)
    for one in found:
        best = one.best
        numbers = (brief(best["params"]), brief(best["tokens"]), f"{best['ratio']:.3g}", fixed(best["value"]))
        table.add_row(brief(one.budget), "best", *numbers)
        ends = {name: one.quantile(name, (0.05, 0.95)) for name in one.draws}
        spans = [f"{brief(ends[name][0])} to {brief(ends[name][1])}" for name in ("params", "tokens")]
        spans += ["{:.3g} to {:.3g}".format(*ends["ratio"]), " to ".join(map(fixed, ends["value"]))]
        table.add_row("", "90 %", *spans)
        flat = one.within(1.0)
        if flat.size:
            table.add_row("", "within 1 %", f"{brief(flat.min())} to {brief(flat.max())}")
    console.print(table)


def show_risk(posterior: Posterior | Average, answer: Risk, duel: Duel | None, changed: Any) -> None:
    from bayes_scaling._render import new_table
    from bayes_scaling.plot import brief, fixed

    console = print_head(posterior, answer.notes)
    table = new_table("question", "answer")
    if len(answer.tasks) > 1:
        low, high = answer.joint_bounds
        table.add_row(
            "P(all targets)", f"{answer.joint:.3f}; {low:.3f} to {high:.3f} whatever the dependence"
        )
    for task in answer.tasks:
        sense = "<=" if task.better == "lower" else ">="
        table.add_row(f"P({task.task} {sense} {task.target:g})", f"{task.probability:.3f}")
        ends = " to ".join(fixed(task.quantiles[q]) for q in ("0.05", "0.95"))
        table.add_row("median, 90 %", f"{fixed(task.median)}, {ends}")
        table.add_row("expected shortfall", f"{task.shortfall:.3g}; {task.shortfall_if_missed:.3g} if missed")
        table.add_row(
            f"value at risk, CVaR ({task.level:g})", f"{fixed(task.value_at_risk)}, {fixed(task.cvar)}"
        )
    if answer.regret is not None:
        best = answer.regret.best
        low, high = answer.regret.interval
        table.add_row("regret", f"{answer.regret.mean:.3g} ({low:.3g} to {high:.3g})")
        table.add_row("best plan of that budget", f"{brief(best['params'])} on {brief(best['tokens'])}")
    if answer.reach is not None:
        far = answer.reach
        text = f"{'at most ' if far.at_most else ''}{far.factor:.3g} times the plan"
        text += "" if far.budget is None else f", {brief(far.budget)}"
        text = text if math.isfinite(far.factor) else "not within 10 000 times the plan"
        table.add_row(f"budget for P = {far.probability:g}", text)
    table.add_row("reading", f"{answer.reading.action}: {answer.reading.reason}")
    if duel is not None:
        table.add_row("P(better than the other plan)", f"{duel.probability:.3f}")
        ends = " to ".join(f"{duel.difference[q]:.3g}" for q in ("0.05", "0.95"))
        table.add_row("difference, 90 %", f"{duel.mean_difference:.3g}, {ends}")
        where = (
            f"at {duel.crossing:.3g} times both" if math.isfinite(duel.crossing) else "not that we can see"
        )
        if duel.crossing_share:
            low, high = duel.crossing_interval
            where += (
                f"; 90 % {low:.3g} to {high:.3g} in the {100 * duel.crossing_share:.0f} % of draws that do"
            )
        table.add_row("they cross", where)
    console.print(table)
    if changed is not None:
        table = new_table("changed", "law", "P", "median", "90 %")
        for _, row in changed.iterrows():
            if isinstance(row["problem"], str):
                table.add_row(row["change"], row["law"], "", "", row["problem"])
                continue
            failed = "" if row["passed"] else " (diagnostics failed)"
            ends = f"{fixed(row['q5'])} to {fixed(row['q95'])}{failed}"
            table.add_row(row["change"], row["law"], f"{row['probability']:.3f}", fixed(row["median"]), ends)
        console.print(table)
