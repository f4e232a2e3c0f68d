"""Kernels against their naive twins; drive.py calls parts by address as the step does."""
