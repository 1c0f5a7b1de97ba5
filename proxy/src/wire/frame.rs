//! Length-prefixed frames: a 4-byte big-endian size, then that many bytes.
//!
//! Only the size is judged here; whoever reads the socket decides whether the rest is buffered or streamed.

/// Bytes of the size that precedes every frame.
pub const SIZE_BYTES: usize = 4;

/// Bytes that every request begins with: api key, version, correlation id.
pub const REQUEST_PREFIX_BYTES: usize = 8;

/// Bytes that every response begins with: the correlation id.
pub const RESPONSE_PREFIX_BYTES: usize = 4;

/// A size that no frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Below the fixed part of a header, negative sizes included.
    #[error("frame of {size} bytes is shorter than its header ({least} bytes)")]
    TooShort {
        /// Size read.
        size: i32,
        /// Least size.
        least: usize,
    },
    /// Above the limit.
    #[error("frame of {size} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Size read.
        size: i32,
        /// The limit.
        limit: usize,
    },
}

/// The size of a frame, judged: at least `least` bytes (its fixed header), at most `limit`.
///
/// # Errors
/// [`FrameError`].
pub fn frame_size(prefix: [u8; SIZE_BYTES], least: usize, limit: usize) -> Result<usize, FrameError> {
    let size = i32::from_be_bytes(prefix);
    match usize::try_from(size) {
        Ok(bytes) if bytes > limit => Err(FrameError::TooLarge { size, limit }),
        Ok(bytes) if bytes >= least => Ok(bytes),
        _ => Err(FrameError::TooShort { size, least }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_size_blowup_is_refused() {
        assert_eq!(frame_size(8i32.to_be_bytes(), 8, 100), Ok(8));
        assert_eq!(frame_size(100i32.to_be_bytes(), 8, 100), Ok(100));
        assert!(matches!(frame_size(101i32.to_be_bytes(), 8, 100), Err(FrameError::TooLarge { .. })));
        assert!(matches!(frame_size(i32::MAX.to_be_bytes(), 8, 100), Err(FrameError::TooLarge { .. })));
        for size in [7, 0, -1, i32::MIN] {
            assert!(matches!(frame_size(size.to_be_bytes(), 8, 100), Err(FrameError::TooShort { .. })));
        }
    }
}
