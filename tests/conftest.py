"""Makes the helpers that lie beside it (`virtual_time`) importable from every test."""
