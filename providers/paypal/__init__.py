"""PayPal Orders v2 as a payment provider, on the official `paypal-server-sdk`."""
