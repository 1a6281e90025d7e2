from __future__ import annotations

from ethogram.content.texts import evaluated, trained, trained_prompts
from ethogram.specs.suite import Suite


def test_what_is_called_evaluated_is_what_the_suite_calls_so(own_suite: Suite) -> None:
    assert sorted(shown.text for shown in evaluated(own_suite)) == sorted(
        text for _, text in own_suite.evaluation_texts()
    )


def test_a_prompt_stands_on_its_own_line(own_suite: Suite) -> None:
    for shown in evaluated(own_suite):
        if shown.place.file.parent.name == "safety":
            line = shown.place.file.read_text(encoding="utf-8").splitlines()[shown.place.line - 1]
            assert shown.text[:12] in line


def test_everything_recorded_counts_as_trained(own_suite: Suite) -> None:
    texts = {shown.text for shown in trained(own_suite)}
    for name in own_suite.constitutions:
        for line in own_suite.transcripts(name):
            assert {line.prompt, line.answer} <= texts
    assert {line.answer for line in own_suite.refusals()} <= texts
    assert {text for line in own_suite.replay() for text in (line.prompt, line.answer)} <= texts
    assert {text for c in own_suite.categories.values() for text in c.train} <= texts


def test_a_prompt_that_all_answer_is_one_training_prompt(own_suite: Suite) -> None:
    prompts = [shown.text for shown in trained_prompts(own_suite)]
    assert len(prompts) == len(set(prompts))
