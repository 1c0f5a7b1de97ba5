//! TCP streams: framed reads and vectored writes.
