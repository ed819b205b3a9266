"""The merchant's Idempotency-Key: the first answer is kept, and every repetition gets it again.

The key is claimed in the transaction that reserves the work and answered in the one that settles
it, so that a crash at any point leaves something to carry on with, never something to do twice.
"""

from collections.abc import Callable

from gateway.context import Context
from gateway.errors import Conflict, GatewayError, RefusedByRule
from gateway.order import OrderState
from gateway.ports import Transaction
from gateway.records import Answer, KeyClaim, OrderRecord


class Replay(Exception):
    """Raised out of a use case whose answer is known already."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("replay")
        self.answer = answer


class IdempotentRequest:
    """One request under a merchant's key.

    `render` makes the answer from the order and the id of what the request reserved; `render_error`
    makes it from an error that was executed (a provider's refusal) and the order it left behind.
    `reserved_before`: an interrupted run got as far as to reserve the work, so that nothing of it
    (prices, say) is to be found out anew.
    """

    def __init__(
        self,
        claim: KeyClaim,
        render: Callable[[OrderRecord, OrderState, str], Answer],
        render_error: Callable[[GatewayError, str | None], Answer],
        reserved_before: bool = False,
    ) -> None:
        self.claim = claim
        self.render = render
        self.render_error = render_error
        self.reserved_before = reserved_before

    async def begin(self, ctx: Context, tx: Transaction) -> str | None:
        """Claim the key. Returns what an interrupted run had reserved, or None to start.

        Raises Replay; Conflict `idempotency_in_flight`; RefusedByRule `idempotency_mismatch`.
        """
        now = ctx.now()
        claimed = await tx.claim_key(self.claim, now, now + ctx.lease)
        match claimed.outcome:
            case "done":
                assert claimed.answer is not None  # that is what done means
                raise Replay(claimed.answer)
            case "in_flight":
                raise Conflict(
                    "the first request with this Idempotency-Key is still running; try again in a "
                    "few seconds with the same key",
                    code="idempotency_in_flight",
                )
            case "mismatch":
                raise RefusedByRule(
                    "this Idempotency-Key was used for another request (other payload, path or "
                    "caller); use a new key for a new request",
                    code="idempotency_mismatch",
                )
        return claimed.resource_id

    async def reserved(self, tx: Transaction, resource_id: str) -> None:
        """Note what this request has reserved, in the transaction that reserves it."""
        await tx.bind_key(self.claim, resource_id)

    async def succeed(
        self, tx: Transaction, order: OrderRecord, state: OrderState, resource_id: str
    ) -> Answer:
        """Keep and return the answer."""
        answer = self.render(order, state, resource_id)
        return await tx.answer_key(self.claim, answer)

    async def fail(
        self, tx: Transaction, error: GatewayError, order_id: str | None = None
    ) -> Answer:
        """Keep and return the answer to a request that was executed and refused.

        `order_id` names the order that it left behind.
        """
        answer = self.render_error(error, order_id)
        return await tx.answer_key(self.claim, answer)
