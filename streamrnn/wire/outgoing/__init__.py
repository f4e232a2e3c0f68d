"""Outcomes in, bytes out: Structs of messages, what is said of forecasts, events and drifts, the marks and the reason
of an anomaly, and the encoder over them (encode).
"""
