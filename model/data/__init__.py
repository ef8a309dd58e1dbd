"""Gold data: files of posts with their entities, and pairs of text and picture with their relation."""
