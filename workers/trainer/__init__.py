"""From annotations to a better release: read, train, judge, publish or refuse."""
