"""The paper's Table 1, the rows of those who take no part in a sale: out of a run of real processes (tests/privacy)."""

from __future__ import annotations

import pytest

from tests.privacy.sale import taken
from tests.privacy.table import COLUMNS, LAW, OBSERVER, Extent, known, rows

pytestmark = pytest.mark.real


def extents(name: str) -> dict[str, Extent]:
    sale = taken()
    if len(set(sale.facts.addresses.values())) < len(sale.facts.addresses):
        pytest.skip("NOT TESTED: who knows what; each party needs an address of its own, which this system has not")
    return {column: cell.extent for column, cell in known(sale.facts, name, rows(sale)[name]).items()}


def test_an_observer_of_the_network_knows_who_sells_and_when() -> None:
    """Section "Privacy", Table 1: Electronic Observer, Merchant Partial, Consumer None, Date Full, Amount Partial.

    Item is None in the paper, which does not count the size of what is sent.
    """
    found = extents(OBSERVER)

    assert [found[column] for column in COLUMNS[:4]] == [Extent.PARTIAL, Extent.NONE, Extent.FULL, Extent.PARTIAL]
    assert found["item"] is not Extent.FULL


def test_a_warrant_brings_everything_but_the_consumer() -> None:
    """Section "Privacy", Table 1: Law Enforcement with warrant, Consumer None, all else Full.

    "Law enforcement's knowledge of the item is dependent on merchant records."
    """
    found = extents(LAW)

    assert found.pop("consumer") is Extent.NONE
    assert set(found.values()) == {Extent.FULL}
