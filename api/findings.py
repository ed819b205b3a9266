"""What `gateway doctor` makes of what it sees: pure judgements, each with its cure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from gateway.provider import RegisteredWebhook
from storage.condition import ApiKey, Endpoint, Server, Waiting, Work

Level = Literal["ok", "warn", "fail"]
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: The clock may be off by so much; webhooks are refused when it is off by five minutes.
_SKEW_WARN, _SKEW_FAIL = timedelta(seconds=5), timedelta(minutes=2)
#: Work that is due is begun within a second, as long as a worker runs.
_LATE_WARN, _LATE_FAIL = timedelta(minutes=1), timedelta(minutes=15)
_LONG = timedelta(hours=1)
#: A payment need not bring a webhook (the buyer may walk away), a day of them should.
_QUIET = timedelta(days=1)
_OLDEST_POSTGRESQL = 15
_WORKER = "see that `gateway worker`, or `gateway serve` with its worker, runs and read its log"
_LIST = "see GET /v1/attention, cure what it says, and resolve the item"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at; `cure` is empty where all is well."""

    check: str
    level: Level
    detail: str
    cure: str = ""


def public_url(url: str) -> Finding:
    """Who can reach it."""
    if urlsplit(url).hostname in _LOOPBACK:
        return Finding(
            "public address",
            "warn",
            f"only this machine reaches {url}",
            "set GATEWAY_PUBLIC_URL to the address at which buyers and providers reach you",
        )
    return Finding("public address", "ok", url)


def clock(whose: str, theirs: datetime, ours: datetime) -> Finding:
    """Whether two clocks agree."""
    skew = abs(theirs - ours)
    detail = f"{skew.total_seconds():.0f} s apart from {whose}'s"
    if skew < _SKEW_WARN:
        return Finding("clock", "ok", detail)
    level: Level = "warn" if skew < _SKEW_FAIL else "fail"
    return Finding("clock", level, detail, "keep the clock of every machine in step, by NTP")


def server(server: Server, pool_size: int) -> list[Finding]:
    """Whether money can be entrusted to this PostgreSQL."""
    found = []
    major = server.version // 10_000
    if major < _OLDEST_POSTGRESQL:
        cure = f"use PostgreSQL {_OLDEST_POSTGRESQL} or newer"
        found.append(Finding("postgresql", "fail", f"it is version {major}", cure))
    if server.read_only:
        cure = "point DATABASE_URL at the primary"
        found.append(Finding("postgresql", "fail", "it is a replica and takes no writes", cure))
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if server.settings[name] == "off":
            words = f"{name} is off: what was acknowledged is lost when the power fails"
            found.append(Finding("postgresql", "fail", words, f"set {name} = on"))
    if server.settings["server_encoding"] != "UTF8":
        words = f"its encoding is {server.settings['server_encoding']}"
        found.append(Finding("postgresql", "fail", words, "make the database with ENCODING 'UTF8'"))
    most = int(server.settings["max_connections"])
    if server.connections + pool_size > most:
        words = f"{server.connections} of {most} connections are taken, a process needs {pool_size}"
        cure = "raise max_connections, lower GATEWAY_POOL_SIZE, or put a pooler between"
        found.append(Finding("postgresql", "warn", words, cure))
    return found or [Finding("postgresql", "ok", f"version {major}, durable, takes writes")]


def api_keys(keys: Sequence[ApiKey], modes: Mapping[str, str]) -> Finding:
    """Whether merchants can call, and have a provider in their mode. `modes`: by provider."""
    if not keys:
        cure = 'run `gateway keys create --merchant "…"`'
        return Finding("API keys", "warn", "there are none: nobody can call the API", cure)
    key_modes = {"live" if key.livemode else "test" for key in keys}
    lonely = sorted(key_modes - set(modes.values()))
    if lonely and modes:
        words = f"there are {lonely[0]} keys, and no provider in {lonely[0]} mode"
        cure = "revoke them, or give a provider the settings of that mode"
        return Finding("API keys", "warn", words, cure)
    return Finding("API keys", "ok", f"{len(keys)} in use")


def registered(
    provider: str, url: str, live: bool, webhooks: Sequence[RegisteredWebhook]
) -> list[Finding]:
    """Whether the provider sends its events to `url`, all that matter, so that we accept them."""
    check, level = f"{provider}: webhook", _severity(live)
    ours = [hook for hook in webhooks if _is_at(hook.url, url)]
    if not ours:
        words = f"none is registered at {url}"
        return [Finding(check, level, words, f"register it at {provider}: docs/operations.md")]
    found = []
    for hook in ours:
        if not hook.enabled:
            words = f"{hook.id} is disabled at {provider}"
            found.append(Finding(check, level, words, f"enable it in {provider}'s dashboard"))
        if hook.missing:
            words = f"{hook.id} is not sent {', '.join(hook.missing)}"
            found.append(
                Finding(check, "warn", words, f"add these events in {provider}'s dashboard")
            )
    if all(hook.trouble for hook in ours):
        words = f"what {ours[0].id} sends would be refused"
        found.append(Finding(check, "fail", words, ours[0].trouble))
    return found or [Finding(check, "ok", f"{url} is sent all that matters")]


