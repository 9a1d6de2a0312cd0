"""Panels and figures from stored results; nothing here computes a result or imports torch."""
