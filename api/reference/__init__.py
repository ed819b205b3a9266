"""The API reference: the OpenAPI document, and the pages that are made from it. Works offline."""

from api.reference.routes import Reference

__all__ = ["Reference"]
