"""Stripe's side of the sandbox: Checkout in payment mode, written from Stripe's specification."""

from sandbox.stripe.page import pages
from sandbox.stripe.routes import routes
from sandbox.stripe.side import StripeSide

__all__ = ["StripeSide", "pages", "routes"]
