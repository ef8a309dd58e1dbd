"""Pictures of posts: cache, guarded fetch, decode; `service` is the way in."""
