"""The pytest plugin: `pytest_plugins = ("ethogram.plugin",)` in a suite's conftest.py.

Hooks only; each is a few lines over the rooms below.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ethogram.plugin import collect, gather, options
from ethogram.plugin.fixtures import finetuned, parametrize, score, source
from ethogram.plugin.session import SESSION, SuiteSession

__all__ = ["finetuned", "score", "source"]


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    options.settle_seed(config)
    for line in options.MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[SESSION] = session = SuiteSession.of(config)
    if not session.worker:
        config.pluginmanager.register(gather.Gatherer.of(config), "ethogram-gatherer")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[options.SEED] = node.config.option.ethogram_explore


def pytest_report_header(config: pytest.Config) -> str | None:
    return config.stash[SESSION].exploring


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    # Before xdist starts its workers: what all of them would stumble over is said once.
    session.config.stash[SESSION].check_shared(session.config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return collect.suite_file(file_path, parent)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    collect.leave_out_costly(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    session.config.stash[SESSION].make_ready(session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    gather.attach(item, call, report)
    gather.clean(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    gather.clean(report)
    return report
