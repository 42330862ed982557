"""What the leads are worth: money promised against money that came, by decile and month, and who finds more."""

from __future__ import annotations

from dataclasses import dataclass

from models.intervals import Interval
from models.value_totals import TotalFigures, money_curve
from pipeline.plots import money_plot
from pipeline.record import TrainingRecord
from pipeline.report_figures import Ranged, Row, Table, cell, formed, sized
from pipeline.report_pictures import Picture
from pipeline.value import CHANCE, PROBABILITY, SHARES, VALUE, Worth

__all__ = ["WorthSection", "money", "worth_pictures", "worth_section"]

NOTE = (
    "Losers count as 0. Below each figure: its 95 % interval, whole accounts drawn. That of promised / came also "
    "covers how sure the level of the promises is (development's accounts drawn, both models together); it does "
    "not cover the shape of the models, which are not refitted in each draw, nor chances or amounts that drift."
)


@dataclass(frozen=True)
class WorthSection:
    """Words and tables of the section."""

    words: tuple[str, ...]
    tables: tuple[Table, ...]


def worth_section(record: TrainingRecord) -> WorthSection | None:
    """The section; None where value is off."""
    worth = record.worth
    if worth is None:
        return None
    tables = [
        _total_table(worth),
        _found_table(worth),
        _parts_table("decile", "By tenth of the list", worth.deciles),
    ]
    if len(worth.months) > 1:
        tables.append(_parts_table("part", "In time", worth.months))
    return WorthSection((*_counted(worth), *_open(worth), *_customers(worth)), tuple(tables))


def worth_pictures(record: TrainingRecord) -> list[Picture]:
    """Share of the money by share of the list, by expected value and by probability."""
    worth = record.worth
    if worth is None or not worth.came.any():
        return []
    rankings = {VALUE: worth.expected, PROBABILITY: worth.p}
    lines = {f"by {name}": money_curve(ranking, worth.came) for name, ranking in rankings.items()}
    caption = "On the test; losers bring nothing."
    return [Picture("money", "How much money the top of the list finds", caption, money_plot(lines))]


def money(value: float) -> str:
    """An amount without cents, a comma at the thousands.

    Examples
    --------
    >>> money(1234.5)
    '1,234'
    """
    return f"{value:,.0f}"


def _money_cell(each: Interval) -> Ranged:
    is_shown = each.low == each.low
    return Ranged(
        money(each.value), f"{money(each.low)} to {money(each.high)}" if is_shown else "too few to tell"
    )


def _total_table(worth: Worth) -> Table:
    return Table(
        "Promised and came, in money",
        ("All of the test", "Rows", "Won", "Promised", "Came", "Promised / came"),
        (_row("All rows", worth.total),),
        note=NOTE,
    )


def _row(name: str, each: TotalFigures) -> Row:
    ratio = cell(each.ratio, "2")
    return Row((name, *sized(each.rows, each.wins), money(each.promised), _money_cell(each.came), ratio))


def _parts_table(kind: str, title: str, parts: tuple[TotalFigures, ...]) -> Table:
    names = {"decile": "Tenth by expected value", "part": "Part of the test"}
    return Table(
        f"{title}, in money",
        (names[kind], "Rows", "Won", "Promised", "Came", "Promised / came"),
        tuple(_row(each.name, each) for each in parts),
    )


def _found_table(worth: Worth) -> Table:
    rows = []
    for share in SHARES:
        cells = [cell(worth.found[name, share], "%") for name in (VALUE, PROBABILITY)]
        gain = cell(worth.found[f"{VALUE} gain", share], "%")
        rows.append(Row((formed(share, "%"), *cells, formed(worth.found[CHANCE, share].value, "%"), gain)))
    return Table(
        "Share of the money that the top of the list finds",
        ("Best of the list", "By expected value", "By probability", "In any order", "Value over probability"),
        tuple(rows),
        note=f"n = {worth.total.rows:,} rows, {worth.total.wins:,} won. Last column: the difference, same draws.",
    )


def _counted(worth: Worth) -> list[str]:
    if worth.amounts.rounds:
        how = f"What a win brings is told by {worth.amounts.rounds} trees with a gamma deviance, fitted on wins alone."
    elif worth.has_few:
        how = f"What a win brings is the plain mean: {worth.wins:,} won leads are fewer than value.needs."
    else:
        how = (
            "What a win brings is the plain mean: out of fold, trees did not tell large wins from small ones."
        )
    missing, low = worth.left_out
    lost = ""
    if missing or low:
        lost = (
            f" Of {worth.won_rows:,} rows that were won, {missing:,} have no amount and {low:,} one not above 0; they "
            "are left out."
        )
    top = f" The largest 1 % of the won rows make {formed(worth.top_share, '%')} of the money."
    share = ""
    if worth.known_share < 1:
        known = formed(worth.known_share, "%")
        share = (
            f" {known} of the test's wins have an amount; what was promised is lowered by that to compare."
        )
    return [f"{how}{lost}{top}{share}"]


def _open(worth: Worth) -> list[str]:
    if worth.open_total is None:
        return []
    total = worth.open_total
    return [
        f"The {worth.n_open:,} leads open at the end of the data are expected to bring {money(total.value)} within the "
        f"horizon; 95 of 100 such lists bring {money(total.low)} to {money(total.high)} (wins drawn independently, "
        "amounts around their expectation, the level as sure as above)."
    ]


def _customers(worth: Worth) -> list[str]:
    return [] if worth.customers is None else list(worth.customers.words)
