"""What the server of an endpoint candidate can be asked: found out once, before anything is."""

from __future__ import annotations

from typing import Protocol, cast, get_args

from ethogram.jobs.identity import Identities
from ethogram.jobs.score import Scorer
from ethogram.specs.catalogue import Model
from ethogram.specs.models import Capability
from ethogram.store import digest_of

KEY = digest_of("capability 1")[:32]
"""Where a server's capability stands among the scores of its model."""
REFUSED: dict[Capability, str] = {
    "sampled": "the server gives no log-probabilities of given text, so endorsement and "
    "refusal-margin cannot be measured on it; agreement and choice are counted in drawn answers, "
    "and refusal-rate and response work as ever",
    "greedy": "the server gives no log-probabilities of given text, and the same text at every "
    "temperature; only refusal-rate and response can be measured on it",
}


class Asks(Protocol):
    """An endpoint's engine."""

    def capability(self) -> Capability: ...


def capability_of(model: Model, identities: Identities, scorer: Scorer | None) -> Capability:
    """The capability of the model's server, from the store or by asking; a local model has all.

    Without a scorer nothing is asked, and what is not stored counts as all. Raises what an engine
    raises where the server cannot be had.
    """
    if model.candidate is None or model.candidate.endpoint is None:
        return "logprobs"
    digest = identities.digest(model)
    assert digest is not None
    log = identities.store.scores(digest)
    found = log.refresh().get(KEY)
    if found not in get_args(Capability):
        if scorer is None:
            return "logprobs"
        engine = cast(Asks, scorer.engine(model, digest))
        found = engine.capability()
        log.add({KEY: found})
    return cast(Capability, found)
