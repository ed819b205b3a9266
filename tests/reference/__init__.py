"""The OpenAPI document and the pages that are made from it."""
