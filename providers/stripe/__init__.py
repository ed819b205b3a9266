"""Stripe Checkout behind the gateway's one interface."""
