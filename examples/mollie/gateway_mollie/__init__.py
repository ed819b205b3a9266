"""Mollie as a payment provider of the gateway, and a fake of Mollie to try it with."""
