"""What each module does with event loops and clients, and all that one handler reaches."""
