"""The domain of the payment gateway: what an order is and how it comes to be paid.

This floor knows no provider, no database and no web framework. It imports the standard library
and msgspec, nothing else; import-linter holds it to that.
"""
