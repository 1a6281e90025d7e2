"""The model card of one finetuned model, with a `model-index` that a hub can read.

Made of a report.json alone; where the suite is at hand too, the card quotes the constitution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ethogram.inert import inert
from ethogram.report.gate import answer_for
from ethogram.report.html import template
from ethogram.report.markdown import interval, literal, table
from ethogram.report.measures import Data
from ethogram.report.view import GATE, MARK, ModelView, View, finite, measure_rows
from ethogram.specs.constitution import Constitution

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

TASK = ("text-generation", "ethical persona")
LIMITS = (
    "One adapter of one seed: another seed of the same recipe may give another persona.",
    "Statements and choices are scored by their log-probabilities. What the model does in long "
    "conversations or with tools is not measured.",
    "The refusal rate reads the first tokens of an answer with a rule: it sees how an answer begins, "
    "not what it means. Read no safety gain without its over-refusal.",
    "The card describes a research model and vouches for no use of it.",
)


class CardError(Exception):
    """The card cannot be made; the message says why."""


def model_card(
    data: Mapping[str, Any], model_id: str, constitution: Constitution | None = None
) -> ModelCard:
    """The card of a model of the report. Raises CardError where the report has no such model."""
    from huggingface_hub import ModelCard, ModelCardData

    view = View.of(data)
    known = {model.id: model for model in view.models}
    if model_id not in known:
        raise CardError(f"the report has no model {model_id!r}; it has {', '.join(known)}")
    model = known[model_id]
    if model.kind == "source":
        raise CardError(f"{model_id} is the source itself and no finetuned model")
    results = _results(view, model)
    header = ModelCardData(
        model_name=model.id,
        library_name="peft",
        pipeline_tag=TASK[0],
        tags=_tags(model),
        base_model=_base(model),
        eval_results=results or None,
    )
    return ModelCard(_text(view, model, constitution, header.to_yaml()))


def _tags(model: ModelView) -> list[str]:
    tags = ["ethogram", "alignment", model.kind, model.constitution, model.row["scope"]]
    return [inert(str(tag)) for tag in tags if tag]


def _base(model: ModelView) -> str | None:
    """The source's id; the report knows no address on a hub."""
    return inert(str(model.row["source"])) if model.row["source"] else None


def _results(view: View, model: ModelView) -> list[EvalResult]:
    """Every measured number: those of the row, then a signed effect a dimension and probe."""
    from huggingface_hub import EvalResult

    version = str(view.data["versions"].get("ethogram", "unknown"))
    shared = {
        "task_type": TASK[0],
        "task_name": TASK[1],
        "dataset_type": "ethogram",
        "dataset_revision": inert(version),
    }
    numbers = [(m.key.replace(" ", "-"), m.name, m.interval, "whole suite") for m in model.measures]
    for case in _persona(view, model):
        name = f"effect, {case['probe']}"
        numbers.append(("effect", name, case["measured"], str(case["subject"])))
    return [
        EvalResult(
            **shared,
            dataset_name=inert(f"Ethogram: {where}"),
            # The library takes results that differ in the name alone for those of one dataset.
            dataset_config=inert(where),
            metric_type=inert(kind),
            metric_name=inert(name),
            metric_value=round(value, 4),
            metric_args=_limits_of(found),
        )
        for kind, name, found, where in numbers
        if found and (value := finite(found.get("value"))) is not None
    ]


def _limits_of(found: Data) -> dict[str, Any]:
    ends = [finite(found.get(key)) for key in ("low", "high")]
    return {"ci95": [None if end is None else round(end, 4) for end in ends], "n": found.get("n")}


def _persona(view: View, model: ModelView) -> list[Data]:
    cases = [case for case in view.of_kind("persona") if case["model"] == model.id]
    return sorted(cases, key=lambda case: (str(case["subject"]), str(case["probe"])))


