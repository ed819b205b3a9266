"""Small checkers from which the parameters of a call are described, with Stripe's errors.

A checker takes the parsed form value and the parameter's name in brackets, and returns the value
with its right type or raises StripeError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox.stripe.errors import StripeError, not_simulated, required

Check = Callable[[Any, str], Any]
BIGGEST = 2**53


def string(most: int = 5000) -> Check:
    """Text of 1 to `most` characters."""

    def check(value: Any, param: str) -> str:
        if not isinstance(value, str):
            raise StripeError(f"Invalid string: {_shown(value)}", param=param)
        if not value:
            raise _empty(param)
        if len(value) > most:
            message = f"Invalid string: {value[:10]}…; must be at most {most} characters"
            raise StripeError(message, param=param)
        return value

    return check


def integer(least: int = -BIGGEST, most: int = BIGGEST) -> Check:
    """A decimal integer within bounds."""

    def check(value: Any, param: str) -> int:
        code = "parameter_invalid_integer"
        if value == "":
            raise _empty(param)
        if not isinstance(value, str) or not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise StripeError(f"Invalid integer: {_shown(value)}", code=code, param=param)
        number = int(value)
        if number < least:
            message = f"This value must be greater than or equal to {least}."
            raise StripeError(message, code=code, param=param)
        if number > most:
            message = f"This value must be less than or equal to {most}."
            raise StripeError(message, code=code, param=param)
        return number

    return check


def boolean(value: Any, param: str) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise StripeError(f"Invalid boolean: {_shown(value)}", param=param)
    return bool(value == "true")


def choice(*values: str) -> Check:
    """One of a few words."""

    def check(value: Any, param: str) -> str:
        if value not in values:
            last = f", or {values[-1]}" if len(values) > 2 else f" or {values[-1]}"
            listed = ", ".join(values[:-1]) + last if len(values) > 1 else values[0]
            raise StripeError(f"Invalid {param}: must be one of {listed}", param=param)
        return str(value)

    return check


def email(value: Any, param: str) -> str:
    """An address with something on both sides of one @."""
    if not isinstance(value, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        message = f"Invalid email address: {_shown(value)}"
        raise StripeError(message, code="email_invalid", param=param)
    return value


def url(value: Any, param: str) -> str:
    """An absolute address."""
    text: str = string(5000)(value, param)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise StripeError(message, code="url_invalid", param=param)
    if (parts.scheme in ("http", "https") and not parts.hostname) or re.search(r"\s", text):
        raise StripeError("Not a valid URL", code="url_invalid", param=param)
    return text


def metadata(value: Any, param: str) -> dict[str, str]:
    """Up to 50 keys of 40 characters with values of 500; an empty string empties it."""
    if value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise StripeError("Invalid metadata: must be a hash of strings", param=param)
    if len(value) > 50:
        raise StripeError("Metadata can have at most 50 keys.", param=param)
    for key, text in value.items():
        if len(key) > 40:
            message = f"Invalid metadata key: {key[:40]}…; must be at most 40 characters"
            raise StripeError(message, param=param)
        if len(text) > 500:
            message = f"Invalid metadata value for {key}: must be at most 500 characters"
            raise StripeError(message, param=f"{param}[{key}]")
    return dict(value)


def anything(value: Any, param: str) -> Any:
    """Accepted and left alone: it changes nothing that the sandbox shows."""
    return value


def unsupported(value: Any, param: str) -> Any:
    """Known to Stripe, refused here rather than silently ignored."""
    raise not_simulated(param)


def items(check: Check, most: int = 100) -> Check:
    """A list of up to `most` values."""

    def check_items(value: Any, param: str) -> list[Any]:
        if not isinstance(value, dict) or not all(key.isdecimal() for key in value):
            raise StripeError("Invalid array", param=param)
        if len(value) > most:
            raise StripeError(f"Array too long: at most {most} items are allowed", param=param)
        ordered = sorted(value.items(), key=lambda item: int(item[0]))
        return [check(item, f"{param}[{key}]") for key, item in ordered]

    return check_items


def record(fields: Mapping[str, Check], needed: Collection[str] = ()) -> Check:
    """A hash with known members; any other member is `parameter_unknown`."""

    def check(value: Any, param: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise StripeError("Invalid object", param=param)

        def path(name: str) -> str:
            return f"{param}[{name}]" if param else name

        for name in value:
            if name not in fields:
                raise StripeError(
                    f"Received unknown parameter: {path(name)}",
                    code="parameter_unknown",
                    param=path(name),
                )
        for name in needed:
            if name not in value:
                raise required(path(name))
        return {name: fields[name](item, path(name)) for name, item in value.items()}

    return check


def _empty(param: str) -> StripeError:
    message = (
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to "
        f"unset a parameter; however '{param}' cannot be unset."
    )
    return StripeError(message, code="parameter_invalid_empty", param=param)


def _shown(value: Any) -> str:
    return value[:40] if isinstance(value, str) else "a hash"
