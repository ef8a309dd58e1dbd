"""Where releases are kept: a directory per version in any fsspec store, and channels that point to them."""
