"""The score of forecasts, for a summary and for a reader."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from streamrnn.evaluation.score import Score, Step
from streamrnn.evaluation.show import number, percent, table

TARGET_WIDTH = 11  # columns of a terminal that a target's name has at least; a longer one is broken


def found(score: Score) -> dict[str, Any]:
    """All figures."""
    return {"coverage": score.coverage(), "horizons": [asdict(step) for step in score.steps()]}


def show(score: Score, level: float) -> None:
    """A table."""
    title = f"Mean absolute error beside naive forecasts; the {percent(level)} interval"
    heads = ("target", "step", "MAE", "last\nvalue", "skill", "24 h\nago", "skill", "cover-\nage", "width")
    made = table(title, *heads)
    made.collapse_padding = True  # fits into 80 columns
    made.columns[0].min_width, made.columns[0].overflow = TARGET_WIDTH, "fold"
    for step in score.steps():
        made.add_row(*_cells(step))
    Console().print(made)


def _cells(step: Step) -> list[str]:
    return [
        step.target,
        str(step.step),
        number(step.mae, 3),
        number(step.mae_persistence, 3),
        percent(_skill(step.mae, step.mae_persistence)),
        number(step.mae_seasonal, 3),
        percent(_skill(step.mae_on_seasonal, step.mae_seasonal)),
        percent(step.coverage),
        number(step.mean_width, 3),
    ]


def _skill(ours: float | None, theirs: float | None) -> float | None:
    return 1 - ours / theirs if ours is not None and theirs else None
