"""A function tried where it was made: AWS's own emulator and runtime client, on loopback, natively or under qemu."""
