"""A fake of Mollie, to try the gateway with: `python -m gateway_mollie.fake`."""
