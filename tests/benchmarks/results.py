"""The tables of results: what the benchmarks wrote with --json, into tests/README.md and the first page.

    python -m tests.benchmarks.taxi --json build/taxi.json     and so on, then
    python -m tests.benchmarks.results build/*.json

A table stands between the lines `<!-- results: NAME -->` and `<!-- end of results -->`; its rows are those of TABLES
here. A figure stands in a cell as {name} with its decimals behind a colon, {name:%1} as a percentage. A cell of which a
figure is in none of the files stays as it is.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from streamrnn.evaluation.figures import Figure, Report
from tests.benchmarks.command import finish, reader

ROOT = Path(__file__).parents[2]
Row = tuple[str, ...]

TAXI = "{taxi.nrmse%s:3}, {taxi.mape%s:3}"
ETT = "{ett.h1.mse%s:3}, {ett.h24.mse%s:2}, {ett.h48.mse%s:2}"
WATER = "{waterflow.h1.mae%s:2}, {waterflow.h3.mae%s:2}, {waterflow.h6.mae%s:2}, {waterflow.h24.mae%s:2}"
WORSE = "{fresh.%s.h1.worse2:0}, {fresh.%s.h2.worse2:0}, {fresh.%s.h3.worse2:0}"
WORSE_BY_FAR = "{fresh.%s.h1.worse25:0}, {fresh.%s.h2.worse25:0}, {fresh.%s.h3.worse25:0}"
SHORT = "{fresh.%s.h1.short.over_naive:2}, {fresh.%s.h2.short.over_naive:2}, {fresh.%s.h3.short.over_naive:2}"


def of(cell: str, which: str) -> str:
    """A cell of this preset or peer."""
    return cell.replace("%s", which)


ALL: list[Row] = [
    (
        "`taxi`, demand 2.5 hours ahead: NRMSE, MAPE",
        of(TAXI, ""),
        of(TAXI, "@standard"),
        "least squares {taxi.nrmse@rls:3}, {taxi.mape@rls:3}; published LSTM .258, .073; HTM .287, .081",
    ),
    (
        "`taxi`, after a change in the data",
        "{taxi.perturbed.nrmse:3}, {taxi.perturbed.mape:3}",
        "{taxi.perturbed.nrmse@standard:3}, {taxi.perturbed.mape@standard:3}",
        "least squares {taxi.perturbed.nrmse@rls:3}, {taxi.perturbed.mape@rls:3}",
    ),
    (
        "`elec2`, demand of New South Wales, 90 % intervals: coverage, width",
        "{elec2.coverage:%1}, {elec2.width:4}",
        "{elec2.coverage@standard:%1}, {elec2.width@standard:4}",
        "any 500 rows in a row: {elec2.window.least:%0} to {elec2.window.most:%0}",
    ),
    (
        "`elec2`, our intervals around given AR(3) forecasts",
        "{elec2.ar.coverage:%1}, {elec2.ar.width:3}",
        "",
        "published 90 %, .094 to .100",
    ),
    (
        "`ett`, ETTh2 without leakage 1, 24, 48 hours ahead: MSE",
        of(ETT, ""),
        of(ETT, "@standard"),
        f"least squares {of(ETT, '@rls')}; published PatchTST .362, 1.622, 2.716",
    ),
    (
        "`waterflow`, MAE 1, 3, 6, 24 hours ahead",
        of(WATER, ""),
        of(WATER, "@standard"),
        f"persistence {of(WATER, '@persistence')}",
    ),
    (
        "`mackeyglass`, 2 and 8 steps ahead: NRMSE",
        "{mackeyglass.h2.nrmse:3}, {mackeyglass.h8.nrmse:3}",
        "{mackeyglass.h2.nrmse@standard:3}, {mackeyglass.h8.nrmse@standard:3}",
        "least squares {mackeyglass.h2.nrmse@rls:3}, {mackeyglass.h8.nrmse@rls:3}",
    ),
    (
        "`airline`, MAE over three months ahead",
        "{airline.mae:1}",
        "{airline.mae@standard:1}",
        "SNARIMAX {airline.mae@snarimax:1}, HoltWinters {airline.mae@holtwinters:1}, "
        "seasonal naive {airline.mae@seasonal:1}",
    ),
    (
        "`fresh`, 28 series of many kinds: how many are worse than the best naive forecast by more than 2 % one step, "
        "half a season, a season ahead",
        of(WORSE, "full"),
        of(WORSE, "standard"),
        "",
    ),
    ("`fresh`, worse by more than 25 %", of(WORSE_BY_FAR, "full"), of(WORSE_BY_FAR, "standard"), ""),
    (
        "`fresh`, up to 600 rows, second half: error over the best naive's",
        of(SHORT, "full"),
        of(SHORT, "standard"),
        "the better of ETS, ARIMA and Theta .70, .77, .81",
    ),
    (
        "`features`, a target driven by another feature, by a product of its lags: RMSE, noise .30",
        "{features.linear.rmse:2}, {features.product.rmse:2}",
        "{features.linear.rmse@standard:2}, {features.product.rmse@standard:2}",
        "",
    ),
    (
        "`nab`, 31 files of Numenta's benchmark: standard, few false alarms, few misses",
        "",
        "{nab.standard:1}, {nab.lowfp:1}, {nab.lowfn:1}",
        "min-max {nab.standard@minmax:1}, HalfSpaceTrees {nab.standard@halfspacetrees:1}; "
        "the default was chosen with all files in view",
    ),
    (
        "`skab`, 16 experiments on a water loop at a value a second, twenty minutes each: faults told, false events",
        "",
        "{skab.told:0}, {skab.false_clean:0}",
        "a young stream hardly alarms",
    ),
    (
        "`many`, anomalies that come often: told, false alarms over those asked for",
        "",
        "{many.told:2}, {many.false.ratio:2}",
        "",
    ),
    (
        "`noise`, ordinary data: alarms over those asked for, later; events a stream in the first 24 hours",
        "",
        "{noise.continuous.later.ratio:2}, {noise.mean.first_day.events:2}",
        "worst kind {noise.worst.later.ratio:1}",
    ),
]

FIRST_PAGE: list[Row] = [
    (
        "New York taxis, 2.5 hours ahead",
        "NRMSE",
        "{taxi.nrmse:3}",
        "{taxi.nrmse@standard:3}",
        "published LSTM .258, HTM .287; least squares {taxi.nrmse@rls:3}",
    ),
    (
        "New South Wales, electricity demand",
        "coverage of 90 %, width",
        "{elec2.coverage:%1}, {elec2.width:3}",
        "{elec2.coverage@standard:%1}, {elec2.width@standard:3}",
        "around given AR(3) forecasts {elec2.ar.width:3}; published .094",
    ),
    (
        "ETTh2, 24 hours ahead, no leakage",
        "MSE",
        "{ett.h24.mse:2}",
        "{ett.h24.mse@standard:2}",
        "published PatchTST 1.622, least squares {ett.h24.mse@rls:2}",
    ),
    (
        "a water main, 1 and 24 hours ahead",
        "MAE, l/s",
        "{waterflow.h1.mae:2}, {waterflow.h24.mae:2}",
        "{waterflow.h1.mae@standard:2}, {waterflow.h24.mae@standard:2}",
        "last value {waterflow.h1.mae@persistence:2}, {waterflow.h24.mae@persistence:2}",
    ),
    (
        "Mackey-Glass, 8 steps ahead",
        "NRMSE",
        "{mackeyglass.h8.nrmse:3}",
        "{mackeyglass.h8.nrmse@standard:3}",
        "least squares {mackeyglass.h8.nrmse@rls:3}",
    ),
    (
        "airline passengers, three months ahead",
        "MAE",
        "{airline.mae:1}",
        "{airline.mae@standard:1}",
        "HoltWinters {airline.mae@holtwinters:1}, SNARIMAX {airline.mae@snarimax:1}",
    ),
    (
        "Numenta's benchmark, 31 files",
        "score",
        "",
        "{nab.standard:1}",
        "min-max {nab.standard@minmax:1}, HalfSpaceTrees {nab.standard@halfspacetrees:1}",
    ),
    (
        "ordinary data of fourteen kinds",
        "alarms over those asked for",
        "",
        "{noise.continuous.later.ratio:2}",
        "worst kind {noise.worst.later.ratio:1}",
    ),
]

BESIDE = ("", "@adam", "@rls", "@echo")
FILTER: list[Row] = [
    (title, *(re.sub(r"%s", mark, cell) for mark in BESIDE))
    for title, cell in (
        (
            "logistic map, GRU(8): MAE of rows 500 to 1,000, 8,000 to 12,000",
            "{ekf.logistic.rows1000.mae%s:4}, {ekf.logistic.rows12000.mae%s:4}",
        ),
        (
            "the same with noise of .01",
            "{ekf.logistic.noise.rows1000.mae%s:4}, {ekf.logistic.noise.rows12000.mae%s:4}",
        ),
        (
            "Mackey-Glass, GRU(16): NRMSE 2 and 8 steps ahead, worst seed at 2",
            "{ekf.mackeyglass.h2.nrmse%s:3}, {ekf.mackeyglass.h8.nrmse%s:3}, {ekf.mackeyglass.h2.worst%s:3}",
        ),
        (
            "after a change of it, GRU(8): error of rows 500 to 1,000, 2,000 to 4,000 behind",
            "{ekf.change.rows1000.mae%s:3}, {ekf.change.rows4000.mae%s:3}",
        ),
        (
            "thermostat, GRU(8): NRMSE 1 and 5 steps ahead",
            "{ekf.thermostat.h1.nrmse%s:3}, {ekf.thermostat.h5.nrmse%s:3}",
        ),
        ("another feature drives, GRU(8): RMSE linear, product", "{ekf.linear.rmse%s:3}, {ekf.product.rmse%s:3}"),
        ("taxi with calendar, GRU(16): NRMSE", "{ekf.taxi.nrmse%s:3}"),
        ("add task (6, 10), GRU(16): nats", "{ekf.addtask.nats%s:3}"),
        ("labels, LSTM(16): Friedman MAE, Phishing right", "{ekf.friedman.mae%s:2}, {ekf.phishing.accuracy%s:3}"),
        ("runs that fell", "{ekf.falls%s:0}"),
        ("us an observation, GRU(8), GRU(16)", "{ekf.gru8.us%s:1}, {ekf.gru16.us%s:1}"),
        ("bytes of a stream, GRU(8)", "{ekf.gru8.bytes%s:0}"),
    )
]
TABLES = (
    ("tests/README.md", "all", ALL),
    ("tests/README.md", "filter", FILTER),
    ("README.md", "first page", FIRST_PAGE),
)


def shown(value: float, form: str) -> str:
    """A number with so many decimals, without the zero in front of them; %n as a percentage."""
    if form.startswith("%"):
        return f"{100 * value:.{int(form[1:])}f} %"
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{int(form)}f}")


def filled(cell: str, figures: dict[str, float], before: str) -> str:
    """A cell with its figures; what it was `before` when one is not known."""
    names = re.findall(r"\{([^:}]+):(%?\d+)\}", cell)
    if any(name not in figures for name, _ in names):
        return before
    for name, form in names:
        cell = cell.replace(f"{{{name}:{form}}}", shown(figures[name], form))
    return cell


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def line_of(row: Sequence[str]) -> str:
    """A line of a table."""
    return re.sub(r"\|\s+(?=\|)", "| ", f"| {' | '.join(row)} |")


def rewritten(text: str, name: str, rows: Sequence[Row], figures: dict[str, float]) -> str:
    """A page with the rows of one table made anew; rows that TABLES does not have stay, behind the others."""
    start, end = f"<!-- results: {name} -->\n", "<!-- end of results -->"
    head, rest = text.split(start)
    body, tail = rest.split(end, 1)
    lines = body.strip().splitlines()
    before = {cells(line)[0]: cells(line) for line in lines[2:]}
    made = []
    for row in rows:
        old = before.pop(row[0], [])
        old += [""] * (len(row) - len(old))
        told = [row[0], *(filled(cell, figures, was) for cell, was in zip(row[1:], old[1:], strict=False))]
        if any(old) or any("{" in cell and filled(cell, figures, "") for cell in row[1:]):
            made.append(line_of(told))
    made += [line_of(row) for row in before.values()]
    return f"{head}{start}\n" + "\n".join([*lines[:2], *made]) + f"\n\n{end}{tail}"


def main() -> None:
    """Read the files and write the tables."""
    parser = reader(__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what a benchmark wrote with --json")
    given = parser.parse_args()
    rows: dict[str, Figure] = {}
    for file in given.files:
        rows |= {row.name: row for row in msgspec.json.decode(file.read_bytes(), type=Report).rows}
    figures = {name: row.value for name, row in rows.items() if row.value is not None}
    for page, name, table in TABLES:
        path = ROOT / page
        path.write_text(rewritten(path.read_text(encoding="utf-8"), name, table, figures), encoding="utf-8")
    finish("Results", list(rows.values()), given.json)


if __name__ == "__main__":
    main()
