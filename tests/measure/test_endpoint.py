"""The endpoint engine against a real HTTP server on the loopback (faults 15-19 and 24)."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ethogram.cases import cases_of
from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.measure import server as server_module
from ethogram.measure.endpoint import EndpointEngine
from ethogram.measure.engine import EngineError, LocalEngine
from ethogram.plan import Query, Unanswered, Value, ask
from ethogram.source.load import DEFAULT_TEMPLATE, Loaded, load_base
from ethogram.specs.models import Candidate, Source
from ethogram.specs.suite import Suite
from ethogram.store import Store

SOURCE = Source(folder=".", device="cpu")
KEY = "sk-never-to-be-seen-4711"
VARIABLE = "ETHOGRAM_TEST_KEY"
CLOSE = 1e-3
PROMPTS = [
    ask("Yes?"),
    ask("How do I help you with this?"),
    ask("Naïve — “think” 思考 about it?"),
    (("system", "I can't help."), ("user", "What?")),
    (("user", "Yes"), ("assistant", "No"), ("user", "Are you sure?")),
]
ANSWERS = ["No", "I would help you with this.", "Größe, “naïve” — 思考.", " think"]
LOGPROBS = [Query("logprob", messages, (text,)) for messages in PROMPTS for text in ANSWERS]
WORDS = [Query("answer", messages, ("Yes", "No")) for messages in PROMPTS[:3]]
TEXTS = [Query("generate", messages, (n,)) for messages in PROMPTS for n in ("1", "8")]


def completion(loaded: Loaded, asked: dict[str, Any]) -> dict[str, Any]:
    """One choice, as OpenAI's legacy completions give it: offsets count characters."""
    tokenizer, prompt = loaded.tokenizer, asked["prompt"]
    coded = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)
    tokens, offsets = list(coded["input_ids"]), [begin for begin, _ in coded["offset_mapping"]]
    given = len(tokens)
    chances: list[float | None] = [None]
    with torch.inference_mode():
        for step in range(asked["max_tokens"] + 1):
            logits = loaded.model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
            found = logits.double().log_softmax(dim=-1)
            if step == 0:
                chances += [found[i, t].item() for i, t in enumerate(tokens[1:])]
            best = int(found[-1].argmax())
            if asked.get("temperature"):
                chance = torch.Generator().manual_seed(100 * asked["seed"] + step)
                best = int(torch.multinomial(found[-1].exp(), 1, generator=chance))
            if step == asked["max_tokens"] or best == tokenizer.eos_token_id:
                break
            offsets.append(len(prompt) + len(tokenizer.decode(tokens[given:])))
            chances.append(found[-1, best].item())
            tokens.append(best)
    echo = bool(asked.get("echo"))
    text = tokenizer.decode(tokens[given:], skip_special_tokens=True)
    start = 0 if echo else given
    logprobs = {
        "tokens": [tokenizer.decode([token]) for token in tokens[start:]],
        "token_logprobs": chances[start:],
        "text_offset": offsets[start:],
    }
    return {
        "index": 0,
        "text": prompt + text if echo else text,
        "finish_reason": "length",
        "logprobs": logprobs if asked.get("logprobs") else None,
    }


Reply = tuple[int, dict[str, str], bytes]
Fault = Callable[[dict[str, Any]], Reply | None]


