"""The daemon's configuration: its schema, the rules between keys (validate), what a model is given from files
(resources), and key files of CURVE (keys).
"""
