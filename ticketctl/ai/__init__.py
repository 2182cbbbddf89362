"""AI providers: the offline engine in this process, and language models behind HTTP."""