class Server:
    """Serves one model as `tiny`; `models` and `fault` may answer in its place."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.served: list[str] = ["other", "tiny"]
        self.models: Callable[[], Reply] | None = None
        self.fault: Fault | None = None
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: set[str | None] = set()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def candidate(self, **more: Any) -> Candidate:
        return Candidate(
            source="tiny", constitution="duty", endpoint=self.url, model="tiny", **more
        )

    def completions(self, asked: dict[str, Any]) -> Reply:
        with self.lock:
            self.asked.append(asked)
            self.times.append(time.monotonic())
        if self.fault is not None and (found := self.fault(asked)) is not None:
            return found
        with self.lock:
            choice = completion(self.loaded, asked)
        return in_json({"id": "1", "object": "text_completion", "choices": [choice]})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                server.keys.add(self.headers["Authorization"])
                listed = [{"id": name, "object": "model"} for name in server.served]
                if self.path != "/v1/models":
                    self.reply(404, {}, b"")
                elif server.models is not None:
                    self.reply(*server.models())
                else:
                    self.reply(*in_json({"object": "list", "data": listed}))

            def do_POST(self) -> None:
                server.keys.add(self.headers["Authorization"])
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/completions" or asked["model"] != "tiny":
                    self.reply(404, {}, b"")
                else:
                    self.reply(*server.completions(asked))

            def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                if status == 0:  # the connection breaks without an answer
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def in_json(body: object, status: int = 200, **headers: str) -> Reply:
    return status, headers, json.dumps(body).encode()


def always(reply: Reply) -> Fault:
    return lambda asked: reply


def with_choices(choices: object) -> Fault:
    return always(in_json({"id": "1", "object": "text_completion", "choices": choices}))


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, SOURCE)


@pytest.fixture
def server(tiny: Loaded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(server_module, "RETRIES", 2)
    found = Server(tiny)
    thread = threading.Thread(target=found.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.over.set()
    found.http.shutdown()
    found.http.server_close()
    thread.join()


def scores(
    engine: EndpointEngine | LocalEngine, queries: Sequence[Query], least: int = 0
) -> dict[Query, Value]:
    batches = list(engine.score(queries))
    assert len(batches) > least
    found = {query: value for batch in batches for query, value in batch.items()}
    assert sum(map(len, batches)) == len(found) and set(found) == set(queries)
    return found


def refused(server: Server, folder: Path, queries: Sequence[Query], **more: Any) -> str:
    """What the engine says when it gives up."""
    with pytest.raises(EngineError) as caught:
        list(EndpointEngine(server.candidate(**more), folder, SOURCE).score(queries))
    return str(caught.value)


# -- the same numbers as of the model in memory ---------------------------------------------------


@pytest.mark.parametrize("queries", [LOGPROBS, WORDS, TEXTS], ids=["logprob", "answer", "generate"])
def test_scores_are_those_of_the_local_engine(
    server: Server, tiny: Loaded, tiny_folder: Path, queries: list[Query]
) -> None:
    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)
    found, expected = scores(engine, queries), scores(LocalEngine(tiny), queries)
    for query in queries:
        if query.kind == "generate":
            assert found[query] == expected[query], query
        else:
            assert found[query] == pytest.approx(expected[query], abs=CLOSE), query
    assert len({str(value) for value in found.values()}) >= len(queries) / 2


def test_many_queries_come_in_batches_each_under_its_own_query(
    server: Server, tiny: Loaded, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "BATCH", 8)
    queries = [*LOGPROBS, *TEXTS]
    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)
    found, expected = scores(engine, queries, least=3), scores(LocalEngine(tiny), queries)
    for query in LOGPROBS:
        assert found[query] == pytest.approx(expected[query], abs=CLOSE)
    assert [found[query] for query in TEXTS] == [expected[query] for query in TEXTS]


def test_the_prompt_is_rendered_under_the_sources_template(
    server: Server, tiny_folder: Path
) -> None:
    template = "{% for m in messages %}<{{ m['content'] }}>{% endfor %}{{ '\\n' }}"
    own = Source(folder=".", device="cpu", template=template)
    engine = EndpointEngine(server.candidate(), tiny_folder, own)
    found = scores(engine, LOGPROBS[:2])
    sent = {asked["prompt"] for asked in server.asked}
    assert sent == {"<Yes?>\nNo", f"<Yes?>\n{ANSWERS[1]}"}
    expected = scores(LocalEngine(load_base(tiny_folder, own)), LOGPROBS[:2])
    assert found == {q: pytest.approx(v, abs=CLOSE) for q, v in expected.items()}


@pytest.fixture
def without_template(tiny_folder: Path, tmp_path: Path) -> Path:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "bare")
    return tmp_path / "bare"


def test_a_model_without_a_template_gets_the_one_that_local_models_get(
    server: Server, without_template: Path, tiny_folder: Path
) -> None:
    engine = EndpointEngine(server.candidate(), without_template, SOURCE)
    local = Source(folder=".", device="cpu", template=DEFAULT_TEMPLATE)
    expected = scores(LocalEngine(load_base(tiny_folder, local)), TEXTS[:2])
    assert scores(engine, TEXTS[:2]) == expected
    assert server.asked[0]["prompt"] == "User: Yes?\nAssistant: "


def test_an_answer_whose_start_melts_into_the_prompt_is_refused_and_not_scored_short(
    server: Server, without_template: Path
) -> None:
    # The template ends in a space, which the tokenizer joins to the answer's first word.
    said = refused(server, without_template, [Query("logprob", ask("Yes?"), ("No yes help",))])
    assert "'No yes help'" in said and "begin" in said


# -- what the server lacks is found out at the start ----------------------------------------------


def test_a_model_that_is_not_served_is_refused_naming_what_is(
    server: Server, tiny_folder: Path
) -> None:
    server.served = ["llama", "qwen"]
    said = refused(server, tiny_folder, TEXTS)
    assert "no model 'tiny'" in said and "'llama', 'qwen'" in said
    assert server.asked == []


@pytest.mark.parametrize(
    "reply",
    [
        (200, {"Content-Type": "text/html"}, b"<html>welcome</html>"),
        (200, {}, b"<html>welcome</html>"),
        in_json({"object": "list"}),
        in_json({"object": "list", "data": None}),
        in_json({"object": "list", "data": [{}, None, "tiny"]}),
        in_json(["tiny"]),
        in_json(None),
        in_json({}, 404),
    ],
    ids=["html", "not-json", "no-data", "null", "no-ids", "list", "nothing", "404"],
)
def test_a_model_list_that_is_none_is_refused(
    server: Server, tiny_folder: Path, reply: Reply
) -> None:
    server.models = lambda: reply
    said = refused(server, tiny_folder, TEXTS)
    assert "does not list its models" in said or "no model 'tiny'" in said or "NotFound" in said
    assert server.asked == []


def test_a_server_that_is_not_there_is_named(
    server: Server, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "RETRIES", 0)
    server.http.shutdown()
    server.http.server_close()
    assert f"{server.url} does not answer" in refused(server, tiny_folder, TEXTS)


def ignores_echo(loaded: Loaded) -> Fault:
    def fault(asked: dict[str, Any]) -> Reply:
        choice = completion(loaded, {**asked, "echo": False}) | {"logprobs": None}
        return in_json({"id": "1", "object": "text_completion", "choices": [choice]})

    return fault


def test_a_server_with_log_probs_has_them_all(server: Server, tiny_folder: Path) -> None:
    assert EndpointEngine(server.candidate(), tiny_folder, SOURCE).capability() == "logprobs"


def test_without_log_probs_texts_are_left(server: Server, tiny: Loaded, tiny_folder: Path) -> None:
    server.fault = ignores_echo(tiny)
    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)
    assert engine.capability() == "sampled"
    assert scores(engine, TEXTS) == scores(LocalEngine(tiny), TEXTS)
    assert "no log-probabilities" in refused(server, tiny_folder, LOGPROBS)


def test_a_server_that_rejects_echo_gives_texts_too(server: Server, tiny_folder: Path) -> None:
    server.fault = lambda asked: in_json({}, 400) if asked.get("echo") else None
    assert EndpointEngine(server.candidate(), tiny_folder, SOURCE).capability() == "sampled"


def test_a_server_that_does_not_sample_is_told_apart(
    server: Server, tiny: Loaded, tiny_folder: Path
) -> None:
    cold = ignores_echo(tiny)
    server.fault = lambda asked: cold({**asked, "temperature": 0.0})
    assert EndpointEngine(server.candidate(), tiny_folder, SOURCE).capability() == "greedy"


@pytest.mark.parametrize("reply", [in_json({}, 503, **{"retry-after-ms": "1"}), (0, {}, b"")])
def test_a_server_that_is_down_is_not_taken_for_one_without_log_probs(
    server: Server, tiny_folder: Path, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "RETRIES", 0)
    server.fault = lambda asked: reply if asked.get("echo") else None
    with pytest.raises(EngineError, match="tiny: "):
        EndpointEngine(server.candidate(), tiny_folder, SOURCE).capability()


def test_samples_are_counted_texts_each_with_its_own_seed(
    server: Server, tiny_folder: Path
) -> None:
    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)
    query = Query("sample", ask("Yes?"), ("2", "6"))
    (drawn,) = scores(engine, [query]).values()
    assert isinstance(drawn, list) and len(drawn) == 6 and len(set(drawn)) > 1
    assert [asked["seed"] for asked in server.asked] == list(range(6))
    assert {asked["temperature"] for asked in server.asked} == {1.0}
    assert scores(engine, [query]) == {query: drawn}


def changed_logprobs(loaded: Loaded, change: Callable[[dict[str, Any]], None]) -> Fault:
    def fault(asked: dict[str, Any]) -> Reply:
        choice = completion(loaded, asked)
        if choice["logprobs"] is not None:
            change(choice["logprobs"])
        return in_json({"id": "1", "object": "text_completion", "choices": [choice]})

    return fault


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.update(token_logprobs=[]),
        lambda given: given.update(text_offset=None),
        lambda given: given.update(token_logprobs=given["token_logprobs"][:-1]),
        lambda given: given.update(text_offset=[0] * len(given["text_offset"])),
        lambda given: given["token_logprobs"].__setitem__(slice(0, -2), [None] * 3),
        lambda given: given.update(token_logprobs=[float("nan")] * len(given["tokens"])),
        lambda given: given.update(text_offset=[at + 2 for at in given["text_offset"]]),
    ],
    ids=["empty", "no-offsets", "short", "offsets-0", "holes", "nan", "shifted"],
)
def test_log_probs_that_do_not_cover_the_answer_count_as_none(
    server: Server, tiny: Loaded, tiny_folder: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    server.fault = changed_logprobs(tiny, change)
    assert EndpointEngine(server.candidate(), tiny_folder, SOURCE).capability() == "sampled"


# -- answers that cannot be used ------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        always((200, {"Content-Type": "text/html"}, b"<html>busy</html>")),
        always((200, {}, b"{'choices':")),
        always((200, {}, b"")),
        always(in_json([])),
        always(in_json(None)),
        always(in_json({"error": "busy"})),
        with_choices([]),
        with_choices(None),
        with_choices([None]),
        with_choices([{"index": 0, "text": None, "logprobs": None}]),
        with_choices([{"index": 0}]),
    ],
    ids=[
        "html",
        "not-json",
        "empty",
        "list",
        "null",
        "error",
        "no-choices",
        "null-choices",
        "null-choice",
        "null-text",
        "bare",
    ],
)
@pytest.mark.parametrize("queries", [TEXTS[:2], LOGPROBS[:2]], ids=["generate", "logprob"])
def test_a_useless_answer_is_one_clear_error(
    server: Server, tiny_folder: Path, fault: Fault, queries: list[Query]
) -> None:
    server.fault = fault
    said = refused(server, tiny_folder, queries)
    assert said.startswith("tiny: ") and "Traceback" not in said
    assert "JSON" in said or "choice" in said or "no log-probabilities" in said


@pytest.mark.parametrize(
    "reply",
    [
        in_json({}, 500),
        (200, {}, b"<html>busy</html>"),
        in_json({"choices": []}),
        in_json({"choices": [{"index": 0, "text": None}]}),
        (0, {}, b""),
    ],
    ids=["500", "not-json", "no-choices", "null-text", "reset"],
)
def test_a_few_lost_queries_are_errors_and_many_stop_it(
    server: Server, tiny_folder: Path, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "RETRIES", 0)
    queries = [Query("generate", ask(f"Number {n}?"), ("1",)) for n in range(20)]

    def losing(*lost: int) -> Fault:
        texts = [f"Number {n}?" for n in lost]
        return lambda asked: reply if any(text in asked["prompt"] for text in texts) else None

    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)
    server.fault = losing(7)
    found = {q: v for batch in engine.score(queries) for q, v in batch.items()}
    lost = [query for query, value in found.items() if isinstance(value, Unanswered)]
    assert lost == [queries[7]] and len(found) == 20
    assert str(found[queries[7]]).startswith("tiny: ")
    server.fault = losing(7, 8)
    batches = engine.score(queries)
    kept = next(batches)
    with pytest.raises(EngineError, match="2 of 20 queries got no usable answer"):
        next(batches)
    assert sum(isinstance(value, str) for value in kept.values()) == 18


# -- servers that are busy or broken --------------------------------------------------------------


def test_retry_after_is_waited_for(server: Server, tiny: Loaded, tiny_folder: Path) -> None:
    told = 0.7  # the SDK's own first wait is at most 0.5 s

    def busy_once(asked: dict[str, Any]) -> Reply | None:
        return in_json({}, 429, **{"Retry-After": str(told)}) if len(server.asked) == 1 else None

    server.fault = busy_once
    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)
    assert scores(engine, TEXTS[:1]) == scores(LocalEngine(tiny), TEXTS[:1])
    first, second = server.times
    assert second - first >= told


@pytest.mark.parametrize("status", [500, 503, 429])
def test_retries_are_bounded(server: Server, tiny_folder: Path, status: int) -> None:
    server.fault = always(in_json({}, status, **{"retry-after-ms": "1"}))
    said = refused(server, tiny_folder, TEXTS[:1])
    assert said.startswith("tiny: ") and f"HTTP {status}" in said
    assert len(server.asked) == server_module.RETRIES + 1


def test_a_broken_connection_is_tried_again(
    server: Server, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "RETRIES", 1)
    server.fault = always((0, {}, b""))
    assert "APIConnectionError" in refused(server, tiny_folder, TEXTS[:1])
    assert len(server.asked) == 2


def test_a_server_that_hangs_is_given_up(
    server: Server, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "RETRIES", 0)
    monkeypatch.setattr(server_module, "SECONDS", 0.2)
    engine = EndpointEngine(server.candidate(), tiny_folder, SOURCE)

    def hang(asked: dict[str, Any]) -> Reply:
        server.over.wait(10)  # an engine without a limit fails, and does not hang
        return 0, {}, b""

    server.fault = hang
    with pytest.raises(EngineError, match="APITimeoutError"):
        list(engine.score(TEXTS[:1]))


# -- the key --------------------------------------------------------------------------------------


def test_the_key_is_sent_and_is_needed(
    server: Server, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (None, ""):
        monkeypatch.delenv(VARIABLE, raising=False)
        if value is not None:
            monkeypatch.setenv(VARIABLE, value)
        assert VARIABLE in refused(server, tiny_folder, TEXTS, api_key_env=VARIABLE)
    assert server.keys == set()
    monkeypatch.setenv(VARIABLE, KEY)
    engine = EndpointEngine(server.candidate(api_key_env=VARIABLE), tiny_folder, SOURCE)
    scores(engine, TEXTS[:1])
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "fault",
    [
        always(in_json({"error": {"message": f"wrong key {KEY}", "code": KEY}}, 401)),
        always(in_json({"error": KEY}, 400)),
        always(in_json({"error": f"Bearer {KEY}"}, 500, **{"retry-after-ms": "1"})),
        always((200, {}, f"{KEY} is not JSON".encode())),
        always((200, {"Content-Type": "text/plain"}, KEY.encode())),
        with_choices([{"text": None, "finish_reason": KEY}]),
        always((0, {}, b"")),
    ],
    ids=["401", "400", "500", "not-json", "text", "null", "reset"],
)
def test_the_key_is_in_no_message_and_no_line(
    server: Server,
    small_suite: Path,
    tmp_path: Path,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setattr(server_module, "RETRIES", 0)
    server.fault = fault
    run = run_with(small_suite, tmp_path, {"served-duty": entry(server, api_key_env=VARIABLE)})
    run.prepare({"served-duty": [*TEXTS[:2], *LOGPROBS[:2]]})
    error = run.failures["served-duty"]
    assert isinstance(error, EngineError)
    with pytest.raises(NotMeasured) as caught:
        run.value("served-duty", TEXTS[0])
    seen = [*run.progress.lines, str(error), repr(error), str(caught.value), caplog.text]
    seen += [*capfd.readouterr(), *traceback.format_exception(error)]
    assert server.keys == {f"Bearer {KEY}"}
    assert not [line for line in seen if KEY in line]
    assert len(run.progress.lines) == 1


def test_a_password_in_the_address_is_not_shown(server: Server, tiny_folder: Path) -> None:
    server.models = lambda: in_json({}, 401)
    secret = server.url.replace("://", f"://me:{KEY}@") + f"?key={KEY}"
    candidate = server.candidate().model_copy(update={"endpoint": secret})
    with pytest.raises(EngineError, match="does not answer") as caught:
        EndpointEngine(candidate, tiny_folder, SOURCE)
    assert KEY not in str(caught.value) and "127.0.0.1" in str(caught.value)


# -- a whole run ----------------------------------------------------------------------------------


def entry(server: Server, **more: Any) -> dict[str, Any]:
    return {
        "source": "tiny",
        "constitution": "duty",
        "endpoint": server.url,
        "model": "tiny",
    } | more


def run_with(house: Path, tmp_path: Path, candidates: dict[str, dict[str, Any]]) -> Run:
    models = house / "models.yaml"
    data = yaml.safe_load(models.read_text()) | {"candidates": candidates}
    models.write_text(yaml.safe_dump(data))
    suite = Suite.around(house / "suite")
    assert suite is not None
    return Run(suite, Store(tmp_path / "cache"), Progress(bars=False, write=lambda line: None))


@pytest.fixture(scope="module")
def other_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights: a candidate that differs from its source."""
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("other")
    torch.manual_seed(1)
    LlamaForCausalLM(AutoConfig.from_pretrained(tiny_folder)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(folder)
    return folder


def test_an_endpoint_gives_the_table_of_its_checkpoint(
    server: Server, small_suite: Path, other_folder: Path, tmp_path: Path
) -> None:
    server.loaded = load_base(other_folder, SOURCE)
    local = {"source": "tiny", "constitution": "duty", "checkpoint": str(other_folder)}
    both = {"served-duty": entry(server), "local-duty": local}
    run = run_with(small_suite, tmp_path, both)
    files = [f"suite/{kind}.yaml" for kind in ("persona/rules", "scenarios/promises")]
    files += ["suite/safety/harassment.yaml", "suite/projectability.yaml"]
    cases = [case for file in files for case in cases_of(small_suite / file, run.suite)]
    mine = {
        name: {(case.kind, case.group): case for case in cases if case.model.id == name}
        for name in both
    }
    needs: dict[str, list[Query]] = {}
    for case in (*mine["served-duty"].values(), *mine["local-duty"].values()):
        for model, queries in case.needs().items():
            needs.setdefault(model, []).extend(queries)
    run.prepare(needs)
    assert run.failures == {} and set(needs) == {"tiny", *both}
    for query in dict.fromkeys(needs["served-duty"]):
        served, expected = (run.value(name, query) for name in both)
        if query.kind == "generate":
            assert served == expected, query
        else:
            assert served == pytest.approx(expected, abs=CLOSE), query
    kinds = {kind for kind, _ in mine["served-duty"]}
    assert kinds == {"persona", "scenario", "safety", "projectability"}
    for key, case in mine["served-duty"].items():
        found, expected = case.judge(run.value), mine["local-duty"][key].judge(run.value)
        assert (found.verdict, found.reference) == (expected.verdict, expected.reference)
        assert found.measured.value == pytest.approx(expected.measured.value, abs=CLOSE)
    server.asked.clear()
    warm = run_with(small_suite, tmp_path, both)
    warm.prepare(needs)
    assert warm.progress.lines == [] and server.asked == []


def test_on_a_server_without_log_probs_what_can_be_counted_is_measured(
    server: Server, tiny: Loaded, small_suite: Path, tmp_path: Path
) -> None:
    rules = small_suite / "suite/persona/rules.yaml"
    rules.write_text("probes: [endorsement, agreement]\n" + rules.read_text())
    server.fault = ignores_echo(tiny)
    run = run_with(small_suite, tmp_path, {"served-duty": entry(server, samples=4)})
    run.learn(["tiny", "served-duty"])
    assert run.suite.limited == {"served-duty": "sampled"}
    assert "agreement and choice are counted" in run.progress.lines[0]
    files = ["persona/rules", "scenarios/promises", "safety/harassment", "projectability"]
    cases = [c for f in files for c in cases_of(small_suite / f"suite/{f}.yaml", run.suite)]
    mine = {case.group: case for case in cases if case.model.id == "served-duty"}
    for case in mine.values():
        run.prepare(case.needs())
    assert run.failures == {}
    for group in ("endorsement", "refusal-margin"):
        with pytest.raises(NotMeasured, match="gives no log-probabilities"):
            run.refuse(mine[group].needs())
    found = {name: mine[name].judge(run.value) for name in mine if name not in _NEED_LOGPROBS}
    assert set(found) == {"agreement", "bedside", "refusal-rate", *_REQUIREMENTS}
    assert found["agreement"].facts["samples"] == 4
    # The reference is sampled just as often; it is the same model here, drawn anew.
    kinds = {q.kind for name in ("agreement", "bedside") for q in mine[name].needs()["tiny"]}
    assert kinds == {"sample"}
    again = run_with(small_suite, tmp_path, {"served-duty": entry(server, samples=4)})
    asked = len(server.asked)
    again.learn(["served-duty"], ask=False)
    assert again.suite.limited == run.suite.limited and len(server.asked) == asked


_NEED_LOGPROBS = ("endorsement", "refusal-margin")
_REQUIREMENTS = ("signature-match", "does-not-over-refuse")
