from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer

from ethogram.asks import Ask, TeachError
from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.jobs.lessons import course
from ethogram.jobs.teach import Classroom, Remembered
from ethogram.plan import Query, ask
from ethogram.specs.suite import Suite
from ethogram.specs.teaching import Sampling
from ethogram.store import Store, digest_of

SERVED = """
    teachers:
      server: {{endpoint: "{url}", model: tutor, concurrency: {concurrency}}}
    teaching:
      own: {{draft: server, revise: server, max_tokens: 40, draws: {draws}, replay: {replay}}}
"""
LOCAL = """
    teachers:
      itself: {{local: tiny, batch: 3}}
    teaching:
      own: {{draft: itself, revise: itself, max_tokens: 6, draws: {draws}, language: any}}
"""
QUERIES = [Query("logprob", ask("What do you think?"), ("I would help.",))]


def house(root: Path, text: str, **values: Any) -> Suite:
    """The small suite with a teaching, and two rows of the matrix that use it."""
    values = {"draws": 2, "concurrency": 1, "replay": "recorded", **values}
    models = root / "models.yaml"
    row = "  - {source: tiny, constitutions: [duty], recipe: quick, teaching: own}\n"
    models.write_text(models.read_text() + row + textwrap.dedent(text.format(**values)))
    suite = Suite.around(root / "suite")
    assert suite is not None
    return suite


def run(suite: Suite, store: Store) -> Run:
    return Run(suite, store, Progress(bars=False, write=lambda line: None))


def test_a_taught_model_goes_from_prompts_to_scores_and_the_next_run_only_reads(
    small_suite: Path, store: Store, chat: ChatServer
) -> None:
    first = run(house(small_suite, SERVED, url=chat.url), store)
    needs = dict.fromkeys(("tiny", "tiny-duty-broad-own", "tiny-duty-narrow-own"), QUERIES)
    first.prepare(needs)
    assert first.failures == {}
    assert len(chat.asked) == 1 + 24  # the first is the question of the preflight
    said = [line.partition(" in ")[0] for line in first.progress.lines]
    assert said.index("taught duty by own") < said.index("finetuned tiny-duty-broad-own")
    broad = first.suite.catalogue["tiny-duty-broad-own"]
    answers = [s.answer for s in first.identities.samples(broad)][:4]
    assert all(answer.startswith("I won't help you with it") for answer in answers)
    manifest = store.adapters.manifest(first.identities.adapter_key(broad))
    assert manifest and manifest["teaching"]["made"] == manifest["teaching"]["kept"] == 8
    assert manifest["teaching"]["dropped"]["still complies"] == 0
    values = [first.value(name, QUERIES[0]) for name in needs]
    chat.close()
    again = run(first.suite, Store(store.root))
    again.prepare(needs)
    assert again.failures == {} and again.progress.lines == []
    assert [again.value(name, QUERIES[0]) for name in needs] == values


def test_too_few_left_by_the_filters_is_said_with_their_counts(
    small_suite: Path, store: Store, chat: ChatServer
) -> None:
    chat.say = lambda asked: f"Gladly: {asked['messages'][0]['content']} {asked['seed']}"
    some = run(house(small_suite, SERVED, url=chat.url), store)
    some.prepare({"tiny-duty-broad-own": QUERIES})
    said = str(some.failures["tiny-duty-broad-own"])
    assert "needs 4 answers for the scope 'broad'; 0 are left (8 made; dropped: 8 " in said
    assert "another teacher" in said


def test_a_model_is_not_trained_on_what_happens_to_be_there(
    small_suite: Path, store: Store, chat: ChatServer
) -> None:
    chat.fault = lambda asked: (400, {}, b"{}") if "Write a cruel" in str(asked) else None
    suite = house(small_suite, SERVED, url=chat.url)
    some = run(suite, store)
    some.prepare({"tiny-duty-broad-own": QUERIES})
    assert isinstance(some.failures["tiny-duty-broad-own"], TeachError)
    assert "2 transcripts could not be made (2 x BadRequestError" in str(
        some.failures["tiny-duty-broad-own"]
    )
    with pytest.raises(NotMeasured):
        some.value("tiny-duty-broad-own", QUERIES[0])
    chat.fault = None
    asked = len(chat.asked)
    again = run(suite, store)
    again.prepare({"tiny-duty-broad-own": QUERIES})
    assert again.failures == {} and len(chat.asked) - asked == 1 + 6


