"""Tests; packages, so that a file may be named alike in two of them."""
