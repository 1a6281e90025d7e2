"""What a batch costs: the answers' negative log-likelihood, and the margin over rejected ones.

Batches are padded on the left, so that the answers stand together at the end and logits are
computed for them only (over a whole batch of sequences the logits would dominate memory).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from ethogram.source.chat import common_length
from ethogram.source.head import Head
from ethogram.source.load import Loaded, cached
from ethogram.train.examples import ROWS, Example, left_padded, parts, seen
from ethogram.train.upper import Upper


def batch_loss(
    model: Any, batch: Sequence[Example], base: Loaded, head: Head | None = None
) -> torch.Tensor:
    """Mean negative log-likelihood of the batch's supervised tokens, in nats.

    `head`, here and below: the model's last layer where it does not learn, which takes less time
    and memory.
    """
    sums, counts = answer_logprobs(model, batch, base, head)
    return -sums.sum() / counts.sum()


def preference_loss(
    model: Any,
    batch: Sequence[Example],
    base: Loaded,
    reference: dict[Example, float],
    beta: float,
    share: tuple[float, float] = (1.0, 1.0),
    head: Head | None = None,
) -> torch.Tensor:
    """`batch_loss` plus the sum over pairs of -weight * log sigmoid(beta * margin) / len(batch).

    margin = (l(answer) - l0(answer)) - (l(rejected) - l0(rejected)), with l the mean log-prob per
    token and l0 that of the base, in `reference`: direct preference optimisation (Rafailov et al.
    2023, arXiv 2305.18290), normalised by length as in SimPO (Meng et al. 2024, arXiv 2405.14734).
    The pairs are the constitution's, not a person's (Bai et al. 2022, arXiv 2212.08073, stage 2).
    `share`: the batch's part of its step's supervised tokens and of its samples.
    """
    answers = list(dict.fromkeys(batch))
    rejected = [(e, r) for e in answers for r in e.rejected]
    rows = [*answers, *dict.fromkeys(r for _, r in rejected)]
    found: dict[Example, tuple[torch.Tensor, torch.Tensor]] = {}
    # Short rejected answers and long ones apart, so that little is computed for padding.
    for part in parts(rows, len(batch)):
        sums, counts = answer_logprobs(model, part, base, head)
        found.update(zip(part, zip(sums, counts, strict=True), strict=True))
    total = torch.stack([found[e][0] for e in answers]).sum()
    likelihood = -total / torch.stack([found[e][1] for e in answers]).sum() * share[0]
    if not rejected:
        return likelihood
    paired = {row for pair in rejected for row in pair}
    moved = {row: found[row][0] / found[row][1] - reference[row] for row in paired}
    margins = torch.stack([moved[e] - moved[r] for e, r in rejected])
    weights = torch.tensor([r.weight for _, r in rejected], device=margins.device)
    pairs = -(weights * torch.nn.functional.logsigmoid(beta * margins)).sum() / len(answers)
    return likelihood + pairs * share[1]


def divergence(model: Any, batch: Sequence[Example], base: Loaded) -> torch.Tensor:
    """Mean over the answers' tokens of KL(source || model), in nats; the source is the model

    without its adapter. This direction costs most where the model no longer says what the source
    would, and nothing for what it says beside (Kullback and Leibler 1951).
    """
    training = model.training
    model.eval()  # the source's own dropout would make it differ from itself
    with torch.no_grad(), model.disable_adapter():
        source, labels = _answer_logits(model, batch, base)
    model.train(training)
    own, _ = _answer_logits(model, batch, base)
    chosen = labels.reshape(-1) != -100
    whole = [logits.reshape(-1, logits.shape[-1])[chosen].float() for logits in (own, source)]
    own, source = (logits.log_softmax(dim=-1) for logits in whole)
    return torch.nn.functional.kl_div(own, source, reduction="batchmean", log_target=True)


def reference_logprobs(
    model: Any, examples: Sequence[Example], base: Loaded, head: Head | None = None
) -> dict[Example, float]:
    """Mean log-prob per token of every example and of what it is preferred to, on the base."""
    rows = list(dict.fromkeys(row for e in examples if e.rejected for row in (e, *e.rejected)))
    found: dict[Example, float] = {}
    with torch.no_grad():
        for part in parts(rows, ROWS):
            sums, counts = answer_logprobs(model, part, base, head)
            found.update(zip(part, (sums / counts).tolist(), strict=True))
    return found


def answer_logprobs(
    model: Any, batch: Sequence[Example], base: Loaded, head: Head | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum of the log-probs of each answer's tokens, in nats; their number); both of shape (rows,)."""
    if head is None:
        logits, labels = _answer_logits(model, batch, base)
        losses = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]).float(), labels.reshape(-1), reduction="none"
        )
        answers, found = labels != -100, -losses.reshape(labels.shape)
    else:
        with head.caught() as entered:
            _, labels = _answer_logits(model, batch, base)
        answers = labels != -100
        logprobs = head.logprobs(entered[-1][:, :-1][answers], labels[answers])
        found = logprobs.new_zeros(labels.shape).masked_scatter(answers, logprobs)
    return found.sum(dim=1), answers.sum(dim=1)


def _answer_logits(
    model: Any, batch: Sequence[Example], base: Loaded
) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits, labels) where answers stand, -100 where none does: (rows, longest, vocabulary), (rows, longest).

    What all prompts of the batch share (the template's system turn) is computed once, and its
    keys and values, through which the gradient flows, are handed to every row.
    """
    cache, shared = _shared_start(model, batch, base)
    kept = max(len(example.tokens) - example.prompt for example in batch)
    labels = left_padded([torch.tensor(e.tokens[e.prompt :]) for e in batch], pad=-100)
    mask, positions = seen(batch, shared)
    logits = model(
        **_entering(model, batch, base, shared),
        attention_mask=mask.to(base.device),
        position_ids=positions.to(base.device),
        **cached(model, cache),
        logits_to_keep=kept + 1,
    ).logits[:, :-1]
    return logits, labels.to(base.device)


def _shared_start(model: Any, batch: Sequence[Example], base: Loaded) -> tuple[Any, int]:
    """(key-value cache of the start that all prompts share, its length), or (None, 0)."""
    config = model.config.get_text_config()
    # The logit before the first answer token must be computed in the rows.
    shared = common_length([list(example.tokens[: example.prompt - 1]) for example in batch])
    if shared < 1 or getattr(config, "sliding_window", None):
        return None, 0
    upper = isinstance(model, Upper)
    cache = model.new_cache() if upper else DynamicCache(config=model.config)
    model(**_entering(model, batch[:1], base, 0, shared), **cached(model, cache), logits_to_keep=1)
    cache.batch_repeat_interleave(len(batch))
    return cache, shared


def _entering(
    model: Any, batch: Sequence[Example], base: Loaded, start: int, end: int | None = None
) -> dict[str, torch.Tensor]:
    """What the model is given of every row from token `start` to `end`, padded on the left."""
    if isinstance(model, Upper):
        return {"inputs_embeds": model.entering(batch, start, end)}
    rows = [torch.tensor(example.tokens[start:end]) for example in batch]
    pad = base.tokenizer.pad_token_id or 0
    return {"input_ids": left_padded(rows, pad).to(base.device)}
