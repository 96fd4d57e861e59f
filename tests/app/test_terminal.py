"""How numbers are told."""

import pytest

from fusiform.app.terminal import percent


@pytest.mark.parametrize(
    ("probability", "told"),
    [(0, "under 0.1 %"), (0.0014, "0.1 %"), (0.5, "50.0 %"), (0.998, "99.8 %"), (1, "over 99.9 %")],
)
def test_percent(probability, told):
    assert percent(probability) == told
