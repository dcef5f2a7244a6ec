"""Who carries our calls: implementations of the port in `voicecore/services/carrier.py`."""
