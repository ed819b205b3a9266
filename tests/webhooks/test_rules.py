"""gateway/deliveries.py: when to try again, when to pause, when to give up."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.deliveries import (
    CIRCUIT_AFTER,
    MAX_TRIES,
    PAUSES,
    Health,
    Reply,
    Verdict,
    judge,
    next_pause,
    retry_after,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OK, BROKEN = Reply(204, 5), Reply(500, 5)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def middle(count: int) -> bytes:
    """Randomness without jitter, as nearly as bytes can tell."""
    return b"\x80" + bytes(count - 1)


def after(
    reply: Reply, tries: int = 1, health: Health | None = None, *, probe: bool = False
) -> Verdict:
    return judge(reply, tries, health or Health(), NOW, probe=probe, randomness=middle)


def test_the_schedule_is_that_of_the_specification() -> None:
    assert [pause.total_seconds() for pause in PAUSES] == [
        5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    waits = [after(BROKEN, tries).run_at - NOW for tries in range(1, MAX_TRIES)]
    for wait, pause in zip(waits, PAUSES, strict=True):
        assert abs(wait - pause) < MINUTE / 1000
    assert after(BROKEN, MAX_TRIES).status == "failed"


@pytest.mark.parametrize("tries", range(1, MAX_TRIES))
def test_jitter_is_a_tenth_to_either_side(tries: int) -> None:
    pause = PAUSES[tries - 1]
    assert next_pause(tries, bytes) == pause * 0.9
    assert next_pause(tries, lambda count: b"\xff" * count) == pause * 1.1


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_receipt(status: int) -> None:
    assert after(Reply(status, 1)).status == "delivered"


@pytest.mark.parametrize("status", [None, 100, 199, 301, 302, 307, 400, 404, 500, 503])
def test_everything_else_is_not(status: int | None) -> None:
    assert after(Reply(status, 1)).status == "pending"


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "120", 120.0),
        (503, " 7 ", 7.0),
        (429, "Thu, 01 Jan 2026 12:10:00 GMT", 600.0),
        (429, "Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        (503, "999999999999999999999", 86_400.0),
        (503, "Fri, 01 Jan 2027 12:00:00 GMT", 86_400.0),
        (500, "120", None),
        (429, "", None),
        (429, "soon", None),
        (429, "-5", None),
        (429, "٣", None),
        (429, "1.5", None),
    ],
)
def test_retry_after(status: int, header: str, seconds: float | None) -> None:
    wait = retry_after(Reply(status, 1, retry_after=header), NOW)
    assert (wait.total_seconds() if wait is not None else None) == seconds


def test_retry_after_holds_for_the_whole_endpoint() -> None:
    verdict = after(Reply(429, 1, retry_after="3600"))
    assert verdict.run_at == NOW + HOUR
    assert verdict.health.open_until == NOW + HOUR
    assert verdict.health.circuit(NOW) == "closed"
    # A receipt from a delivery that was under way does not lift it.
    assert after(OK, health=verdict.health).health.open_until == NOW + HOUR


def test_retry_after_does_not_hurry_the_schedule() -> None:
    assert after(Reply(503, 1, retry_after="1"), 4).run_at - NOW > HOUR


def test_the_circuit_opens_and_stays_open_longer_each_time() -> None:
    health, minutes = Health(), []
    for failure in range(1, 15):
        health = after(BROKEN, health=health, probe=health.tripped).health
        assert health.circuit(NOW) == ("open" if failure >= CIRCUIT_AFTER else "closed")
        if health.open_until is not None:
            minutes.append((health.open_until - NOW) / MINUTE)
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert health.circuit(NOW + HOUR) == "half_open"


def test_stragglers_do_not_keep_the_circuit_open() -> None:
    health = Health(CIRCUIT_AFTER, NOW - MINUTE, NOW + MINUTE)
    assert after(BROKEN, health=health).health == health


def test_a_receipt_closes_the_circuit() -> None:
    verdict = after(OK, health=Health(CIRCUIT_AFTER, NOW - DAY, NOW), probe=True)
    assert verdict.recovered
    assert verdict.health == Health()
    assert not after(OK, health=Health(CIRCUIT_AFTER - 1, NOW)).recovered


def test_gone_disables_at_once() -> None:
    verdict = after(Reply(410, 1))
    assert verdict.status == "failed"
    assert "410" in verdict.disable


def test_five_days_of_failures_disable() -> None:
    assert not after(BROKEN, health=Health(9, NOW - 5 * DAY + MINUTE)).disable
    verdict = after(BROKEN, health=Health(9, NOW - 5 * DAY))
    assert "5 days" in verdict.disable
    assert verdict.health.failing_since == NOW - 5 * DAY
