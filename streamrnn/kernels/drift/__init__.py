"""Drift detectors (adwin, page_hinkley, of the signature in contract), when they are asked (watch), and what a stream
does about a drift (reactions).
"""
