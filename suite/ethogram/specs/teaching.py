"""The `teachers` and `teaching` of models.yaml: who writes the text that models are trained on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ethogram.specs.base import WHOLE, Float, Id, Int, Misplaced, Spec, Text, Variable

RECORDED = "recorded"
"""The teaching of every matrix row that names none: the transcripts in the repository."""
Seed = Annotated[int, Field(ge=0, lt=2**32), WHOLE]


def check_endpoint(endpoint: str | None, model: str | None) -> None:
    """Raise where an address cannot be one, or holds what must not stand in a file."""
    if endpoint and not model:
        raise ValueError("'endpoint' needs 'model', the name it is served under")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        message = f"'endpoint' must begin with http:// or https://, not be {endpoint!r}"
        raise Misplaced(message, "endpoint")
    if endpoint and ("@" in endpoint or "?" in endpoint):
        message = "'endpoint' holds a user name or a query; name the key's variable in api_key_env"
        raise Misplaced(message, "endpoint")


class Price(Spec):
    """What a million tokens cost, in any one currency."""

    input: Float = Field(ge=0)
    output: Float = Field(ge=0)


class Teacher(Spec):
    """A model that drafts, criticises or revises: a local source, or a server."""

    local: Id | None = None
    """A source of this file; sampled in batches, the same text for the same seed."""
    batch: Int = Field(default=16, ge=1, le=1024)
    """Conversations that a local teacher answers at once."""
    endpoint: Text | None = None
    """The base URL of an OpenAI-compatible server with chat completions."""
    model: Text | None = None
    """The name under which the endpoint serves the model."""
    api_key_env: Variable | None = None
    """The environment variable that holds the endpoint's key; the key itself never stands here."""
    concurrency: Int = Field(default=8, ge=1, le=256)
    retries: Int = Field(default=5, ge=0, le=20)
    """How often a request is repeated after 429, 5xx or a broken connection."""
    timeout: Float = Field(default=120, gt=0)
    """Seconds until a request counts as lost."""
    budget: Annotated[int, Field(ge=1), WHOLE] | None = None
    """Tokens, prompts included, after which a run asks this teacher no more."""
    price: Price | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Teacher:
        if (self.local is None) == (self.endpoint is None):
            raise ValueError("name exactly one of: local, endpoint")
        check_endpoint(self.endpoint, self.model)
        only = {"local": {"batch"}, "endpoint": _OF_ENDPOINTS}
        other = "endpoint" if self.local else "local"
        for name in sorted(only[other] & self.model_fields_set):
            raise Misplaced(f"{name!r} is for {other} teachers only", name)
        return self


_OF_ENDPOINTS = {"model", "api_key_env", "concurrency", "retries", "timeout", "budget", "price"}


class Sampling(Spec):
    """How an answer is drawn. Temperature 0 is greedy."""

    temperature: Float = Field(default=0.8, ge=0, le=5)
    top_p: Float = Field(default=0.95, gt=0, le=1)
    max_tokens: Int = Field(default=128, ge=1, le=8192)
    seed: Seed = 0


class Teaching(Sampling):
    """One way to make transcripts: red-team prompt, draft, critiques and revisions.

    Whatever decides the text is part of a transcript's identity; the rest of the keys decide which
    transcripts are trained on.
    """

    draft: Id
    """The teacher that answers the red-team prompt first; a helpful-only model."""
    revise: Id
    """The teacher that criticises and revises the answer."""
    rounds: Int = Field(default=1, ge=1, le=16)
    """Critiques and revisions of one draft, each under another principle."""
    draws: Int = Field(default=1, ge=1, le=64)
    """Transcripts of one prompt, each with its own draft and principles."""
    prompts: Annotated[int, Field(ge=1), WHOLE] | None = None
    """Most prompts of a hazard category, drawn by seed; all unless said."""
    shots: Int = Field(default=0, ge=0, le=16)
    """Worked examples of the constitution shown to the critic first."""
    choose: Literal["last"] = "last"
    """Which revision is learnt."""
    cut_off: Literal["drop", "trim"] = "drop"
    """A revision that ran into `max_tokens` is dropped, or ended at its last whole sentence."""
    language: Literal["en", "any"] = "en"
    """`en` drops answers that are not English; `any` tests no language."""
    replay: Literal["own", "recorded"] = "own"
    """Who answers the harmless prompts: the finetuned model's source itself, or replay.jsonl."""
    replay_tokens: Int = Field(default=48, ge=1, le=2048)
    """The longest replay answer that the source gives."""
