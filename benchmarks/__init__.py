"""What the methods cost and what they recover, side by side: ``python -m benchmarks``."""
