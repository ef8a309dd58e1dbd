"""The tagger: intake, pictures, batcher, engine, checkpoint, in the order of a post's way."""
