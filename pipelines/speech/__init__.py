"""What the embedded recogniser needs around its engine: texts, language models, telephone audio, worker code."""
