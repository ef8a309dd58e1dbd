"""The same work by other means: each module is a program as a user of another library would write it."""
