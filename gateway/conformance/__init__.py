"""The conformance kit: what every provider's adapter must do, as tests that anybody can run.

Installed with the extra `conformance`. See `ProviderContract` and `ProviderStand`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.conformance.contract import ProviderContract
    from gateway.conformance.mailbox import Mailbox, open_mailbox
    from gateway.conformance.proxy import Fault, FaultProxy, open_proxy
    from gateway.conformance.stand import (
        Act,
        Books,
        Delivery,
        NotPossible,
        Page,
        ProviderStand,
        StandIncomplete,
        Traits,
    )

__all__ = [
    "Act",
    "Books",
    "Delivery",
    "Fault",
    "FaultProxy",
    "Mailbox",
    "NotPossible",
    "Page",
    "ProviderContract",
    "ProviderStand",
    "StandIncomplete",
    "Traits",
    "open_mailbox",
    "open_proxy",
]

_MODULES = ("contract", "mailbox", "proxy", "stand")


def __getattr__(name: str) -> object:
    """Loaded when it is needed: the pytest plugin in this package is there in every run."""
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__} has no attribute {name}")
