"""The native REST surface, document "VocalIQ": it renames, validates and renders, and knows no SQL."""
