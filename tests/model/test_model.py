"""The models of docs/model come out as expectations.toml says: what must hold holds, and what must be found is found.

A clean result counts only beside planted faults that were caught, so each rule of a model has a plant that takes it
away. With ANONNET_DEEP=1 all rows run, else those that take seconds. Without spin or gcc they are skipped, and say so.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.model.spin import (
    AT_ONCE,
    FOLDER,
    FOUND,
    README,
    Outcome,
    Run,
    documented,
    expectations,
    flags,
    missing,
    outcome,
)

DEEP = os.environ.get("ANONNET_DEEP") == "1"
RUNS = expectations()
CHOSEN = {run.says: run for run in RUNS if DEEP or not run.deep}
MODELS = {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.pml")}
MEASURED = re.compile(r" \| \d+ \| [\d.]+ \|$", re.MULTILINE)


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Outcome]]]:
    """The selected runs, under way."""
    if lacking := missing():
        pytest.skip(f"the models are not checked: {' and '.join(lacking)} not installed")
    selected = [
        item.callspec.params["says"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_a_run_comes_out_as_expected.__name__
    ]
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {says: pool.submit(outcome, CHOSEN[says]) for says in selected}
    pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("says", CHOSEN)
def test_a_run_comes_out_as_expected(says: str, outcomes: dict[str, Future[Outcome]]) -> None:
    came = outcomes[says].result()

    assert came.came == CHOSEN[says].expect, f"{flags(CHOSEN[says])}\n{came.came}\n{came.play}"


def test_every_run_has_words_of_its_own() -> None:
    assert not [says for says, count in Counter(run.says for run in RUNS).items() if count > 1]


@pytest.mark.parametrize("model", MODELS)
def test_every_plant_is_found_by_one_property(model: str) -> None:
    plants = set(re.findall(r"\bPLANT_[A-Z_]+\b", MODELS[model]))
    found = {each for run in RUNS if (run.model, run.expect) == (model, FOUND) for each in run.defines}

    assert plants == {each for each in found if each.startswith("PLANT_")}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.says)
def test_every_name_of_a_row_is_one_of_its_model(run: Run) -> None:
    """A misspelt -D would be no error to the preprocessor, and the row would hold for nothing."""
    read = set(re.findall(r"^#\s*(?:if|elif|ifdef|ifndef)\b(.*)", MODELS[run.model], re.MULTILINE))
    names = {each.split("=")[0] for each in run.defines}

    assert names <= set(re.findall(r"\w+", " ".join(read)))
    assert f"#define {run.property} " in MODELS[run.model].split("/* ---- Properties.")[1]


def test_the_document_shows_the_rows() -> None:
    made = documented(dict.fromkeys(RUNS, Outcome("", 0, 0)))

    assert MEASURED.sub("", README.read_text("utf-8")) == MEASURED.sub("", made), "run tests.model.spin"
