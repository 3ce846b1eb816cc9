"""What must hold of a database and of what was seen of it from outside, a module per part of the promise."""
