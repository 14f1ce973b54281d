import pytest

from pocket.kubelet.restart import BackOff, starts_again


def test_pauses_grow_to_five_minutes() -> None:
    back_off = BackOff()
    assert [back_off.after(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_long_run_is_forgiven() -> None:
    back_off = BackOff()
    assert [back_off.after(ran) for ran in (1, 1, 599, 600, 1)] == [0, 10, 20, 0, 10]


def test_how_long_a_run_must_be_is_a_setting() -> None:
    back_off = BackOff(reset_after=5)
    assert [back_off.after(ran) for ran in (5, 6, 5, 1, 1)] == [0, 0, 0, 10, 20]


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False),
    ],
)  # fmt: skip
def test_policies(policy: str, code: int, again: bool) -> None:
    assert starts_again(policy, code) is again
