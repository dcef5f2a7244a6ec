"""Document 003: a CRM's contacts, calls, knowledge and assistant, in its envelope."""
