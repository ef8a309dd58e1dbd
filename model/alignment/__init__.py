"""Where pictures and words meet before RpBERT is trained: small linear fits, ready in seconds.

They give the projection its first guess, and the relation task a teacher and pictures that nobody took.
"""
