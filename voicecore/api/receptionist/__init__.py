"""Document 002: a receptionist's clients, their calls and figures."""
