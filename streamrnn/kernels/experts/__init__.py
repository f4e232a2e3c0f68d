"""Experts of numeric targets (naive, smooth, linear, echo, over one history and its seasons) and their aggregation
(mix, gate); context tables of symbols (context, vocabulary) and their aggregation (blend).
"""
