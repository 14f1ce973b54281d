import socket

import pytest

from pocket.ports import HOST, NoFreePort, PortPool, is_free


def free_base(count: int) -> int:
    """The first of `count` ports in a row that are free now."""
    for base in range(21000, 31000, 50):
        if all(is_free(base + offset) for offset in range(count)):
            return base
    raise AssertionError("no free range of ports")


def test_ports_are_different_and_in_the_range() -> None:
    base = free_base(5)
    pool = PortPool(base, 5)
    assert sorted(pool.allocate(3) + pool.allocate(2)) == list(range(base, base + 5))


def test_a_pool_that_runs_dry_takes_nothing_and_says_how_to_go_on() -> None:
    base = free_base(3)
    pool = PortPool(base, 3)
    first = pool.allocate(2)
    with pytest.raises(NoFreePort, match=r"2 free ports are needed, 1 of .* POCKET_PORT_BASE"):
        pool.allocate(2)
    pool.release(first)
    assert len(pool.allocate(3)) == 3


def test_a_released_port_is_the_last_to_come_back() -> None:
    base = free_base(3)
    pool = PortPool(base, 3)
    pool.release(pool.allocate(1))
    assert pool.allocate(3) == [base + 1, base + 2, base]


def test_a_port_with_a_listener_is_passed_over() -> None:
    base = free_base(3)
    with socket.create_server((HOST, base)):
        assert not is_free(base)
        assert PortPool(base, 3).allocate(2) == [base + 1, base + 2]
    with socket.create_server(("", base)):
        assert not is_free(base)


def test_reserved_ports_are_not_given_out() -> None:
    base = free_base(3)
    pool = PortPool(base, 3)
    pool.reserve([base, base + 1, 9])
    assert pool.allocate(1) == [base + 2]


@pytest.mark.parametrize(("base", "size"), [(0, 5), (65000, 1000), (1000, 0)])
def test_a_range_that_cannot_be_is_refused(base: int, size: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        PortPool(base, size)
