"""`ethogram export`: a finetuned model out of the cache, as a folder that others load."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ethogram.cli.files import UsageError
from ethogram.cli.house import house, shared_arguments
from ethogram.cli.stored import LATEST, read
from ethogram.specs.catalogue import Model
from ethogram.specs.errors import did_you_mean, shown
from ethogram.specs.suite import Suite
from ethogram.store import digest_of

if TYPE_CHECKING:
    from ethogram.jobs.identity import Identities
    from ethogram.report.exported import Exported


def export(options: argparse.Namespace) -> int:
    """Write the model's folder, whole or not at all."""
    from ethogram.source.obtain import obtain

    suite, identities = house(options)
    model = _named(suite, options.model)
    target: Path = options.to
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{shown(target)} is there already; name a new or an empty folder")
    stored = _stored(model, identities)
    base = obtain(model.source, identities.base, identities.store)
    known = _known(model, identities, stored, options)
    _write(model, known, stored, base, target, _measured(options, suite, known), suite)
    print(f"{shown(target)}: {model.id}, {'an adapter' if known.adapter else 'a whole model'}")
    print(f"  base       {known.base}" + (f" ({base})" if known.adapter else ""))
    print(f"  serve it as {known.served_as}: the name holds the content's digest")
    return 0


def _named(suite: Suite, name: str) -> Model:
    """The finetuned model or placebo. Raises UsageError for any other."""
    ours = [model.id for model in suite.catalogue if model.recipe is not None]
    if name in suite.catalogue and name not in ours:
        kind = suite.catalogue[name].kind
        raise UsageError(f"{name} is a {kind}: only what was finetuned here is exported")
    if name not in ours:
        raise UsageError(f"no finetuned model is called {name!r}{did_you_mean(name, ours)}")
    return suite.catalogue[name]


def _stored(model: Model, identities: Identities) -> Path:
    """The adapter's folder in the cache. Raises UsageError where there is none."""
    from ethogram.plan import NotMeasured

    try:
        found = identities.store.adapters.verified(identities.adapter_key(model))
    except NotMeasured:  # its transcripts are still to be made
        found = None
    if found is None:
        where = shown(identities.suite.folder)
        raise UsageError(f"{model.id} is not finetuned yet: pytest {where} -k {model.id}")
    return found


def _known(
    model: Model, identities: Identities, stored: Path, options: argparse.Namespace
) -> Exported:
    from ethogram.report.exported import Exported

    recipe, samples = model.recipe, identities.samples(model)
    assert recipe is not None and model.seed is not None
    suite, noted = identities.suite, identities.store.adapters.manifest(stored.name) or {}
    teachers = {line.teacher for line in suite.replay()}
    if "teaching" in noted:
        teachers.add(noted["teaching"]["teacher"])
    elif model.constitution is not None:
        teachers |= {line.teacher for line in suite.transcripts(model.constitution)}
    stance = f"placebo {model.placebo}"
    if model.constitution is not None:
        stance = f"constitution {suite.constitutions[model.constitution].name}"
    return Exported(
        model=model.id,
        stance=stance,
        scope=str(model.scope),
        source=model.source_id,
        base=options.base or model.source.hub or model.source_id,
        digest=str(identities.digest(model)),
        data=digest_of([[s.prompt, s.answer, *s.rejected] for s in samples]),
        samples=len(samples),
        teachers=tuple(sorted(teachers)),
        seed=model.seed,
        recipe=recipe.identity(),
        losses=tuple(json.loads((stored / "loss.json").read_text(encoding="utf-8"))),
        adapter=not (recipe.full or options.merge),
    )


def _measured(
    options: argparse.Namespace, suite: Suite, known: Exported
) -> Mapping[str, Any] | None:
    """The report, if it measured this very model."""
    file = options.report or suite.root / LATEST
    if options.report is None and not file.is_file():
        return None
    found = read(file)
    digests = {row["model"]: row["digest"] for row in found["models"]}
    if digests.get(known.model) == known.digest:
        return found
    said = "another" if known.model in digests else "no"
    print(f"{shown(file)} measured {said} {known.model}: the card has no numbers", file=sys.stderr)
    return None


def _write(
    model: Model,
    known: Exported,
    stored: Path,
    base: Path,
    target: Path,
    report: Mapping[str, Any] | None,
    suite: Suite,
) -> None:
    from ethogram.train.export import write_adapter, write_checkpoint, write_merged

    assert model.recipe is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        if model.recipe.full:
            write_checkpoint(stored, aside)
        elif known.adapter:
            commit = base.name if known.base == model.source.hub else None
            write_adapter(stored, base, model.source, aside, known.base, commit)
        else:
            write_merged(stored, base, model.source, aside)
        (aside / "README.md").write_text(_card(known, report, model, suite), encoding="utf-8")
        aside.chmod(0o755)
        if target.exists():
            target.rmdir()  # empty, or nothing of it is touched
        aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _card(known: Exported, report: Mapping[str, Any] | None, model: Model, suite: Suite) -> str:
    """The card of the report, and how to load the folder; without a report what else is known."""
    from ethogram.report.card import model_card
    from ethogram.report.exported import loading, unmeasured_card

    if report is None:
        return unmeasured_card(known)
    stance = suite.constitutions[model.constitution] if model.constitution else None
    card = model_card(report, model.id, stance)
    card.data.base_model = known.base
    card.data.library_name = "peft" if known.adapter else "transformers"
    written = f"Written by {', '.join(known.teachers)}; digest of the samples `{known.data}`."
    return f"{str(card).rstrip()}\n\n## Samples\n\n{written}\n\n{loading(known)}\n"


def add_arguments(verbs: Any) -> None:
    """The verb's own arguments."""
    parser = verbs.add_parser(
        "export",
        help="a finetuned model as a folder that peft, transformers and vLLM load",
        description="Write a finetuned model out of the cache into a folder: a peft adapter with a "
        "model card, or with --merge a whole model. Trains nothing.",
        epilog="example: ethogram export smollm2-deontology-narrow --to exported/deontology",
    )
    parser.add_argument("model", metavar="MODEL", help="its id, as in the names of the cases")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="a new or an empty folder"
    )
    parser.add_argument(
        "--merge", action="store_true", help="write the base with the adapter merged in"
    )
    parser.add_argument(
        "--base",
        metavar="ID",
        help="what the adapter calls its base (default: the source's id on a hub, or in models.yaml)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="the report.json whose numbers the card shows (default: results/latest/report.json)",
    )
    shared_arguments(parser)
    parser.set_defaults(verb=export)
