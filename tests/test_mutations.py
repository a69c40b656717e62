"""The list of mutations itself: each must still find what it breaks, and the tests that shall notice."""

import re

import pytest

from tests.mutations import MUTATIONS, ROOT
from tests.mutations_networks import MUTATIONS as NETWORKS
from tests.zoo.cases import CASES

ALL = (*MUTATIONS, *NETWORKS)


@pytest.mark.parametrize("mutation", ALL, ids=[mutation.name for mutation in ALL])
def test_it_can_be_made_and_noticed(mutation):
    text = (ROOT / "helpers" / mutation.file).read_text(encoding="utf-8")
    assert mutation.old in text, "the text to change is not there any more"
    assert mutation.tests, "no test is to notice it"
    for test in mutation.tests:
        path, _, name = test.partition("::")
        written = (ROOT / path).read_text(encoding="utf-8")
        case = re.search(r"test_case\[(\w+)\]", name)
        assert case[1] in CASES if case else not name or re.search(rf"def {name.partition('[')[0]}\b", written), test
