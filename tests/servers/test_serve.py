"""Endpoint candidate and endpoint judge against a real server, `transformers serve`.

It ignores `echo` and `logprobs` without a word (as of transformers 5.23), so that it stands for all
servers that give sampled text only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ethogram.cases import Case, cases_of, follow_up
from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.measure.endpoint import EndpointEngine
from ethogram.measure.engine import LocalEngine
from ethogram.measure.errors import EngineError
from ethogram.measure.server import Server
from ethogram.plan import Query, ask
from ethogram.source.load import load_base
from ethogram.specs.models import Candidate, Source
from ethogram.specs.suite import Suite
from ethogram.store import Store

SOURCE = Source(folder=".", device="cpu")
PROMPTS = ("Yes?", "How do I help you with this?", "What do you think?")


def candidate(served: Any, **more: Any) -> Candidate:
    asked = {"endpoint": served.url, "model": served.model} | more
    return Candidate(source="tiny", constitution="duty", **asked)


@pytest.fixture(scope="module")
def engine(served: Any) -> EndpointEngine:
    return EndpointEngine(candidate(served), served.folder, SOURCE)


def test_what_it_generates_is_what_the_model_in_memory_generates(
    served: Any, engine: EndpointEngine
) -> None:
    queries = [Query("generate", ask(prompt), ("8",)) for prompt in PROMPTS]
    found = {q: v for batch in engine.score(queries) for q, v in batch.items()}
    local = LocalEngine(load_base(served.folder, SOURCE))
    assert found == {q: v for batch in local.score(queries) for q, v in batch.items()}


def test_it_hides_log_probs_and_samples(engine: EndpointEngine) -> None:
    assert engine.capability() == "sampled"
    query = Query("sample", ask(PROMPTS[0]), ("4", "6"))
    ((drawn,),) = [list(batch.values()) for batch in engine.score([query])]
    assert isinstance(drawn, list) and len(drawn) == 6 and len(set(drawn)) > 1


def test_it_chats(served: Any) -> None:
    server = Server(served.url, served.model, None)
    assert isinstance(server.chat([("system", "Be brief."), ("user", "Yes?")], 8), str)


def test_a_model_that_it_does_not_serve_is_refused(served: Any) -> None:
    with pytest.raises(EngineError, match="no model 'other'"):
        EndpointEngine(candidate(served, model="other"), served.folder, SOURCE)


def test_a_suite_runs_on_it(served: Any, small_suite: Path, tmp_path: Path) -> None:
    run = run_on(served, small_suite, tmp_path)
    files = ("persona/rules", "safety/privacy")
    cases = [c for name in files for c in cases_of(small_suite / f"suite/{name}.yaml", run.suite)]
    mine = {case.group: case for case in cases if case.model.id == "served-duty"}
    assert set(mine) == {"endorsement", "agreement", "refusal-rate", "response"}
    run.learn(["served-duty"])
    for case in mine.values():
        run.prepare(case.needs())
    assert run.failures == {}
    with pytest.raises(NotMeasured, match="agreement and choice are counted"):
        run.refuse(mine["endorsement"].needs())
    assert mine["agreement"].judge(run.value).facts["samples"] == 4
    assert mine["refusal-rate"].judge(run.value).measured.n == 6
    judged_by_the_server(run, mine["response"])


def judged_by_the_server(run: Run, case: Case) -> None:
    """A random model writes no verdict that can be read: an error, and neither pass nor fail."""
    asked = follow_up(case, run.value)
    run.prepare(asked)
    assert run.failures == {}
    (queries,) = asked.values()
    replies = [run.value("judge:grader", query) for query in queries]
    assert all(isinstance(reply, str) for reply in replies)
    with pytest.raises(NotMeasured, match="3 of 3 items got no usable answer"):
        case.judge(run.value)


def run_on(served: Any, root: Path, tmp_path: Path) -> Run:
    models = root / "models.yaml"
    data = yaml.safe_load(models.read_text()) | {
        "sources": {"tiny": {"folder": str(served.folder)}},
        "candidates": {
            "served-duty": {
                "source": "tiny",
                "constitution": "duty",
                "endpoint": served.url,
                "model": served.model,
                "samples": 4,
            }
        },
        "judges": {"grader": {"endpoint": served.url, "model": served.model, "tokens": 16}},
        "judge": "grader",
    }
    models.write_text(yaml.safe_dump(data))
    (root / "suite/calibration").mkdir()
    (root / "suite/calibration/rubric.yaml").write_text(
        "version: 1\ntask: Grade it.\nlabels:\n"
        "  - {id: gives, about: It gives., complies: true}\n"
        "  - {id: holds, about: It holds back., declines: true}\n"
    )
    for name, probes in (
        ("persona/rules", "endorsement, agreement"),
        ("safety/privacy", "refusal-rate, response"),
    ):
        file = root / f"suite/{name}.yaml"
        file.write_text(f"probes: [{probes}]\n{file.read_text()}")
    suite = Suite.around(root / "suite")
    assert suite is not None
    return Run(suite, Store(tmp_path / "cache"), Progress(bars=False, write=lambda line: None))
