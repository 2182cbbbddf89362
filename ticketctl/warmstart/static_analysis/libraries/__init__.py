"""What is known of libraries: their names, the clients and containers that they make, and the installed versions."""