def _severity(live: bool) -> Level:
    """Payments are found without webhooks too, only later."""
    return "fail" if live else "warn"


def _is_at(url: str, wanted: str) -> bool:
    """The address itself, or that of one of its accounts."""
    return url.rstrip("/") == wanted or url.startswith(f"{wanted}/")


def last_webhook(
    provider: str, webhook: datetime | None, payment: datetime | None, now: datetime
) -> Finding:
    """Whether events still arrive."""
    check = f"{provider}: last webhook"
    words = f"{ago(now - webhook)} ago" if webhook else "none has come yet"
    quiet_since = webhook or datetime.min.replace(tzinfo=now.tzinfo)
    if payment and now - payment > _QUIET and payment - quiet_since > _QUIET:
        cure = f"see {provider}'s dashboard for failing deliveries, and the log for refused ones"
        return Finding(check, "warn", f"{words}, but payments were begun since", cure)
    return Finding(check, "ok", words)


def work(work: Work, now: datetime) -> list[Finding]:
    """Whether what is due gets done, and what could not be."""
    found = [
        _late("inbox", "webhooks wait to be applied", work.inbox, now),
        _late("jobs", "jobs are due", work.jobs, now),
    ]
    if work.in_doubt.oldest and now - work.in_doubt.oldest > _LONG:
        words = f"{work.in_doubt.count} unsettled, for up to {ago(now - work.in_doubt.oldest)}"
        found.append(Finding("provider calls", "warn", words, _WORKER))
    if work.deliveries.oldest and now - work.deliveries.oldest > _LONG:
        words = f"{work.deliveries.count} wait, for up to {ago(now - work.deliveries.oldest)}"
        cure = "see GET /v1/deliveries?status=pending for what the merchants' servers answer"
        found.append(Finding("deliveries", "warn", words, cure))
    else:
        found.append(Finding("deliveries", "ok", f"{work.deliveries.count} wait"))
    dead = work.inbox_dead + work.jobs_dead
    if dead:
        words = f"{work.inbox_dead} webhooks and {work.jobs_dead} jobs were given up"
        cure = "read their errors in GET /v1/attention, cure them, then `gateway events replay`"
        found.append(Finding("dead letters", "warn", words, cure))
    else:
        found.append(Finding("dead letters", "ok", "none"))
    if work.inbox_orphans:
        words = f"{work.inbox_orphans} webhooks are about payments that are not known here"
        cure = "see whether other software uses the same account at the provider"
        found.append(Finding("orphans", "warn", words, cure))
    if work.attention:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(work.attention.items()))
        found.append(Finding("attention", "warn", kinds, _LIST))
    else:
        found.append(Finding("attention", "ok", "nothing waits for a person"))
    return found


def _late(check: str, what: str, waiting: Waiting, now: datetime) -> Finding:
    late = now - waiting.oldest if waiting.oldest else timedelta()
    if late < _LATE_WARN:
        return Finding(check, "ok", f"{waiting.count} {what}")
    level: Level = "warn" if late < _LATE_FAIL else "fail"
    return Finding(check, level, f"{waiting.count} {what}, for up to {ago(late)}", _WORKER)


def endpoints(endpoints: Sequence[Endpoint], unreadable: int, now: datetime) -> list[Finding]:
    """The merchants' own servers. `unreadable`: secrets that GATEWAY_SECRET_KEY does not open."""
    check, found = "merchants' endpoints", []
    if unreadable:
        words = f"{unreadable} have secrets that GATEWAY_SECRET_KEY does not open"
        cure = "set GATEWAY_SECRET_KEY back to what it was, or have their secrets rotated"
        found.append(Finding(check, "fail", words, cure))
    for endpoint in endpoints:
        if endpoint.status == "disabled":
            words = f"{endpoint.id} is disabled: {endpoint.reason or 'by its merchant'}"
            cure = "have its merchant mend the server, enable the endpoint, and recover the events"
            found.append(Finding(check, "warn", words, cure))
        elif endpoint.failing_since and now - endpoint.failing_since > _LONG:
            words = f"{endpoint.id} has failed for {ago(now - endpoint.failing_since)}"
            found.append(Finding(check, "warn", words, "tell its merchant: see GET /v1/deliveries"))
    return found or [Finding(check, "ok", f"{len(endpoints)} enabled")]


def ago(span: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
