"""The table of moves: every state has its ways out, and nothing leaves a closed one."""

import pytest

from policy.models import PolicyVersion
from requests import state
from requests.models import CLOSED, OPEN, Request
from tests.factories.accounts import member
from tests.factories.requests import NOW, asked


def test_table_knows_every_state_and_closed_ones_have_no_way_out() -> None:
    assert set(state.MOVES) == set(Request.State.values) == {*OPEN, *CLOSED}
    assert all(not state.MOVES[closed] for closed in CLOSED)
    assert all(state.MOVES[waiting] for waiting in OPEN)


def test_move_takes_one_row_and_tells_who_was_first(wecustomers: PolicyVersion) -> None:
    request = asked(member())
    state.move(request_id=request.pk, to="withdrawn", closed_at=NOW)
    with pytest.raises(state.WrongState) as refused:
        state.move(request_id=request.pk, to="denied", closed_at=NOW)
    assert (refused.value.found, refused.value.wanted) == ("withdrawn", "denied")


def test_move_can_be_narrowed(wecustomers: PolicyVersion) -> None:
    request = asked(member())
    with pytest.raises(state.WrongState):
        state.move(request_id=request.pk, to="completed", only_from=["in_progress"], closed_at=NOW)
