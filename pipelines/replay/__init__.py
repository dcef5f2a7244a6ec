"""Stored calls once more, with other settings: real machines, recorded engines, virtual time."""
