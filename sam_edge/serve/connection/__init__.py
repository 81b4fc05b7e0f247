"""One connection: its socket, its session, its gaze, its flow control."""
