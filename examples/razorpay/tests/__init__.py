"""Tests of the Razorpay adapter."""
