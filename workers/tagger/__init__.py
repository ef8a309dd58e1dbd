"""The tagger process, in the order of a post's way: intake, pictures, batcher, engine, checkpoint; worker wires them."""
