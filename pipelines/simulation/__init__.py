"""Conversations in virtual time: whole calls through the real machines, as fast as the processor allows."""
