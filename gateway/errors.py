"""The closed tree of errors. Foreign exceptions are mapped to it once, at the edge they come from.

`Rejected`, `Unavailable` and `OutcomeUnknown` are the three ways in which a provider call can fail
to succeed, and the difference between them is money: a rejected call certainly did nothing and will
not, an unavailable one certainly did nothing yet, an unknown one may have done it.
"""


class GatewayError(Exception):
    """Anything that this software raises on purpose. `code` is documented in docs/errors.md.

    `detail` is written for the caller: it says what to do, and holds no secret or personal data.
    """

    code = "internal_error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class SettingsError(GatewayError):
    """A missing or malformed setting; the message names it and is one line."""

    code = "settings_error"


# --- what a caller asked for ----------------------------------------------------------------------


class InvalidRequest(GatewayError):
    """The request cannot be carried out as it is written. `path` names the field at fault."""

    code = "invalid_request"

    def __init__(self, detail: str, *, path: str = "", code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.path = path


class InvalidAmount(InvalidRequest):
    """An amount that is not exact in its currency, or a currency that does not exist."""

    code = "invalid_amount"


class NotFound(GatewayError):
    """No such object, or not one of this merchant's; callers are not told which."""

    code = "not_found"


class Conflict(GatewayError):
    """The object's present state does not allow it; `code` says which rule."""

    code = "conflict"


class RefusedByRule(GatewayError):
    """Well-formed, but a rule of money forbids it (a refund above what was captured)."""

    code = "refused"


class StoreUnavailable(GatewayError):
    """The database cannot take the write now; nothing was stored, the caller may try again."""

    code = "store_unavailable"


# --- what a provider answered ---------------------------------------------------------------------


class ProviderError(GatewayError):
    """A provider call that did not succeed. `provider_code` is the provider's own word for why."""

    code = "provider_error"

    def __init__(
        self, detail: str, *, provider_code: str = "", request_id: str | None = None
    ) -> None:
        super().__init__(detail)
        self.provider_code = provider_code
        self.request_id = request_id


class Rejected(ProviderError):
    """The provider answered no: nothing was done, and the same request will get the same answer."""

    code = "provider_rejected"


class Unavailable(ProviderError):
    """Certainly nothing was done *by this request*: rate limit, refused connection, bad keys.

    Try again with the same key, not before `retry_after` seconds where the provider named a time.
    """

    code = "provider_unavailable"

    def __init__(
        self,
        detail: str,
        *,
        provider_code: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail, provider_code=provider_code, request_id=request_id)
        self.retry_after = retry_after


class OutcomeUnknown(ProviderError):
    """The provider may have done it: timeout, broken answer, 5xx. Never to be called a failure."""

    code = "provider_outcome_unknown"


class WebhookInvalid(GatewayError):
    """A delivery that is not what it claims to be: answered 400, nothing stored."""

    code = "webhook_invalid"


def reason(error: Exception) -> str:
    """What may be stored of an error: our own words, or only its class."""
    detail = error.detail if isinstance(error, GatewayError) else ""
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__
