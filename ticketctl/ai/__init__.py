"""What reads tickets: an engine in this process, or models behind HTTP."""
