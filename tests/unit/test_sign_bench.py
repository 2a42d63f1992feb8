"""The benchmark of signatures: it reads what `openssl speed` prints, and does without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonnet_daemons.benches import sign

REPORTS = [  # the last lines of OpenSSL 3.0, of 3.5, and of a tool that is none
    (
        "                  sign    verify    sign/s verify/s\nrsa 2048 bits 0.000274s 0.000018s   3647.9  55674.0\n",
        3647.9,
    ),
    (
        "                   sign    verify    encrypt   decrypt   sign/s verify/s  encr./s  decr./s\n"
        "rsa  2048 bits 0.000152s 0.000006s 0.000006s 0.000176s   6574.8 161290.3 156250.0   5681.8\n",
        6574.8,
    ),
    ("speed: Unknown algorithm rsa2048\n", None),
]


@pytest.mark.parametrize(("report", "rate"), REPORTS)
def test_the_rate_of_private_operations_is_read(report: str, rate: float | None) -> None:
    assert sign.rate_in(report) == rate


def test_figures_without_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    found = sign.run(sign.COUNT_MIN, threads=2)

    assert found["openssl_speed_per_second"] is found["ratio"] is found["together_ratio"] is None
    assert isinstance(found["per_second"], int)
    assert found["per_second"] > 0
