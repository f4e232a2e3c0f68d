"""The daemon's configuration: its schema, the rules between keys (validate), what a model is given from files
(resources), names and units in values (environment), errors in a reader's words (explain), and key files of CURVE
(keys).
"""
