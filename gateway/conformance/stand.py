"""What the kit needs to know of a provider: a stand, which is a fake or sandbox of it.

A stranger writes a stand for his provider and hands it over in one fixture:

```python
class TestAcme(ProviderContract):
    plugin = acme_gateway.plugin
    traits = Traits(secret_settings=("ACME_SECRET",), paid_words=("paid", "done"), ...)

    @pytest.fixture
    async def stand(self) -> AsyncIterator[ProviderStand]:
        async with acme_fake() as fake:
            yield AcmeStand(fake)
```

What a provider cannot do is declared, in the plugin's capabilities and in `Traits`; what is
declared is tested. All amounts are in ISO 4217 minor units, whatever the provider counts in.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from gateway.money import Money

Act = Literal[
    "pay", "decline", "leave", "expire", "pay_later", "clear", "bounce", "pay_slow_refund"
]
"""What the buyer, or time, does to an open checkout at the provider.

| act | does | then `confirm` shows |
|---|---|---|
| `pay` | all that a buyer can do to pay at once | Captured; in manual mode Authorized |
| `decline` | a try to pay that is refused | Declined or Failed, no money |
| `leave` | closes or cancels the page without paying | no money |
| `expire` | nothing, until the checkout's time is over | Expired, Canceled or Failed |
| `pay_later` | pays by a method that takes days to clear | Pending, no money |
| `clear`, `bounce` | such a payment comes in, or fails | Captured; Failed or Declined |
| `pay_slow_refund` | pays so that a refund of `pending_refund` is pending at first | Captured |
"""


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What is peculiar to the provider and to its stand. The fewer, the more is tested.

    `secret_settings` are the settings (environment variables) whose values are secret.
    `paid_words` are all words by which the provider's answers say that a payment or a refund is
    done or under way, as they stand in its JSON ("paid", "pending", "COMPLETED"): the kit replaces
    them on the wire by a word that nobody knows.

    Webhooks. `signed`: they carry a signature; if not, the truth must be fetched, and what is
    forged is an id that the provider does not know (`ProviderStand.forged`). `signed_headers` are
    the names, in lower case, of the headers that the signature consists of or covers; all are
    needed. `tolerance`: how old a signed delivery may be; None where the signature holds no time.
    `webhook_secret` is the setting that holds the secret that webhooks are signed with, None where
    there is none (certificates); `secret_separator` stands between the old and the new one while
    it is rolled, None where only one can be given. `event_ids`: events have ids of their own.
    `event_types`: events have types, of which there may be new ones.

    `acts`: what `buyer` can do. `closes_pages`: an open checkout can be closed; if not, the
    capability cancel is about held money only, and `cancel` of an open one is Rejected.
    `verdicts`: how a dispute can end. `token_paths`: where access tokens are fetched (the end of
    the address's path is enough); faults never hit them, and concurrent calls must fetch one.
    `pending_refund`: an amount whose refund is pending at first, of a payment made by the act
    `pay_slow_refund` (or by `pay`, where that is not among the acts); None where refunds are done
    at once. `refunds_fail_late`: a refund that has succeeded can fail. `dashboard`: refunds can be
    made at the provider, without us. `ordinary`: False for amounts that mean something special at
    the stand. `error_body`: the body of an error as the provider would write it, for the faults of
    the kit. `patience`: seconds after which a call must be over when the provider says nothing.

    `large_amount`: an amount in the main currency, of many digits, that the provider takes.
    `live_settings`: all settings of a live account, with made-up secrets; nothing is sent. None
    where the stand can name none. `shows_pages`: the stand has `page`. `names_tries`: each refused
    try has an id of its own.
    """

    secret_settings: tuple[str, ...]
    paid_words: tuple[str, ...]
    signed: bool = True
    signed_headers: tuple[str, ...] = ()
    tolerance: timedelta | None = timedelta(minutes=5)
    webhook_secret: str | None = None
    secret_separator: str | None = ","
    event_ids: bool = True
    event_types: bool = True
    acts: frozenset[Act] = frozenset(("pay", "decline"))
    closes_pages: bool = True
    verdicts: frozenset[Literal["won", "lost"]] = frozenset(("won", "lost"))
    token_paths: tuple[str, ...] = ()
    pending_refund: int | None = None
    refunds_fail_late: bool = False
    dashboard: bool = False
    ordinary: Callable[[Money], bool] = lambda money: True
    error_body: bytes = b"{}"
    patience: float = 20.0
    large_amount: int = 1_023_456_789
    live_settings: Mapping[str, str] | None = None
    shows_pages: bool = False
    names_tries: bool = True


