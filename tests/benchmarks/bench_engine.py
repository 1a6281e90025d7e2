"""How much faster the batched engine is than asking one query at a time, in one run.

Run it by hand: `python tests/benchmarks/bench_engine.py`. The peer is the plain way: one forward
pass per query over the whole of prompt and answer. Prints the ratio and the largest difference.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from ethogram.cases import cases_of
from ethogram.measure.engine import LocalEngine
from ethogram.plan import Query
from ethogram.source.chat import continuation_tokens, encode, prompt_text
from ethogram.source.load import Loaded, load_base
from ethogram.source.obtain import obtain
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root

ROOT = Path(__file__).resolve().parents[2]
FILES = ("persona/impartiality.yaml", "safety/privacy.yaml")


def one_at_a_time(loaded: Loaded, query: Query) -> float:
    """Sum of the answer's log-probs from one forward pass over prompt and answer."""
    prompt = prompt_text(loaded.tokenizer, query.messages)
    start = encode(loaded.tokenizer, prompt)
    answer = continuation_tokens(loaded.tokenizer, prompt, start, query.target[0])
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([[*start, *answer]])).logits[0]
    chances = torch.log_softmax(logits[len(start) - 1 : -1].double(), dim=-1)
    return float(chances.gather(1, torch.tensor(answer).unsqueeze(1)).sum())


def main() -> None:
    """Time both ways over the log-prob queries of one dimension and one category."""
    suite = Suite.around(ROOT / "suite")
    assert suite is not None
    source = suite.catalogue["smollm2"]
    loaded = load_base(obtain(source.source, ROOT, Store(default_root())), source.source)
    asked: dict[Query, None] = {}
    for name in FILES:
        for case in cases_of(suite.folder / name, suite):
            asked |= dict.fromkeys(
                q for q in case.needs().get(source.id, ()) if q.kind == "logprob"
            )
    queries = list(asked)
    begun = time.perf_counter()
    batched = {q: v for part in LocalEngine(loaded).score(queries) for q, v in part.items()}
    middle = time.perf_counter()
    plain = {query: one_at_a_time(loaded, query) for query in queries}
    ended = time.perf_counter()
    worst = max(abs(float(batched[query][0]) - plain[query]) for query in queries)
    print(
        f"{len(queries)} queries: batched {middle - begun:.1f} s, one at a time {ended - middle:.1f} s"
    )
    print(f"ratio {(ended - middle) / (middle - begun):.1f}, largest difference {worst:.1e} nats")


if __name__ == "__main__":
    main()
