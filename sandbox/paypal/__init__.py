"""PayPal: OAuth, Orders v2, Payments v2, signed webhooks, disputes, transaction search.

`magic` lists the amounts that make things go wrong.
"""

from sandbox.paypal.pages import pages
from sandbox.paypal.routes import routes
from sandbox.paypal.side import PayPalSide

__all__ = ["PayPalSide", "pages", "routes"]
