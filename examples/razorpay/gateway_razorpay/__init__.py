"""Razorpay Payment Links behind the gateway's one interface."""
