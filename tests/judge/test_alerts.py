"""`anonnet ... alerts`: whoever keeps what convicts a log shows it, and a judge finds against the log by it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons.alerts import STORES
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import Kind
from anonnet_daemons.judging import judged
from anonnet_daemons.owner import noun
from click.testing import CliRunner

from anonnet.parties.judge.verdict import Claim, Ruling
from tests.judge.folders import folders, put
from tests.mirrors import MIRRORS
from tests.paper.scenes import Scene
from tests.quorum import QuorumScene
from tests.unit.parties.test_alerting import alert


def home_of(scene: Scene) -> Path:
    home = scene.folder / "parties"
    folders(scene, home)
    put(home / "log", Kind.LOG, scene.log)
    put(home / "mirror", Kind.MIRROR, scene.mirrors[MIRRORS[0]])
    return home


def told(home: Path, kind: Kind, *options: str) -> tuple[int, Any]:
    """The exit code and what is printed as JSON."""
    folder = home / ("consumer" if kind is Kind.CONSUMER else kind.value)
    ran = CliRunner().invoke(main, [noun(kind), "alerts", "--data", str(folder), "--json", *options])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, json.loads(ran.output)


@pytest.mark.parametrize("convicted", [True, False])
def test_everyone_shows_the_alerts_and_writes_them_down_for_a_judge(tmp_path: Path, convicted: bool) -> None:
    scene = QuorumScene(tmp_path)
    scene.prepare()
    if convicted:
        scene.ask(scene.mirrors[MIRRORS[0]], alert(scene))
        scene.settle()
        scene.consumer.forget()
        scene.settle()
    home = home_of(scene)

    for kind in STORES:
        code, said = told(home, kind)
        assert (code, [each["kind"] for each in said["alerts"]]) == ((1, ["fork"]) if convicted else (0, [])), kind
        if not convicted:
            assert told(home, kind, "--to", str(tmp_path / kind))[1]["error"].startswith("no log is convicted")
            continue
        told(home, kind, "--to", str(tmp_path / kind))
        verdict = judged([tmp_path / kind], None, None).verdict
        assert [(each.claim, each.ruling) for each in verdict.findings] == [(Claim.FORK, Ruling.WRONG)]
        assert verdict.findings[0].party.identity == scene.log_name


def test_what_is_shown_to_people_is_a_sentence_for_each(tmp_path: Path) -> None:
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.ask(scene.bank, alert(scene))
    home = home_of(scene)

    into = tmp_path / "a b"
    ran = CliRunner().invoke(main, ["bank", "alerts", "--data", str(home / "bank"), "--to", str(into)])

    shard = alert(scene).shard
    says, todo = ran.output.splitlines()
    assert says == f"WRONG: log is convicted in shard {shard} (fork): it has signed two histories."
    assert shlex.split(todo)[-3:] == ["anonnet", "judge", str(into)]
