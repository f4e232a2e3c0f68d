"""One contract a family, over every entry of its table in model/parts.py."""
