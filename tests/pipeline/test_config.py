"""The project file: all faults at once, each with its path and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ConfigError
from pipeline.config import load_project

GOOD = """
name = "firm"
[data]
data_end = 2026-01-01
[data.leads]
path = "leads.csv"
[data.outcomes]
path = "outcomes.csv"
[target]
horizon = "30d"
"""


def _load(folder: Path, text: str | bytes) -> str:
    """The words of the refusal."""
    path = folder / "lead-scoring.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_project(path)
    return str(caught.value)


def test_paths_resolve_against_the_files_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lead-scoring.toml"
    path.parent.mkdir()
    path.write_text(GOOD, encoding="utf-8")

    project = load_project(path)
    moved = load_project(path, tmp_path / "elsewhere")

    assert project.table_path(project.data.leads) == path.parent / "leads.csv"
    assert moved.table_path(moved.data.leads) == tmp_path / "elsewhere" / "leads.csv"
    assert project.output_folder == moved.output_folder == path.parent / "out"
    assert project.tracking_uri == f"sqlite:///{path.parent.resolve() / 'out' / 'mlflow.db'}"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "lead-scoring.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())

    assert load_project(path).name == "firm"


@pytest.mark.parametrize(
    "written", ["2026-01-01", '"2026-01-01"', '"2026-01-01T00:00:00Z"', '"2026-01-01T01:00+01:00"']
)
def test_the_end_of_the_data_is_one_aware_moment_however_written(tmp_path: Path, written: str) -> None:
    path = tmp_path / "lead-scoring.toml"
    path.write_text(GOOD.replace("2026-01-01", written), encoding="utf-8")

    end = load_project(path).data.data_end

    assert end is not None
    assert end.timestamp() == 1_767_225_600


def test_all_faults_come_in_one_message_with_path_and_nearest_name(tmp_path: Path) -> None:
    text = GOOD.replace("horizon", "horizn").replace("[data.outcomes]", "[data.outcoms]")
    text += '[model]\nsed = 1\nthreads = 0\n[snapshots]\nevery = "often"\n[bandz]\nmql = 1\n'

    said = _load(tmp_path, text)

    assert "7 faults" not in said
    assert "6 faults:" in said
    assert "target.horizn: unknown key. Did you mean 'horizon'?" in said
    assert "data.outcoms: unknown key. Did you mean 'outcomes'?" in said
    assert "model.sed: unknown key. Did you mean 'seed'?" in said
    assert "model.threads: Input should be greater than or equal to 1; got 0" in said
    assert "snapshots.every: 'often' is no duration" in said
    assert "bandz: unknown key. Did you mean 'bands'?" in said


@pytest.mark.parametrize("name", ["zoom", "stage", "words", "direction"])
def test_inside_an_event_type_of_any_name_the_nearest_key_is_offered(tmp_path: Path, name: str) -> None:
    said = _load(tmp_path, GOOD + f'[events.types.{name}]\nwrds = "x"\n')

    assert f"events.types.{name}.wrds: unknown key. Did you mean 'words'?" in said


def test_inside_a_rule_of_the_points_table_the_nearest_key_is_offered(tmp_path: Path) -> None:
    said = _load(tmp_path, GOOD + '[[points.rules]]\nattribute = "a"\npints = 3\n')

    assert "points.rules.0.pints: unknown key. Did you mean 'points'?" in said


def test_a_key_without_a_near_name_lists_what_there_is(tmp_path: Path) -> None:
    assert "score.zzzz: unknown key. Known here: top_reasons, chunk_rows" in _load(
        tmp_path, GOOD + "[score]\nzzzz = 1\n"
    )


@pytest.mark.parametrize(
    ("trusted", "cure"),
    [("Lead Scor", "did you mean 'Lead Score'"), ("sorce", "did you mean 'source'"), ("x", "declare")],
)
def test_trust_in_a_column_that_is_not_declared_is_refused(tmp_path: Path, trusted: str, cure: str) -> None:
    columns = GOOD.replace('path = "leads.csv"', 'path = "leads.csv"\ncolumns = { score = "Lead Score" }')
    given = '[attributes]\ntrusted = ["score", "Lead Score", "{}"]\n[attributes.at_creation]\n'
    said = _load(tmp_path, columns + given.format(trusted) + 'category = ["source"]\nnumber = ["score"]\n')

    assert f"attributes.trusted names no declared attribute: {trusted}; {cure}" in said


def test_the_folder_cannot_be_set_from_inside_the_file(tmp_path: Path) -> None:
    said = _load(tmp_path, 'root = "/etc"\n' + GOOD)

    assert "root: unknown key" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2026-01-01", "5", "data.data_end: write a date or a time"),
        ("2026-01-01", '"soon"', "data.data_end: "),
        ("2026-01-01", "2026-01-01\nquarantine_limit = nan", "data.quarantine_limit"),
        ("2026-01-01", '2026-01-01\ntime_zone = "Mars/Base"', "no such time zone"),
        ('"firm"', '"../firm"', "name: use 1 to 80"),
        ('"leads.csv"', '"leads.csv"\ndelimiter = "\\""', "data.leads.delimiter"),
        ('"leads.csv"', '"leads.csv"\ntime_format = "ISO"', "data.leads.time_format: write the form with %"),
        ('"30d"', '"0d"', "target.horizon"),
        ('"30d"', "30", "target.horizon"),
        ("[data.outcomes]\n" + 'path = "outcomes.csv"', "", "needs the table data.outcomes"),
        ("[target]", '[snapshots]\nmode = "static"\n[target]', "needs a section [static]"),
        ("[target]", "[bands]\nmql = 0.9\nsql = 0.7\n[target]", "needs 0 < mql < sql < 1"),
        ("[target]", "[points]\nmql = 30\nsql = 10\n[target]", "points.mql must be below points.sql"),
        ("[target]", '[model]\nrungs = ["blend"]\n[target]', "'blend' needs 'logistic' and 'lightgbm'"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    told = _load(tmp_path, GOOD.replace(old, new))

    assert "1 fault:" in told
    assert said in told
    assert "{" not in told


@pytest.mark.parametrize("content", [b"a = = 3", b"name = '\xff'", b"", b"data = 3"])
def test_what_is_no_project_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "lead-scoring.toml" in _load(tmp_path, content)


def test_a_folder_is_no_project_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load_project(tmp_path)


WORDING = """
[wording]
file = "german.toml"
thousands = " "
[wording.phrases]
"reason.rest" = "Rest"
"""
GERMAN = """
language = "de"
decimal = ","
thousands = "."
[phrases]
date = "{day}.{month}."
[phrases.reason]
rest = "Übriges"
limit = "Grenze"
"""


def _write_wording(folder: Path, text: str, german: str = GERMAN) -> Path:
    path = folder / "lead-scoring.toml"
    path.write_text(GOOD + text, encoding="utf-8")
    (folder / "german.toml").write_text(german, encoding="utf-8")
    return path


def test_phrases_beside_the_wording_file_win_over_those_in_it(tmp_path: Path) -> None:
    project = load_project(_write_wording(tmp_path, WORDING))

    phrases = project.phrases

    assert phrases.language == "de"
    assert (phrases.text("reason.rest"), phrases.text("reason.limit")) == ("Rest", "Grenze")
    assert phrases.number(12_345.0) == "12 345"
    assert phrases.date(0) == "01.01."
    assert "phrases" not in project.plain_settings()["wording"]


def test_a_project_without_wording_reads_english(tmp_path: Path) -> None:
    phrases = load_project(_write_wording(tmp_path, "")).phrases

    assert (phrases.language, phrases.text("reason.rest")) == ("en", "Everything else")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rest =", "rst =", "reason.rst: there is no such phrase. Did you mean 'reason.rest'?"),
        ('"Grenze"', '"{x}"', "reason.limit: {x} is no placeholder of this phrase"),
        ("decimal", "decimel", "wording.decimel: unknown key. Did you mean 'decimal'?"),
        ('"Grenze"', "5", "wording.phrases: reason.limit: a text, or a list of texts, expected; got 5"),
        ('language = "de"', 'file = "other.toml"', "names another wording file"),
        ('language = "de"', "= =", "can't be read as TOML"),
        ('language = "de"', 'plural = "n is 1"', "wording.plural: 'n is 1' is no plural expression"),
    ],
)
def test_a_fault_of_the_wording_file_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = _write_wording(tmp_path, WORDING, GERMAN.replace(old, new))

    with pytest.raises(ConfigError) as caught:
        load_project(path)

    assert said in str(caught.value)
    assert "german.toml" in str(caught.value)


def test_a_wording_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = _load(tmp_path, GOOD + WORDING)

    assert f"There is no wording file {tmp_path / 'german.toml'}" in said


@pytest.mark.parametrize("wording", ["wording = 3\n", "[wording]\nphrases = 3\n", "[wording]\nfile = 3\n"])
def test_wording_of_another_shape_is_refused(tmp_path: Path, wording: str) -> None:
    text = wording + GOOD if wording.startswith("wording") else GOOD + wording

    assert "wording" in _load(tmp_path, text)


def test_the_words_of_a_project_name_attributes_events_and_rules(tmp_path: Path) -> None:
    text = """
[features.words]
job = "Beruf"
demo = "Demos"
[events.types.demo]
words = "Demo-Termine"
[events.types.visit]
[[points.rules]]
attribute = "job"
values = { admin = 1 }
words = "Beruf laut Tabelle"
[[points.rules]]
event = "demo"
points = 2
"""

    words = load_project(_write_wording(tmp_path, text)).words

    assert words == {
        "job": "Beruf", "demo": "Demos", "type:demo": "Demo-Termine", "points:job": "Beruf laut Tabelle",
    }  # fmt: skip
