"""Pages and files over HTTP, for people and for other programs: read-only, beside a daemon's turns."""
