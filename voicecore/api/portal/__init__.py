"""Document 000: the business portal."""
