"""The unified price graph: screening, exact sizing, cycles."""
