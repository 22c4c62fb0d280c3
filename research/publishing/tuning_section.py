"""What is written for people about what was tuned, in Markdown: for a study's page, and for that of its universes."""

from __future__ import annotations

from research.design.plan import Cell, Plan
from research.design.study import TUNED
from research.design.trials import STANDS_OUT
from research.design.tuned_cells import is_whole
from research.design.wording import escaped, metric_word, quantity, word
from research.publishing.tuning_tables import Trials


def tuning_section(plan: Plan, trials: Trials) -> str:
    """How settings were tuned, the winner of each cell, and which are not tuned after all; nothing without trials."""
    tuning = plan.study.tuning
    if tuning is None or trials.table.empty:
        return ""
    some = any(TUNED in choice.levels for choice in plan.study.choices)
    which = "In a tuned universe each cell has" if some and plan.of_universes else "Each cell that is tuned has"
    begun = "what it is otherwise" if some else "where its search begins"
    ranges = ", ".join(
        f"{word(name, plan.study.words)} from {low:g} to {high:g} times {begun}"
        for name, (low, high) in tuning.ranges.items()
    )
    searched = [cell.tuning for cell in plan.cells if cell.tuning]
    own = "the " if all(each.ranges == tuning.ranges for each in searched) else "those of these that its task has: "
    metric = " or ".join(metric_word(name, plan.study.metric(name)) for name in tuning.metrics)
    how = "lowest" if tuning.direction == "minimize" else "highest"
    text = (
        f"{which} a search of its own, all with the same budget: {searched[0].budget} trials of "
        f"{tuning.seeds} seeds that are used for nothing else, over {own}{ranges}. Optuna's TPE chooses them, "
        f"{tuning.at_once} at a time. The winner has the {how} mean of {escaped(metric)}, which comes from "
        "the validation split; it was then trained on the seeds that are reported. "
        + ("Where it lay at an end, that end was moved tenfold, once, for three more trials. " if tuning.widen else "")
        + (
            "Winners within a tenth of an end of their range (on its logarithmic scale), so that a wider one might "
            f"have done better: {len(trials.edges)} of {trials.table['cell'].nunique()}."
            if trials.edges
            else "No winner lies at an end of its range."
        )
        + (
            f" Winners that do not stand out, since they are not better than the median trial by more than "
            f"{STANDS_OUT:g} standard errors, as chance alone gives in one search of twenty: {len(trials.plateaus)}."
            if trials.plateaus
            else ""
        )
    )
    if trials.edges or trials.plateaus:
        text += " Such a cell is not tuned" + (", and neither is its universe." if plan.of_universes else ".")
    return "\n\n".join(["## What was tuned", text, winners(plan, trials)])


def winners(plan: Plan, trials: Trials) -> str:
    """The winning settings as a table."""
    tuning = plan.study.tuning
    assert tuning is not None
    won = trials.table[trials.table["winner"].astype(bool)]
    metric = " or ".join(metric_word(name, plan.study.metric(name)) for name in tuning.metrics)
    heads = ["cell", *(word(name, plan.study.words) for name in tuning.ranges), metric]
    lines = [f"| {' | '.join(map(escaped, heads))} | |", "|" + "---|" * (len(heads) + 1)]
    for cell in plan.cells:
        if not cell.tuning:
            continue
        ends = trials.edges.get(cell.name, {})
        edge = [f"{escaped(word(name, plan.study.words))} at the {end} end" for name, end in ends.items()]
        notes = ", ".join([*edge, *["no better than most"] * (cell.name in trials.plateaus)])
        found = {name: float(won.loc[won["cell"] == cell.name, name].iloc[0]) for name in (*tuning.ranges, "value")}
        settings = [setting(cell, name, found[name]) for name in tuning.ranges]
        lines.append(f"| {' | '.join([escaped(cell.name), *settings, quantity(found['value']), notes])} |")
    return "\n".join(lines)


def setting(cell: Cell, field: str, value: float) -> str:
    """A setting of a tuned cell for people; nothing where it is not tuned over the field."""
    assert cell.tuning is not None
    if field not in cell.tuning.ranges:
        return ""
    return f"{value:,.0f}" if is_whole(cell.task, field) else quantity(value)
