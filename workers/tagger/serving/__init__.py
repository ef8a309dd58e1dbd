"""Which release a post is tagged by: the served one, and what comes in its place while the worker runs."""
