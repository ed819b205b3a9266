"""A stateful stand-in for the HTTP APIs of Stripe and PayPal: nothing here ever moves money.

`python -m sandbox` serves it. It is a program of its own: it imports nothing of the gateway and
the gateway imports nothing of it. The two talk over HTTP, as the gateway and the real providers do.
"""
