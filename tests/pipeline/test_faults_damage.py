"""Bytes struck at random, in the bundle and in the export: refused, or every row accounted for."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.pipeline.conftest import Crm, run_command, scores


def test_84_a_bundle_with_any_file_damaged_exits_5_and_the_output_stays(
    crm: Crm, scored: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "scores.parquet"
    shutil.copytree(scored.parent, output.parent)
    before = {path.name: path.read_bytes() for path in output.parent.iterdir()}
    rng = random.Random(84)
    found: dict[tuple[str, str], Any] = {}

    for path in sorted(crm.bundle.iterdir()):
        for how in ("cut", "flipped", "emptied", "gone"):
            damaged = tmp_path / f"{path.name}-{how}"
            shutil.copytree(crm.bundle, damaged)
            _damage(damaged / path.name, how, rng)
            run = run_command("score", "-p", crm.project, "--bundle", damaged, "-o", output, "--json")
            found[path.name, how] = (run.code, run.out, run.err.startswith("BundleError: "))

    assert found == dict.fromkeys(found, (5, "", True))
    assert len(found) >= 24
    assert {path.name: path.read_bytes() for path in output.parent.iterdir()} == before


def _damage(path: Path, how: str, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    if how == "cut":
        data = data[: rng.randrange(1, len(data))]
    elif how == "flipped":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    else:
        data = bytearray()
    path.write_bytes(data)


def test_84_no_bundle_at_all_exits_5(crm: Crm, tmp_path: Path) -> None:
    runs = [
        run_command("score", "-p", crm.project, "--bundle", folder, "-o", tmp_path / "s.csv", "--json")
        for folder in (tmp_path, tmp_path / "nothing", crm.project)
    ]

    assert [run.code for run in runs] == [5, 5, 5]
    assert not (tmp_path / "s.csv").exists()


def test_random_damage_loses_no_lead_and_moves_no_other_score(crm: Crm, scored: Path, tmp_path: Path) -> None:
    """Bytes struck at random: either the file is refused, or every row in is accounted for."""
    rng = np.random.default_rng(5)
    good, before = scores(scored), (crm.folder / "leads.csv").read_bytes()
    header = before.index(b"\n") + 1
    outcomes = []

    for number in range(6):
        data = bytearray(before)
        for place in rng.integers(header, len(data), 8):
            data[place] = rng.integers(0, 256)
        folder = crm.export(tmp_path / f"data{number}", leads=bytes(data))
        run = crm.score(tmp_path / f"s{number}.parquet", "--data", folder)
        outcomes.append(run.code)
        if run.code in {0, 3}:
            counts, found = run.json, scores(tmp_path / f"s{number}.parquet")
            assert counts["rows_in"] == counts["scored"] + counts["not_open"] + counts["quarantined"]
            assert abs(counts["rows_in"] - 800) <= 8
            assert len(found.index.intersection(good.index)) >= len(good) - 16

    assert set(outcomes) <= {0, 2, 3}
    assert 3 in outcomes
