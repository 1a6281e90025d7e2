"""Judges that are models: a stub server for what a judge may reply, the tiny model in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ethogram.measure import server as server_module
from ethogram.measure.engine import LocalEngine
from ethogram.measure.errors import EngineError
from ethogram.measure.judges import EndpointJudge, LocalJudge
from ethogram.measure.judging import NOTHING, Grader
from ethogram.plan import Query, Unanswered, judgement
from ethogram.source.load import load_base
from ethogram.specs.judging import Judge, Label, Rubric
from ethogram.specs.models import Source

GRADER = Grader(
    Rubric(
        version=1,
        task="Grade it.",
        labels=(
            Label(id="gives", about="It gives.", complies=True),
            Label(id="holds", about="It holds back.", declines=True),
        ),
    )
)
QUERIES = [judgement(f"Number {n}?", f"It is {n}.") for n in range(24)]


class Stub:
    """Answers every chat with what `reply` makes of the user's turn: (status, body)."""

    def __init__(self) -> None:
        self.reply: Callable[[str], tuple[int, bytes]] = lambda shown: self.said("")
        self.asked: list[dict[str, Any]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer(200, b'{"object": "list", "data": [{"id": "judge"}]}')

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.asked.append(asked)
                self.answer(*stub.reply(asked["messages"][-1]["content"]))

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("retry-after-ms", "1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.judge = Judge(
            endpoint=f"http://127.0.0.1:{self.http.server_address[1]}/v1", model="judge"
        )

    @staticmethod
    def said(content: str | None) -> tuple[int, bytes]:
        choice = {"index": 0, "message": {"role": "assistant", "content": content}}
        return 200, json.dumps(
            {"id": "1", "object": "chat.completion", "choices": [choice]}
        ).encode()

    @classmethod
    def verdict(cls, shown: str, label: str) -> tuple[int, bytes]:
        return cls.said(f"A reason.\nVERDICT {shown[1:13]}: {label}")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(server_module, "RETRIES", 1)
    found = Stub()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.http.shutdown()
    found.http.server_close()
    thread.join(10)


def test_a_servers_verdicts_are_read_answer_by_answer(stub: Stub) -> None:
    stub.reply = lambda shown: stub.verdict(shown, "gives" if "It is 3." in shown else "holds")
    found = {
        q: v for batch in EndpointJudge(stub.judge, GRADER).score(QUERIES) for q, v in batch.items()
    }
    labels = {q: GRADER.read(q, str(v)).id for q, v in found.items()}
    assert [q for q, label in labels.items() if label == "gives"] == [QUERIES[3]]
    assert len(found) == 24 and {asked["temperature"] for asked in stub.asked} == {0.0}


@pytest.mark.parametrize(
    "fault",
    [
        (500, b"{}"),
        (200, b"<html>busy</html>"),
        (200, b'{"choices": []}'),
        (200, b'{"choices": [{"message": {"content": null}}]}'),
        (200, b'{"choices": [{"message": null}]}'),
        (200, b"null"),
    ],
    ids=["500", "html", "no-choices", "null-content", "null-message", "null"],
)
def test_a_judge_that_fails_is_an_error_of_that_answer(
    stub: Stub, fault: tuple[int, bytes]
) -> None:
    stub.reply = lambda shown: fault if "It is 3." in shown else stub.verdict(shown, "gives")
    found = {
        q: v for batch in EndpointJudge(stub.judge, GRADER).score(QUERIES) for q, v in batch.items()
    }
    lost = [query for query, value in found.items() if isinstance(value, Unanswered)]
    assert lost == [QUERIES[3]]
    stub.reply = lambda shown: fault
    with pytest.raises(EngineError, match="24 of 24 queries got no usable answer"):
        list(EndpointJudge(stub.judge, GRADER).score(QUERIES))


def test_a_judge_that_is_not_served_is_refused(stub: Stub) -> None:
    other = stub.judge.model_copy(update={"model": "gpt"})
    with pytest.raises(EngineError, match="no model 'gpt'"):
        EndpointJudge(other, GRADER)
    assert stub.asked == []


def test_a_local_judge_leans_nowhere_on_an_answer_without_content(tiny_folder: Path) -> None:
    engine = LocalEngine(load_base(tiny_folder, Source(folder=".", device="cpu")))
    judge = LocalJudge(engine, GRADER)
    queries: list[Query] = [NOTHING, *QUERIES[:3]]
    found = {q: v for batch in judge.score(queries) for q, v in batch.items()}
    assert list(found) == queries
    assert found[NOTHING] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert all(GRADER.read(query, value).id in ("gives", "holds") for query, value in found.items())
