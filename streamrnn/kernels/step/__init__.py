"""The step over a batch: the loop of numeric tasks (loop, with advance, settle, gaps and scale), of events
(event_loop, with event_receive and event_emit; generate), and of a model with a challenger (challenger).
"""
