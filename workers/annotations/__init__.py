"""What people say of posts, on `posts.annotations`: handed over, and read."""
