"""What is not loaded: heavy libraries on the way to a score, pickles anywhere."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

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
WATCHED = """
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
# BESIDE
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
VISIT = """
import html, http.cookiejar, os, re, signal, threading, time, urllib.error, urllib.parse, urllib.request
base = "http://127.0.0.1:" + sys.argv[sys.argv.index("--port") + 1]
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
answers = {}
def ask(path, form=None):
    sent = urllib.parse.urlencode(form).encode() if form else None
    own = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    with browser.open(urllib.request.Request(base + path, sent, own), timeout=60) as answer:
        answers[path] = answer.status
        return answer.read().decode()
def visit():
    try:
        for _ in range(600):
            try:
                queue = ask("/")
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        links = [html.unescape(each) for each in re.findall(r'href="([^"]+)', queue)]
        lead = next(each for each in links if each.startswith("/lead?"))
        page = html.unescape(ask(lead))
        account = re.search(r'href="(/account[?][^"]+)', page)[1]
        token = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        for path in (account, "/model", "/export.csv", "/api/queue", "/api" + lead):
            ask(path)
        found = urllib.parse.parse_qs(urllib.parse.urlsplit(lead).query)["id"][0]
        ask("/lead/feedback", {"csrf": token, "id": found, "verdict": "accept", "by": "Ada"})
    except Exception as error:
        answers["fault"] = repr(error)
    finally:
        print(json.dumps(answers), flush=True)
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=visit, daemon=True).start()
"""


def _require_no_pickle(found: dict[str, Any]) -> None:
    assert found["code"] == 0
    assert found["during"] == []
    assert found["control"] == ["pickle.find_class"]  # the hook does see pickles


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

    said, told = _python(WATCHED, "score", *options)

    found = json.loads(told)
    assert json.loads(said)["scored"] > 0
    _require_no_pickle(found)
    assert not set(HEAVY) & set(found["loaded"])
    assert "lightgbm" in found["loaded"]


def test_serving_the_page_and_keeping_an_answer_loads_no_pickle(crm: Crm, tmp_path: Path) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml", '\n[ledger]\nurl = "sqlite:///ledger.db"\n')
    assert crm.score(tmp_path / "scores.parquet", "-p", project).code == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = WATCHED.replace("# BESIDE\n", VISIT)

    told = _python(serving, "review", "-p", project, "--no-browser", "--port", port)

    found, answers = json.loads(told[-1]), json.loads(next(each for each in told if each.startswith("{")))
    _require_no_pickle(found)
    assert set(answers.values()) == {200}, answers
    assert len(answers) == 8
