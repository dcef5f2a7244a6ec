"""What a finished call was about, read with word lists from its own records. Pure: records in, an analysis out."""
