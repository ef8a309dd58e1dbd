"""The ambiguity set: posts whose names are what their pictures show, if the pictures are related.

`docs/ambiguity.md` has its design.
"""
