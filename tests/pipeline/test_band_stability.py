"""Who changes band with a new model, by hand, against the scorer's own output, and where it can't be told."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.catalogue import Catalogue
from features.contracts import Tables
from features.settings import AttributeGroup
from models.bands import Anchors
from models.bundle import Bundle, load_bundle
from models.classifier import LogisticRung
from models.encoding import Encoding
from models.settings import BandSettings
from pipeline import band_stability as module
from pipeline.band_stability import BandStability, band_check, band_stability
from pipeline.config import Project, load_project
from pipeline.dataset import sources_of
from pipeline.open_leads import leads_to_score
from pipeline.tables import load_tables
from tests.pipeline.conftest import Crm, scores
from tests.pipeline.small_crm import crm_of, day, model_bundle, project_of, table_bundle


def silent(_: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def project(crm: Crm) -> Project:
    return load_project(crm.project)


@pytest.fixture(scope="module")
def tables(project: Project) -> Tables:
    return load_tables(project)


@pytest.fixture(scope="module")
def bundle(crm: Crm) -> Bundle:
    return load_bundle(crm.bundle)


def with_lines(bundle: Bundle, p_mql: float, p_sql: float) -> Bundle:
    """The same model with other lines."""
    return replace(bundle, scorer=replace(bundle.scorer, anchors=Anchors(p_mql, p_sql)))


def with_number(bundle: Bundle, name: str) -> Bundle:
    """The same model, said to read one more number of a lead."""
    attributes = bundle.sources.attributes
    group = attributes.at_creation
    more = AttributeGroup.model_validate({**group.model_dump(), "number": (*group.number, name)})
    sources = replace(bundle.sources, attributes=attributes.model_copy(update={"at_creation": more}))
    return replace(bundle, sources=sources)


def test_the_same_model_moves_nobody(project: Project, tables: Tables, bundle: Bundle, scored: Path) -> None:
    found = band_stability(project, tables, bundle, bundle, silent)

    assert found is not None
    assert (found.up, found.down, found.unknown, found.share) == (0, 0, 0, 0.0)
    counts = Counter(scores(scored)["band"])
    assert found.moves == {(band, band): n for band, n in counts.items()}


@pytest.mark.parametrize("chunk_rows", [7, 20_000])
def test_other_lines_move_just_those_between_old_and_new(
    project: Project, tables: Tables, bundle: Bundle, scored: Path, chunk_rows: int
) -> None:
    chance = scores(scored)["probability"]
    p_mql, p_sql = (float(line) for line in np.quantile(chance, [0.5, 0.95]))
    old, new = with_lines(bundle, 0.02, 0.3), with_lines(bundle, p_mql, p_sql)
    chunked = project.model_copy(
        update={"score": project.score.model_copy(update={"chunk_rows": chunk_rows})}
    )

    found = band_stability(chunked, tables, old, new, silent)

    def place(p: float, mql: float, sql: float) -> int:
        return int(p >= mql) + int(p >= sql)

    pairs = Counter((place(p, 0.02, 0.3), place(p, p_mql, p_sql)) for p in chance)
    names = ("below", "MQL", "SQL")
    assert found is not None
    assert found.moves == {(names[a], names[b]): n for (a, b), n in pairs.items()}
    assert found.up == sum(n for (a, b), n in pairs.items() if b > a)
    assert found.down == sum(n for (a, b), n in pairs.items() if b < a)
    assert found.up + found.down > 0
    assert found.n == len(chance)


def test_a_band_with_another_name_and_the_same_line_is_the_same(
    project: Project, tables: Tables, bundle: Bundle
) -> None:
    german = BandSettings(mql_name="warm", sql_name="heiss", below_name="kalt")

    found = band_stability(
        project, tables, bundle, replace(bundle, scorer=replace(bundle.scorer, bands=german)), silent
    )

    assert found is not None
    assert found.share == 0.0
    assert set(found.moves) <= {("below", "kalt"), ("MQL", "warm"), ("SQL", "heiss")}


def test_a_further_band_is_a_line_of_its_own(project: Project, tables: Tables, bundle: Bundle) -> None:
    four = replace(bundle, scorer=replace(bundle.scorer, bands=BandSettings(further={"hot": 65.0})))

    found = band_stability(project, tables, bundle, four, silent)

    assert found is not None
    assert (found.up, found.down) == (found.moves.get(("MQL", "hot"), 0), 0)
    assert found.up > 0


def test_a_champion_that_reads_another_column_has_the_files_read_again(
    project: Project, tables: Tables, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = bundle.sources.attributes.at_creation.category[0]
    group = project.attributes.at_creation
    fewer = AttributeGroup.model_validate(
        {**group.model_dump(), "category": tuple(each for each in group.category if each != name)}
    )
    less = project.attributes.model_copy(update={"at_creation": fewer})
    narrow = project.model_copy(update={"attributes": less})
    read: list[str] = []

    def read_again(*_: object) -> Tables:
        read.append(name)
        return tables

    monkeypatch.setattr(module, "tables_for", read_again)
    vouched = bundle.sources.attributes.model_copy(update={"trusted": (name,)})
    other = replace(bundle, sources=replace(bundle.sources, attributes=vouched))

    found = band_stability(narrow, tables, bundle, other, silent)

    assert found is not None
    assert read == [name]


def test_only_leads_that_both_models_meet_are_compared(
    project: Project, tables: Tables, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = leads_to_score(tables, bundle, project, None)
    few = replace(whole, rows=whole.rows.take(np.arange(40)))
    given = iter((whole, few))
    monkeypatch.setattr(module, "leads_to_score", lambda *_: next(given))

    found = band_stability(project, tables, with_trust(bundle), bundle, silent)

    assert found is not None
    assert found.n == 40


def with_trust(bundle: Bundle) -> Bundle:
    """The same model with other settings that change no feature."""
    events = bundle.sources.events.model_copy(update={"trusted": ("nothing",)})
    return replace(bundle, sources=replace(bundle.sources, events=events))


def test_where_the_files_no_longer_hold_what_the_champion_reads_nothing_is_compared(
    project: Project, tables: Tables, bundle: Bundle
) -> None:
    told: list[str] = []

    found = band_stability(project, tables, with_number(bundle, "shoe_size"), bundle, told.append)

    assert found is None
    assert told[-1].startswith("bands are not compared, the champion can't score these tables: ")
    assert "shoe_size" in told[-1]


def test_by_hand_one_of_three_leads_rises_and_too_few_are_not_judged() -> None:
    tables = replace(crm_of(), data_end=day(74))
    table, model = table_bundle(tables, version="old"), model_bundle(tables)
    assert len(leads_to_score(tables, model, project_of(), None).rows) == 3

    found = band_stability(project_of(), tables, table, model, silent)

    assert found == BandStability({("below", "MQL"): 3}, up=3, down=0)
    assert found.words == "Only 3 leads are open: too few to tell how many would change band."
    assert band_check(found, 0.5).status == "not_shown"


def test_a_margin_that_is_no_number_is_unknown_and_fails(
    project: Project, tables: Tables, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        """A rung that knows nothing."""

        def margin(self, X: np.ndarray) -> np.ndarray:
            return np.where(np.arange(len(X)) == 0, np.nan, 0.0)

    broken = replace(bundle, scorer=replace(bundle.scorer, rung=Broken()))  # type: ignore[arg-type]

    found = band_stability(project, tables, bundle, broken, silent)

    assert found is not None
    assert (found.unknown, math.isnan(found.share)) == (1, True)
    check = band_check(found, 0.5)
    assert check.status == "failed"
    assert check.words.startswith(f"1 of {found.n:,} open leads have no band by one of the two models.")


@pytest.mark.parametrize(
    ("moved", "most", "status"),
    [(0, 0.5, "passed"), (50, 0.5, "passed"), (51, 0.5, "failed"), (1, math.nan, "failed")],
)
def test_the_limit_itself_passes_and_no_number_fails(moved: int, most: float, status: str) -> None:
    found = BandStability({("MQL", "below"): moved, ("MQL", "MQL"): 100 - moved}, up=0, down=moved)

    assert band_check(found, most).status == status


def test_the_words_say_how_many_and_what_to_do() -> None:
    found = BandStability(
        {("below", "MQL"): 100, ("SQL", "MQL"): 131, ("below", "below"): 1_723}, up=100, down=131
    )

    check = band_check(found, 0.1)

    said = "Of 1,954 open leads 231 (12 %) would change band: 100 up, 131 down."
    assert found.words == said
    assert check.words == (
        f"{said} At most 10 % may (gate.band_changes_most), so it stays challenger; "
        "lead-scoring promote makes it champion on your word."
    )
    assert (check.name, check.value, check.limit) == ("band_stability", 231 / 1_954, (0.1,))
    assert found.to_json()["moves"] == {"SQL": {"MQL": 131}, "below": {"MQL": 100, "below": 1_723}}


def test_one_lead_of_many_is_less_than_one_percent() -> None:
    found = BandStability({("below", "MQL"): 1, ("below", "below"): 999}, up=1, down=0)

    assert "1 (less than 1 %) would change band" in found.words


def test_29_leads_show_nothing_and_30_do() -> None:
    few, enough = (BandStability({("below", "MQL"): n}, up=n, down=0) for n in (29, 30))

    assert (band_check(few, 0.5).status, band_check(enough, 0.5).status) == ("not_shown", "failed")


def test_lines_set_anew_on_purpose_do_not_block() -> None:
    found = BandStability({("below", "MQL"): 40}, up=40, down=0)

    check = band_check(found, 0.5, is_re_anchored=True)

    assert check.status == "not_shown"
    assert "set anew (bands.re_anchor)" in check.words


def test_of_a_flat_export_the_leads_without_a_label_are_compared(tmp_path: Path) -> None:
    text = '[data.leads]\npath = "leads.csv"\n[snapshots]\nmode = "static"\n[static]\nlabel = "bought"\norder = "row"\n'
    (tmp_path / "lead-scoring.toml").write_text(text, encoding="utf-8")
    flat = load_project(tmp_path / "lead-scoring.toml")
    sold = ["1", "0"] * 50
    model, nothing = model_bundle(crm_of()), np.zeros(0)
    rung = LogisticRung(
        Encoding(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), (), nothing, nothing),
        nothing,
        0.0,
        0,
    )
    scorer = replace(model.scorer, rung=rung, catalogue=Catalogue(()))
    still = replace(model, scorer=scorer, sources=sources_of(flat))

    def compared(labels: list[str]) -> BandStability | None:
        lines = [f"F{number:03d},{label}" for number, label in enumerate(labels)]
        (tmp_path / "leads.csv").write_text("\n".join(["lead_id,bought", *lines, ""]), encoding="utf-8")
        return band_stability(flat, load_tables(flat), still, still, silent)

    with_open = compared([*sold, *[""] * 40])

    assert with_open is not None
    assert (with_open.n, with_open.share) == (40, 0.0)
    assert compared(sold) is None
