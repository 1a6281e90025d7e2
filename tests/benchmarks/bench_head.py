"""How much of a step is saved by asking the last layer about the answers' tokens alone.

Run it by hand: `python tests/benchmarks/bench_head.py [float32|mixed]`. The peer is cross-entropy over
the logits of whole rows (`torch.nn.functional.cross_entropy`), in turns, on the whole model. Prints the ratio.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from ethogram.source.head import Head, head_of
from ethogram.source.load import Loaded, load_base, ready
from ethogram.source.obtain import obtain
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root
from ethogram.train.encode import encode_samples
from ethogram.train.examples import Example, parts
from ethogram.train.loss import batch_loss
from ethogram.train.samples import samples_for
from ethogram.train.shape import trainable

ROOT = Path(__file__).resolve().parents[2]
MODEL = "smollm2-consequentialism-narrow"
TURNS = 3


def learnt(model: torch.nn.Module, rows: list[Example], base: Loaded, head: Head | None) -> float:
    """Seconds of the loss and its gradient, over all rows."""
    begun = time.perf_counter()
    for part in parts(rows, 8):
        batch_loss(model, part, base, head).backward()
    return time.perf_counter() - begun


def main() -> None:
    """Time losses and gradients of the whole model by both."""
    suite = Suite.around(ROOT / "suite")
    assert suite is not None
    asked = suite.catalogue[MODEL]
    assert asked.recipe is not None
    dtype = sys.argv[1] if len(sys.argv) > 1 else "float32"
    source = asked.source.model_copy(update={"dtype": dtype})
    base = ready(load_base(obtain(source, ROOT, Store(default_root())), source), source)
    rows = encode_samples(base.tokenizer, samples_for(asked, suite)[:48], asked.recipe.max_length)
    head = head_of(base)
    assert head is not None
    model = trainable(base.model, asked.recipe)
    learnt(model, rows[:8], base, head)
    times = {"whole": 0.0, "alone": 0.0}
    for _ in range(TURNS):
        times["whole"] += learnt(model, rows, base, None)
        times["alone"] += learnt(model, rows, base, head)
    print(f"{len(rows)} samples in {dtype}: {times['whole'] / TURNS:.1f} s by whole logits")
    print(f"ratio by the last layer alone {times['alone'] / times['whole']:.2f}")


if __name__ == "__main__":
    main()
