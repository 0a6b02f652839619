"""What `crossdock check` reports of a lock: values, the policy they are held against, and their forms."""
