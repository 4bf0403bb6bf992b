"""What monitoring costs, and whether the cost grows with traffic."""