class Delivery(msgspec.Struct, frozen=True):
    """A webhook as it arrived. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class Books(msgspec.Struct, frozen=True):
    """What the provider itself knows of one payment of ours, found by the `payment_id` it echoes.

    `checkouts`: the ids of all checkouts that were opened for it. `captured` and `refunded`: each
    movement of money that was made or is under way and has not failed, as positive amounts.
    """

    checkouts: tuple[str, ...] = ()
    captured: tuple[Money, ...] = ()
    refunded: tuple[Money, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """What the provider was told of its page; None for what it is not told."""

    success_url: str | None = None
    cancel_url: str | None = None
    expires_at: datetime | None = None


class NotPossible(Exception):
    """The buyer cannot do that (any more): the checkout is closed, say."""


class StandIncomplete(Exception):
    """A trait or capability is declared, and the stand lacks the method that goes with it."""


class ProviderStand(ABC):
    """A fake or sandbox of the provider, empty at the start of each test.

    `url` is the base address of its API, as the plugin's settings would name it. The methods that
    are not abstract belong to a trait or capability; whoever declares it writes them. `webhook_url`
    is where the stand listens, for providers that are told with each checkout where to deliver.
    """

    url: str
    webhook_url: str | None = None

    @abstractmethod
    def environment(self, base_url: str) -> Mapping[str, str]:
        """Settings of a plugin that talks to this stand, but under `base_url` instead of `url`.

        The kit puts its fault-making proxy there.
        """

    @abstractmethod
    async def buyer(self, checkout_id: str, act: Act) -> None:
        """Do at the provider's page what `act` says. Raises NotPossible where it is closed."""

    @abstractmethod
    async def books(self, payment_id: str) -> Books:
        """The provider's own books, not what the adapter makes of them."""

    @abstractmethod
    async def deliveries(self) -> Sequence[Delivery]:
        """All webhooks that were sent so far, in any order, once none is under way any more."""

    def sign(
        self, body: bytes, *, at: datetime | None = None, secret: str | None = None
    ) -> Mapping[str, str]:
        """The headers of a delivery of `body` that the provider would send at the time `at` (now).

        `secret`: signed with this one instead of the provider's. Where webhooks are not signed with
        a secret, any `secret` means: by somebody else, as well as that can be imitated. For those
        that are `signed`.
        """
        raise StandIncomplete("Traits.signed: the stand needs sign()")

    def forged(self) -> Delivery:
        """A delivery about an object that the provider does not know. For those not `signed`."""
        raise StandIncomplete("Traits.signed=False: the stand needs forged()")

    def unknown_event(self) -> bytes:
        """The body of an event of a type that is new. For `event_types`."""
        raise StandIncomplete("Traits.event_types: the stand needs unknown_event()")

    async def page(self, checkout_id: str) -> Page:
        """What the provider was told of this checkout's page. For `shows_pages`."""
        raise StandIncomplete("Traits.shows_pages: the stand needs page()")

    async def turn_refund(self, refund_id: str, outcome: Literal["succeeded", "failed"]) -> None:
        """A refund (the provider's id) comes to this end. For `pending_refund` and
        `refunds_fail_late`."""
        raise StandIncomplete("the stand's traits need turn_refund()")

    async def refund_at_provider(self, checkout_id: str, money: Money) -> None:
        """Refund in the provider's own dashboard. For `dashboard`."""
        raise StandIncomplete("Traits.dashboard: the stand needs refund_at_provider()")

    async def dispute(self, checkout_id: str) -> None:
        """The buyer's bank contests the payment. For the capability `disputes`."""
        raise StandIncomplete("the capability disputes: the stand needs dispute()")

    async def decide_dispute(self, checkout_id: str, *, won: bool) -> None:
        """The open dispute is decided, for or against the merchant. For `disputes`."""
        raise StandIncomplete("the capability disputes: the stand needs decide_dispute()")

    def hurried(self) -> AbstractContextManager[object]:
        """Inside, a plugin that is opened has timeouts of well under a second (patch them).

        Without it the kit waits for the real ones.
        """
        return nullcontext()
