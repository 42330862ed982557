"""What is not loaded: heavy libraries on the way to a score, pickles anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.pipeline.conftest import Crm

ROOT = Path(__file__).parents[2]
HEAVY = ("mlflow", "shap", "optuna", "pyspark", "fastapi", "matplotlib", "sqlalchemy", "duckdb", "polars")
WALK = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
names = []
for root in ("features", "models", "pipeline"):
    package = importlib.import_module(root)
    names += [root, *(each.name for each in pkgutil.walk_packages(package.__path__, root + "."))]
for name in names:
    # these work on databases or serve pages; who needs one of them asks for it late
    if not name.startswith(("pipeline.ledger.", "pipeline.review.")) and name != "pipeline.tables.sql":
        importlib.import_module(name)
loaded = sorted({each.split(".")[0] for each in set(sys.modules) - before})
print(json.dumps({"names": names, "loaded": loaded}))
"""
SCORE = """
import json, sys
seen = []
def watch(event, _):
    if not event.startswith("pickle."):
        return
    frame, files = sys._getframe(), []
    while frame is not None:
        files.append(frame.f_code.co_filename.replace(chr(92), "/"))
        frame = frame.f_back
    # numba keeps its own compiled loops beside their source, the way Python keeps bytecode
    if not any(file.endswith("numba/core/caching.py") for file in files):
        seen.append(event)
sys.addaudithook(watch)
from pipeline.cli import main
sys.argv = ["lead-scoring", *sys.argv[1:]]
code = None
try:
    main()
except SystemExit as left:
    code = left.code
during = list(seen)
import pickle
pickle.loads(pickle.dumps(pickle.PickleError))
roots = sorted({each.split(".")[0] for each in sys.modules})
print(json.dumps({"code": code, "during": during, "control": seen[len(during):], "loaded": roots}))
"""


def _python(code: str, *arguments: object) -> list[str]:
    command = [sys.executable, "-c", code, *(str(each) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_importing_every_module_loads_none_of_the_heavy_libraries() -> None:
    found = json.loads(_python(WALK)[-1])

    files = [path for name in ("features", "models", "pipeline") for path in (ROOT / name).rglob("*.py")]
    files = [
        path for path in files if path.parent.name != "versions"
    ]  # migrations are no modules: Alembic reads them
    assert {"pipeline.cli", "pipeline.tracking", "pipeline.report", "models.bundle"} <= set(found["names"])
    assert len(found["names"]) == len(files)
    assert not set(HEAVY) & set(found["loaded"])


def test_scoring_with_a_bundle_folder_loads_no_mlflow_and_no_pickle(crm: Crm, tmp_path: Path) -> None:
    options = ("-p", crm.project, "--bundle", crm.bundle, "-o", tmp_path / "scores.parquet", "--json")

    said, told = _python(SCORE, "score", *options)

    found = json.loads(told)
    assert json.loads(said)["scored"] > 0
    assert found["code"] == 0
    assert found["during"] == []
    assert found["control"] == ["pickle.find_class"]  # the hook does see pickles
    assert not set(HEAVY) & set(found["loaded"])
    assert "lightgbm" in found["loaded"]
