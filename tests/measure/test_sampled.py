from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ethogram.asks import Ask
from ethogram.measure import sampled
from ethogram.measure.engine import LocalEngine
from ethogram.measure.sampled import LocalAnswerer, draw
from ethogram.plan import Query, ask
from ethogram.source.load import Loaded, load_base
from ethogram.specs.models import Source
from ethogram.specs.teaching import Sampling

ASKS = [Ask(ask("What do you think about this? " * n), n) for n in (1, 4, 2, 3, 1)]
SAMPLING = Sampling(max_tokens=12, temperature=0.8, top_p=0.9)


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> Loaded:
    return load_base(tiny_folder, Source(folder=".", device="cpu"))


def test_the_same_seed_gives_the_same_answer_in_any_batch(loaded: Loaded) -> None:
    together = LocalAnswerer(loaded, 16).answer(ASKS, SAMPLING)
    again = LocalAnswerer(loaded, 2).answer(list(reversed(ASKS)), SAMPLING)
    assert together == list(reversed(again))
    assert together[0] != together[4] or ASKS[0].seed == ASKS[4].seed
    other = [Ask(one.messages, one.seed + 100) for one in ASKS]
    assert LocalAnswerer(loaded, 16).answer(other, SAMPLING) != together


def test_temperature_zero_says_what_the_engine_says_greedily(loaded: Loaded) -> None:
    greedy = LocalAnswerer(loaded, 3).answer(ASKS, Sampling(max_tokens=8, temperature=0))
    queries = [Query("generate", one.messages, ("8",)) for one in ASKS]
    expected = {}
    for batch in LocalEngine(loaded).score(queries):
        expected |= batch
    assert [one.text for one in greedy] == [str(expected[q]).strip() for q in queries]


def test_an_answer_is_finished_when_its_stop_token_came(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = loaded.tokenizer.eos_token_id
    monkeypatch.setattr(sampled, "draw", lambda logits, *_: torch.full((len(logits),), stop))
    ended = LocalAnswerer(loaded, 4).answer(ASKS[:1], SAMPLING)
    assert ended[0].finished and ended[0].text == ""
    monkeypatch.setattr(sampled, "draw", lambda logits, *_: torch.full((len(logits),), 40))
    assert not LocalAnswerer(loaded, 4).answer(ASKS[:1], SAMPLING)[0].finished


def test_draws_follow_the_nucleus_in_their_shares() -> None:
    chances = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits = chances.log().repeat(4000, 1)
    numbers = (torch.arange(4000) + 0.5) / 4000
    found = torch.bincount(draw(logits, numbers, 1.0, 0.9), minlength=4) / 4000
    # The nucleus of 0.9 is the first three tokens, rescaled.
    assert found.tolist() == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], abs=1e-3)
    whole = torch.bincount(draw(logits, numbers, 1.0, 1.0), minlength=4) / 4000
    assert whole.tolist() == pytest.approx(chances.tolist(), abs=1e-3)
    assert set(draw(logits, numbers, 0.0, 1.0).tolist()) == {0}
    assert set(draw(logits, numbers, 1.0, 1e-9).tolist()) == {0}


def test_a_nucleus_wider_than_the_first_look_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    logits, numbers = torch.randn(64, 50), torch.rand(64)
    whole = draw(logits, numbers, 1.3, 0.95)
    monkeypatch.setattr(sampled, "LIKELY", 3)
    assert torch.equal(draw(logits, numbers, 1.3, 0.95), whole)


def test_out_of_memory_halves_the_batch(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    answerer = LocalAnswerer(loaded, 8, said.append)
    whole = answerer.answer(ASKS, SAMPLING)
    inner = LocalAnswerer._said

    def short(self: LocalAnswerer, batch: list[sampled.Numbered], how: Sampling) -> object:
        if len(batch) > 2:
            raise RuntimeError("out of memory")
        return inner(self, batch, how)

    monkeypatch.setattr(LocalAnswerer, "_said", short)
    assert answerer.answer(ASKS, SAMPLING) == whole and said
