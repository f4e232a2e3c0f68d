"""Outcomes in, bytes out: Structs of messages, what is said of forecasts, events and drifts, the marks, the reason
and the text of an anomaly, and the encoder over them (encode).
"""
