"""What comes in: sockets, connections, authentication, rate_limit, admission, producers, disk_full, and how sockets are
bound (bind) or handed over (socket_activation).
"""
