//! Bytes only: frames, bounded primitives, batch headers, filler. No tokio.
