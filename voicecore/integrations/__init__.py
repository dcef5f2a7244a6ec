"""The CRMs that finished calls are sent to: each vendor's OAuth endpoints and records, over HTTP."""
