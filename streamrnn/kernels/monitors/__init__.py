"""From errors to alarms: kinds of monitors (kinds), the calibrated tail (tail, event_tail), one score (score,
event_score), the alarm threshold and the life of an event (alarm), intervals (conformal), outliers, hold_off, feedback
and silence.
"""
