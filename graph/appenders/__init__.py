"""The second pass over a traffic map: each module adds, alters or removes one thing, in place. None does I/O."""
