//! The MCP-over-xDS client of istiod: a session without I/O and a small async loop.
