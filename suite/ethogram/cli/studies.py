"""The arguments of the studies (reliability, sweep, controls, retest); what they do is imported when asked.

Whoever asks for another verb waits for no numerical library.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ethogram.report.studies import CONTROLS, RELIABILITY, RETEST

SWEEPS = Path("results") / "sweeps"


def reliability(options: argparse.Namespace) -> int:
    """See `ethogram.cli.reliability`."""
    from ethogram.cli.reliability import reliability

    return reliability(options)


def sweep(options: argparse.Namespace) -> int:
    """See `ethogram.cli.sweep`."""
    from ethogram.cli.sweep import sweep

    return sweep(options)


def controls(options: argparse.Namespace) -> int:
    """See `ethogram.cli.controls`."""
    from ethogram.cli.controls import controls
    from ethogram.cli.study import answering

    with answering():
        return controls(options)


def retest(options: argparse.Namespace) -> int:
    """See `ethogram.cli.retest`."""
    from ethogram.cli.retest import retest_models
    from ethogram.cli.study import answering

    with answering():
        return retest_models(options)


def add_arguments(verbs: Any) -> None:
    """The verbs' part of the command line."""
    for add in (_reliability, _sweep, _controls, _retest):
        add(verbs)


def _reliability(verbs: Any) -> None:
    parser = verbs.add_parser(
        "reliability",
        help="whether the dimensions measure one thing each, and the right one",
        description="Reliability of the dimensions over the finetuned models: Cronbach's alpha and "
        "split-half of the paired shifts, items that discriminate, correlations between "
        "dimensions, the effect under a paraphrased question and without the constitution's own "
        "words. Reads stored scores; finetunes and scores nothing unless --measure is given.",
    )
    _measure(parser)
    parser.add_argument(
        "--against",
        choices=("placebo", "source"),
        default="placebo",
        help="the reference of the shifts (default: %(default)s, the source where there is none)",
    )
    _shared(parser, f"{RELIABILITY}")
    parser.set_defaults(verb=reliability)


def _sweep(verbs: Any) -> None:
    parser = verbs.add_parser(
        "sweep",
        help="compare recipes along their training",
        description="Train the models of every recipe of the file, look at them at the points named, "
        "and write how the persona and the refusals develop. What the cache has is not trained or "
        "scored again, so an interrupted sweep goes on where it stopped.",
        epilog="example: ethogram sweep constitutions/sweeps/steps.yaml",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    _shared(parser, f"{SWEEPS}/<name>.json")
    parser.set_defaults(verb=sweep)


def _controls(verbs: Any) -> None:
    parser = verbs.add_parser(
        "controls",
        help="does your gate stop planted defects? exit 0 yes, 1 no, 2 not known",
        description="Put planted models before the suite's own gate: a faithful one, which it should "
        "promote, and others with one defect each (adapter not applied, refuses or answers "
        "everything, yes to everything, always the first option, constitutions swapped, labels "
        "shuffled, a judge that always passes), none of which it may. They are made from stored "
        "scores of the source and the placebo; nothing is scored unless --measure is given.",
    )
    parser.add_argument(
        "model", nargs="*", metavar="MODEL", help="whose gate (default: that of every judged model)"
    )
    _measure(parser)
    _shared(parser, f"{CONTROLS}")
    parser.set_defaults(verb=controls)


def _retest(verbs: Any) -> None:
    parser = verbs.add_parser(
        "retest",
        help="does a model get the same verdicts when it is asked a second time?",
        description="Ask a model and its references again all that is stored of them, in other "
        "batches, on other threads, last items first, and judge the cases on both. Takes as long as "
        "scoring did. Exit 0 where every verdict stayed, 1 where one changed, 2 where that is "
        "not known.",
    )
    parser.add_argument("model", nargs="+", metavar="MODEL", help="a judged model's id")
    parser.add_argument(
        "--kind",
        dest="kinds",
        action="append",
        choices=("persona", "scenario", "safety", "pressure", "projectability"),
        help="only cases of this kind (may be repeated)",
    )
    _shared(parser, f"{RETEST}")
    parser.set_defaults(verb=retest)


def _measure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measure", action="store_true", help="finetune and score whatever is missing first"
    )


def _shared(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="a models.yaml other than the suite's own"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="a cache other than that of ETHOGRAM_CACHE or of the platform",
    )
    parser.add_argument(
        "--out",
        type=_json_file,
        metavar="FILE",
        help=f"the JSON file; the page lies beside it as .md (default: {default})",
    )


def _json_file(text: str) -> Path:
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json")
    return Path(text)
