"""Whisper as one engine for all calls: its weights, a batch through the network, who is next, what is believed."""
