"""What comes in: sockets (made of ports, receive and subscriptions to topics), connections, authentication, rate_limit,
admission, producers, disk_full, backlog, and how sockets are bound (bind) or handed over (socket_activation).
"""
