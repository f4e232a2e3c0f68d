"""The step over a batch: the loop of numeric tasks (loop, with door, receive, settle, advance, gaps, scale), of events
(event_loop, with event_receive and event_emit; generate), of a model with a challenger (challenger), and the network
alone, without experts (network_only).
"""
