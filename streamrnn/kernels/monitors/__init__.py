"""From errors to alarms: calibration of p-values (calibration), kinds of monitors (kinds), the calibrated tail (tail),
one score (score, event_score), the alarm threshold (alarm), the life of an event (anomaly_event), intervals
(conformal), outliers, hold_off and feedback; how the level of each target stands (levels), all targets together (joint)
how long an event of theirs lasts (lasting), and what creeps (creep).
"""
