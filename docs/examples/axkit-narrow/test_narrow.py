import pytest
from axkit_narrow import Narrow

from axkit.testing import check_pass


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("keep", [0.25, 1.0])
def test_narrow(family, keep):
    subject = check_pass(Narrow, family, keep=keep)
    assert len(subject.structure.layers[0].neurons) == round(24 * keep)
