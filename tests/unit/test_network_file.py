"""The network file says of each log who decides with it, and a daemon starts with nothing less."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from anonnet_daemons.config import NETWORK_FILE, read_network
from anonnet_daemons.founding import Plan, found

from anonnet.errors import BadStart
from anonnet.limits import CHECKPOINT_BYTES_MAX
from anonnet.protocol.known_log import mirror_policy
from anonnet.protocol.network import Network, Role
from anonnet.store.folder import write_durably
from anonnet.tlog.policy import Policy


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Path]:
    home = tmp_path_factory.mktemp("mirrored") / "home"
    plan = Plan(home, denominations=(1,), bits=2048, mirrors=4, quorum=3)
    return trio.run(found, plan), home / NETWORK_FILE


def test_the_policy_is_read_as_it_was_made(network: tuple[Network, Path]) -> None:
    made, path = network

    (known,) = read_network(path).logs.values()

    mirrors = [peer.key for peer in made.all(Role.MIRROR)]
    assert len(mirrors) == 4
    assert set(known.mirrors) == set(mirrors)
    assert known.agreed(mirrors[:3])
    assert not known.agreed(mirrors[:2])
    assert read_network(path) == made


def of_log(file: dict[str, Any]) -> dict[str, Any]:
    (log,) = [party for party in file["parties"] if party["role"] == "log"]
    assert isinstance(log, dict)
    return log


def weak(file: dict[str, Any]) -> None:
    log = of_log(file)
    log["policy"] = log["policy"].replace("group mirrors 3", "group mirrors 2")


def unknown(file: dict[str, Any]) -> None:
    file["parties"] = [party for party in file["parties"] if party["name"] != "mirror-2"]


def of_a_bank(file: dict[str, Any]) -> None:
    file["parties"][0]["policy"] = of_log(file)["policy"]


def renamed(file: dict[str, Any]) -> None:
    """As tlog-policy allows; but a mirror cosigns under one name, and would count itself by the other."""
    log = of_log(file)
    policy = log["policy"].replace("witness mirror-4 ", "witness mirror-5 ").replace(" mirror-4\n", " mirror-5\n")
    assert policy != log["policy"]
    log["policy"] = policy


def unchecked(file: dict[str, Any]) -> None:
    """A key of a type that nobody verifies."""
    witness = next(each for each in Policy.parse(of_log(file)["policy"].encode()).witnesses if each.name == b"mirror-4")
    other = replace(witness.key, kind=0x06)
    of_log(file)["policy"] = of_log(file)["policy"].replace(witness.key.vkey, other.vkey)


def long(file: dict[str, Any]) -> None:
    mirrors = {party["name"]: bytes.fromhex(party["key"]) for party in file["parties"] if party["role"] == "mirror"}
    names = {name + "-" * (CHECKPOINT_BYTES_MAX // len(mirrors)): key for name, key in mirrors.items()}
    of_log(file)["policy"] = mirror_policy(names, 3).decode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (weak, "need not share a mirror"),
        (unknown, "not among the parties"),
        (of_a_bank, "not a key that is known"),
        (renamed, "calls a mirror otherwise than its key does"),
        (unchecked, "nobody can check its key"),
        (long, "too long for a checkpoint"),
    ],
)
def test_a_file_with_another_policy_is_not_taken(
    network: tuple[Network, Path], tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    file = json.loads(network[1].read_text())
    change(file)
    path = tmp_path / NETWORK_FILE
    write_durably(path, json.dumps(file).encode())

    with pytest.raises(BadStart, match=says):
        read_network(path)


@pytest.mark.parametrize(("mode", "taken"), [(0o644, True), (0o444, True), (0o664, False), (0o646, False)])
def test_who_can_write_it_chooses_whom_one_trusts(
    network: tuple[Network, Path], tmp_path: Path, mode: int, taken: bool
) -> None:
    made, path = network
    copy = tmp_path / NETWORK_FILE
    write_durably(copy, path.read_bytes(), mode)

    if taken:
        assert read_network(copy) == made
        return
    with pytest.raises(BadStart, match=r"can be changed by others.*chmod go-w"):
        read_network(copy)
