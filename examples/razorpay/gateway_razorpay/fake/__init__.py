"""A stand-in for Razorpay's API, its pay page and its webhooks, written from the public docs.

It keeps its own books and refuses what Razorpay refuses, in the same words where those are
documented. `python -m gateway_razorpay.fake --help` runs it beside a gateway.
"""