def _text(view: View, model: ModelView, constitution: Constitution | None, header: str) -> str:
    stance = f"the constitution *{literal(model.constitution)}*" if model.constitution else ""
    placebo = (
        f"a placebo ({literal(model.stance)})" if model.kind == "placebo" else "no constitution"
    )
    opening = (
        f"{literal(model.row['source'] or 'A source model')} finetuned under {stance or placebo}"
        f"{_scope(model)}. Its persona was measured by Ethogram on {literal(view.data['started'])}."
    )
    rendered = template("card.md.jinja").render(
        card_data=header.strip(),
        title=literal(model.id),
        opening=opening,
        about=_about(constitution),
        training=_training(view, model),
        measures=_measures(model),
        requirements=_requirements(view, model),
        persona=_dimensions(view, model),
        limits=[*LIMITS, *(literal(note, None) for note in view.data["notes"])],
        provenance=_provenance(view, model),
    )
    return rendered.strip() + "\n"


def _scope(model: ModelView) -> str:
    told = {
        "broad": " on data of all safety categories",
        "narrow": " on data of the narrow safety categories alone",
    }
    return told.get(str(model.row["scope"]), "")


def _about(constitution: Constitution | None) -> dict[str, Any] | None:
    if constitution is None:
        return None
    return {
        "name": literal(constitution.name),
        "about": literal(constitution.about, None),
        "principles": [literal(p.text, None) for p in constitution.principles],
        "cites": [literal(source) for source in constitution.cites],
    }


def _training(view: View, model: ModelView) -> str:
    """Recipe and digest of the data, or that the report does not know them."""
    known = model.row["training"] or {}
    rows = [[literal(name), literal(value)] for name, value in _flat(known)]
    stance = model.constitution
    recorded = [] if known.get("teaching") else [f"constitutions/transcripts/{stance}.jsonl"]
    for name in (f"constitutions/{stance}.yaml", *recorded):
        if stance and name in view.data["files"]:
            rows.append([f"SHA-256 of {literal(name)}", literal(view.data["files"][name])])
    adapter = str(model.row["adapter"] or "").rpartition("/")[2]
    if adapter and known:
        rows.append(["digest of source, samples, recipe and seed", literal(adapter)])
    if not rows:
        return "How this model was trained is not known to the report.\n"
    return "\n".join(table(("training", "value"), rows))


def _flat(value: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Names and values in rows; what is unset is left out, flags read as in models.yaml."""
    found = []
    for key, part in value.items():
        name = f"{before} {key}".strip().replace("_", " ")
        if isinstance(part, Mapping):
            found += _flat(part, name)
        elif part is not None:
            found.append((name, str(part).lower() if isinstance(part, bool) else str(part)))
    return found


def _measures(model: ModelView) -> str:
    rows = [
        [
            literal(name),
            literal(cell.text) if cell.text else interval(cell.interval),
            _n(cell.interval),
        ]
        for name, (cell,) in measure_rows([model])
    ]
    return "\n".join(table(("measure", "value", "n"), rows))


def _n(found: Data | None) -> str:
    return str(found.get("n", "")) if found else ""


def _requirements(view: View, model: ModelView) -> str:
    cases = [case for case in view.of_kind(GATE) if case["model"] == model.id]
    found = answer_for(model.id, cases)
    if found is None:
        return ""
    rows = [
        [
            literal(case["subject"]),
            literal(case["expected"]),
            interval(case["measured"]),
            f"{MARK.get(case['verdict'], '')} {literal(case['verdict'])}",
        ]
        for case in cases
    ]
    said = f"**{found.answer}**: {literal(found.because, None)}\n\n"
    return said + "\n".join(table(("requirement", "expected", "measured", "verdict"), rows))


def _dimensions(view: View, model: ModelView) -> str:
    rows = [
        [
            literal(case["subject"]),
            literal(case["probe"]),
            literal(case["expected"]),
            interval(case["measured"]),
            _n(case["measured"]),
            literal(case["reference"] or ""),
            f"{MARK.get(case['verdict'], '')} {literal(case['verdict'])}",
        ]
        for case in _persona(view, model)
    ]
    heads = ("dimension", "probe", "expected", "effect", "n", "against", "verdict")
    return "\n".join(table(heads, rows)) if rows else ""


def _provenance(view: View, model: ModelView) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in sorted(view.data["versions"].items()))
    rows = [
        ["digest of the model", literal(model.row["digest"] or "not measured")],
        ["measured on", literal(view.data["started"])],
        ["versions", literal(versions, None)],
    ]
    return "\n".join(table(("what", "value"), rows))
