"""Servers that speak a provider's wire protocol on loopback, at its pace, and misbehave on request."""
