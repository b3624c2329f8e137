"""The verification ladder: one rung a level, inputs, comparison."""
