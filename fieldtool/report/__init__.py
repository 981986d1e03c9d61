"""A list of meters held against what was heard of them: who is in order, who is not, who was not heard."""
