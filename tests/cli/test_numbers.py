from __future__ import annotations

import argparse

import pytest

from ethogram.cli.numbers import at_least


@pytest.mark.parametrize(("text", "number"), [("2", 2), ("40", 40), ("002", 2)])
def test_a_whole_number_is_read(text: str, number: int) -> None:
    assert at_least(2, "number of items")(text) == number


@pytest.mark.parametrize("text", ["1", "-1", "2.5", "two", "", "1e3"])
def test_what_is_no_such_number_is_named(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        at_least(2, "number of items")(text)
    assert str(caught.value) == f"{text!r} is no number of items, which must be 2 or more"


@pytest.mark.parametrize("verb", ["import", "import-scenarios"])
def test_a_seed_below_zero_is_refused(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from ethogram.cli import main

    with pytest.raises(SystemExit) as caught:
        main([verb, "some.file", "--seed", "-1"])
    assert caught.value.code == 2
    assert "argument --seed: '-1' is no seed, which must be 0 or more" in capsys.readouterr().err
