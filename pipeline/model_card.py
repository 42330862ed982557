"""The model card: one page of markdown that travels with a version, for whoever decides about its use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from features.durations import MICROSECONDS, format_duration
from features.settings import TargetSettings
from pipeline import report_content as content
from pipeline.config import Project
from pipeline.console import printable
from pipeline.leak_hunt import own_name
from pipeline.parts import weak_words
from pipeline.record import TrainingRecord
from pipeline.report_words import CHECKS, METRICS, REASONS, RUNGS, STATUS, VERDICTS

__all__ = ["model_card"]

SHOWN = ("auc", "average_precision", "log_loss", "brier", "ece", "calibration_ratio", "recall_at_20")
MOST_NAMES = 25
USE = (
    "For ordering open leads for sales, with the chance of each and the reasons behind it, so that people decide "
    "whom to call first."
)
NOT_FOR = (
    "As proof of a cause: a reason goes with the score, changing it need not change the outcome.",
    "For decisions on people's rights or access, such as credit, employment, insurance or eligibility.",
    "To rate persons beyond their interest in an offer, or to single out people by what the law protects.",
    "Outside the population below: other products, markets, sources of leads or ways of selling.",
    "As the only ground for never contacting a lead: leads nobody works have no chance to prove it wrong.",
)
LIMITS = (
    "The chance holds under the sales practice of the training period; a lead nobody worked counts as it ended.",
    "The figures are the recipe's on a test it had not seen; the version itself was then fitted on all mature rows.",
    "It knows only what the tables told before the moment of scoring. Late or missing events make a lead look asleep.",
    "It ages: train again as outcomes come in, and read the new version's card.",
)


def model_card(record: TrainingRecord) -> str:
    """The card as markdown, about one page; the same record gives the same bytes.

    No row of the data is shown, only counts and figures.
    """
    parts = [
        _head(record),
        _question(record.project),
        f"## Use\n\n{USE}\n\nNot for:\n\n{_listed(NOT_FOR)}",
        _data(record),
        _performance(record),
        _checks(record),
    ]
    if record.bundle is not None and record.verdict != "refused":
        parts.append(_inputs(record))
    parts += [
        _weak(record),
        f"## Limits\n\n{_listed([*LIMITS, *map(_prose, record.evaluation.notes)])}",
    ]
    return "\n\n".join([*parts, _back(record)]) + "\n"


def _head(record: TrainingRecord) -> str:
    _, verdict, meaning = VERDICTS[record.verdict]
    bundle = record.bundle
    named = (
        f"version {_code(bundle.model_version)}" if bundle and record.verdict != "refused" else "no version"
    )
    rung = RUNGS[record.evaluation.recipe.rung].lower()
    return (
        f"# Model card: {_code(record.project.name)}, {named}\n\n"
        f"A lead-scoring model ({rung}). {verdict} at training: {meaning}.\n\n{_prose(record.words[0])}"
    )


def _question(project: Project) -> str:
    target, mode = project.target, project.snapshots.mode
    if mode == "static" and project.static is not None:
        lines = [
            "Scored is one lead.",
            f"It converts if {_code(project.static.label)} is {_either(project.static.positive)}.",
            "Moment: a flat export has none; every field counts as it stands in the export.",
        ]
        return f"## The question\n\n{_listed(lines)}"
    of_product = f" of {_code(target.product)}" if target.product else ""
    converts = f"its first end{of_product} from then on is {_either(target.won)}"
    lines = [
        "Scored is one lead at one moment.",
        f"It converts if {converts}, within {_span(target.horizon)}.",
    ]
    moments = {
        "calendar": f"every {_span(project.snapshots.every)}, all leads open then",
        "age": f"{_joined(_span(age) for age in project.snapshots.ages)} after a lead was made",
    }
    lines.append(f"Moments learned from: {moments[mode]}. Known is what lies strictly before the moment.")
    return f"## The question\n\n{_listed([*lines, *_delays(target)])}"


def _delays(target: TargetSettings) -> Iterator[str]:
    if target.outcome_grace:
        yield f"Outcomes within {_span(target.outcome_grace)} of the moment are left out."
    if target.outcome_delay:
        yield f"Outcomes are taken to be on record {_span(target.outcome_delay)} after they happen."


def _data(record: TrainingRecord) -> str:
    dataset = record.dataset
    rows = [
        (
            each.name,
            each.period or "-",
            f"{each.rows:,}",
            f"{each.leads:,}",
            f"{each.conversions:,}",
            each.rate,
        )
        for each in content.slice_rows(record)
    ]
    lines = [f"{len(dataset.data.leads):,} leads were read; {_population(record.project)}."]
    if dataset.data_end is not None:
        lines.append(f"The data ends on {dataset.data_end:%Y-%m-%d %H:%M} UTC.")
    for what, counts in (
        ("Rows left out", dataset.left_out),
        ("Lead rows in quarantine", record.quarantined),
        ("Events removed", record.cleaned),
    ):
        found = [f"{n:,} {REASONS.get(name, name.replace('_', ' '))}" for name, n in counts.items() if n]
        lines.append(f"{what}: {_prose('; '.join(found)) if found else 'none'}.")
    table = _table(("part", "period", "rows", "leads", "conversions", "rate"), rows)
    return f"## Data and population\n\n{table}\n\n{_listed(lines)}"


def _population(project: Project) -> str:
    if project.snapshots.mode == "static":
        return "learned from are those with a label, scored are those without"
    return "one counts at every such moment at which it was open: made before, and neither won nor lost yet"


def _performance(record: TrainingRecord) -> str:
    found, size = record.evaluation.intervals, record.evaluation.sizes["test"]
    rows = []
    for name in (each for each in SHOWN if each in found):
        words, form, meaning = METRICS[name]
        rows.append((words, *content.ranged(found[name], form), meaning))
    n = f"{size.rows:,} rows, {size.leads:,} leads, {size.conversions:,} conversions"
    return (
        f"## Performance\n\nOn the test, read once, later than all that was learned from (n = {n}); intervals of 95 %, "
        f"clustered by account, else lead.\n\n{_table(('figure', 'value', 'interval', 'meaning'), rows)}"
    )


def _checks(record: TrainingRecord) -> str:
    lines = [
        f"{CHECKS.get(each.name, each.name)}: **{STATUS[each.status]}**. {_prose(each.words)}"
        for each in record.checks
    ]
    return f"## Checks\n\n{_listed(lines)}"


def _inputs(record: TrainingRecord) -> str:
    families = Counter(str(each.family) for each in record.catalogue.features)
    usable, attributes = record.dataset.sources.usable(), record.project.attributes
    used = {each.source for each in record.catalogue.features if each.family in {"explicit", "account"}}
    aside = sorted(set(record.dataset.sources.attributes.kinds()) - set(usable))
    hunt = record.bundle.manifest.get("leak_hunt", {}) if record.bundle else {}
    hunted = hunt.get("left_out", [])
    by_hunt = {own_name(each["table"], each["column"], record.project) for each in hunted}
    barred = sorted(set(attributes.barred) - by_hunt)
    lines = [
        f"{len(record.catalogue):,} features: {', '.join(f'{n} {name}' for name, n in sorted(families.items()))}.",
        f"Attributes read: {_names(sorted(name for name in usable if name in used))}.",
        f"Event types declared: {_names(sorted(record.project.events.types))}.",
    ]
    if aside:
        lines.append(f"Left out, for only today's value is known: {_names(aside)}.")
    if barred:
        lines.append(f"Left out by the project: {_names(barred)}.")
    lines += [
        f"Left out by the leak hunt: {_code(each['column'])} ({_prose(each['evidence'])})." for each in hunted
    ]
    lines += [
        f"Used on the project's word, though it looks like a leak: {_code(each['column'])}."
        for each in hunt.get("trusted", [])
    ]
    return f"## What it reads\n\n{_listed(lines)}"


def _weak(record: TrainingRecord) -> str:
    lines = [_prose(each) for each in weak_words(record.slices)] or ["No month, band or segment stood out."]
    unseen = record.evaluation.unseen_accounts
    if unseen is not None:
        value, interval = content.ranged(unseen, "3")
        lines.append(f"On accounts it had never met the AUC is {value} ({interval}).")
    return f"## Where it is weak\n\n{_listed(lines)}"


def _back(record: TrainingRecord) -> str:
    if record.verdict == "refused":
        return "## Going back\n\nNothing was registered; the champion, if there is one, stays in use."
    return (
        '## Going back\n\n`lead-scoring rollback --why "..."` makes the champion before it champion again; '
        "`lead-scoring models` lists the versions and who appointed them. Scores are then made by the old version at "
        "the next `lead-scoring score`; 50 and 80 mean the same chance in both unless bands were set anew."
    )


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(_code(name) for name in names[:MOST_NAMES])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{shown}{more}" if shown else "none"


def _either(names: Sequence[str]) -> str:
    return " or ".join(_code(name) for name in names)


def _joined(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _code(name: str) -> str:
    """A name from the data or the project file; nothing in it is read as markdown."""
    text = printable(" ".join(name.split())).replace("`", "'").replace("|", "/")
    return f"`{text}`"


def _prose(words: str) -> str:
    """Sentences that may hold names from the data: no tags, no table, no code, no picture."""
    text = printable(" ".join(words.split()))
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "/"), ("`", "'"), ("](", "] (")):
        text = text.replace(sign, safe)
    return text


def _span(microseconds: int) -> str:
    days, rest = divmod(microseconds, MICROSECONDS["d"])
    if rest:
        return format_duration(microseconds)
    return f"{days} day" if days == 1 else f"{days} days"