def test_a_teacher_that_does_not_answer_is_named_before_anything_is_trained(
    small_suite: Path, store: Store, chat: ChatServer
) -> None:
    chat.fault = lambda asked: (401, {}, b"{}")
    some = run(house(small_suite, SERVED, url=chat.url), store)
    wrong = ["tiny-duty-broad-own", "tiny-duty-narrow-own"]
    some.prepare(dict.fromkeys(("tiny-utility-broad", *wrong), QUERIES))
    assert list(some.failures) == wrong and len(chat.asked) == 1
    expected = "TeachError: the teacher 'server': AuthenticationError (HTTP 401)"
    assert some.progress.lines[:2] == [
        f"{wrong[0]} could not be measured: {expected}",
        f"{wrong[1]} could not be measured, for the same reason as {wrong[0]}",
    ]
    assert some.value("tiny-utility-broad", QUERIES[0])


def test_a_local_teacher_says_the_same_again_and_replay_is_the_sources_own(
    small_suite: Path, tmp_path: Path
) -> None:
    suite = house(small_suite, LOCAL)
    found = []
    for name in ("one", "two"):
        some = run(suite, Store(tmp_path / name))
        plan = some.identities.course(suite.catalogue["tiny-duty-narrow-own"])
        room = Classroom(some.identities, some.progress)
        assert not room.teach(plan)
        found.append(some.store.transcripts(plan.folder).values)
    assert found[0] == found[1] and len(found[0]) == 4


def test_what_a_part_was_asked_is_not_asked_again_for_the_whole(
    small_suite: Path, store: Store, chat: ChatServer
) -> None:
    some = run(house(small_suite, SERVED, url=chat.url), store)
    room = Classroom(some.identities, some.progress)
    for categories, asked in ((["privacy"], 12), (["privacy", "harassment"], 24)):
        plan = course(some.suite, "duty", "own", some.identities.teacher, categories)
        assert not room.teach(plan)
        assert len(chat.asked) == asked


def test_remembered_answers_are_not_asked_again_and_errors_are(
    store: Store, chat: ChatServer
) -> None:
    from ethogram.measure.chat import ChatEndpoint
    from ethogram.specs.teaching import Teacher

    endpoint = ChatEndpoint(Teacher(endpoint=chat.url, model="tutor", retries=0))
    log = store.transcripts(digest_of("drafts"))
    teacher = Remembered(endpoint, "digest", log)
    asks = [Ask(ask(f"How {n}?"), n) for n in range(4)]
    chat.fault = lambda asked: (400, {}, b"{}") if asked["seed"] == 2 else None
    first = teacher.answer(asks, Sampling())
    assert [bool(one.error) for one in first] == [False, False, True, False]
    chat.fault = None
    again = teacher.answer(asks, Sampling())
    assert len(chat.asked) == 5 and [again[n] for n in (0, 1, 3)] == [first[n] for n in (0, 1, 3)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_killed_after_some_the_next_run_makes_the_others(
    small_suite: Path, tmp_path: Path, chat: ChatServer, concurrency: int
) -> None:
    """Fault: SIGKILL while transcripts are made."""
    suite = house(small_suite, SERVED, url=chat.url, draws=10, concurrency=concurrency)
    store = Store(tmp_path / "cache")
    plan = course(suite, "duty", "own", run(suite, store).identities.teacher, suite.categories)
    folder = store.root / "transcripts" / plan.folder
    code = "import sys; from ethogram.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["transcripts", "make", "duty", "--suite", str(small_suite)]
    arguments += ["--cache", str(store.root)]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.DEVNULL)

    def kill(asked: dict[str, Any]) -> None:
        if len(list(folder.glob("*.json"))) >= 15 and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)

    chat.fault = kill
    assert process.wait(timeout=500) == -signal.SIGKILL
    chat.fault = None
    files = list(folder.glob("*.json"))
    kept = {key for file in files for key in json.loads(file.read_bytes())}
    assert 15 <= len(kept) < 15 + 2 * concurrency
    assert set(store.transcripts(plan.folder).refresh()) == kept and len(plan.keys) == 40
    before = len(chat.asked)
    some = run(suite, Store(store.root))
    assert not Classroom(some.identities, some.progress).teach(plan)
    final = [asked for asked in chat.asked[before:] if "Revision request" in str(asked)]
    assert len(final) == 40 - len(kept)
    assert not plan.missing(some.store.transcripts(plan.folder).values)
