"""Engines behind networks and on graphics cards: what they add to a call, batch and save."""
