"""Heads, one file each, of one C signature (contract): gaussian, student, quantile, categorical, binary."""
