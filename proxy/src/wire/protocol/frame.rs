//! Checks the size of frames: each has a 4-byte big-endian size, then that number of bytes.
//!
//! This module checks only the size. The reader of the socket decides whether to buffer or to stream the
//! rest.

/// Length of the size field before every frame, in bytes.
pub(crate) const SIZE_BYTES: usize = 4;

/// Length of the fields that every request begins with (api key, version, correlation id), in bytes.
pub(crate) const REQUEST_PREFIX_BYTES: usize = 8;

/// Length of the field that every response begins with (the correlation id), in bytes.
pub(crate) const RESPONSE_PREFIX_BYTES: usize = 4;

/// An invalid frame size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The size is below the fixed part of a header, or negative.
    #[error("frame of {size} bytes is shorter than its header ({least} bytes)")]
    TooShort {
        /// Size that was read, in bytes.
        size: i32,
        /// Minimum size, in bytes.
        least: usize,
    },
    /// The size is above the limit.
    #[error("frame of {size} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Size that was read, in bytes.
        size: i32,
        /// Maximum size, in bytes.
        limit: usize,
    },
}

/// Returns the size of a frame. It must be at least `least` bytes (the fixed header) and at most `limit`
/// bytes.
///
/// # Errors
/// Fails if the size is too small or too large.
pub(crate) fn frame_size(prefix: [u8; SIZE_BYTES], least: usize, limit: usize) -> Result<usize, FrameError> {
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
    fn frame_sizes_out_of_range_are_refused() {
        assert_eq!(frame_size(8i32.to_be_bytes(), 8, 100), Ok(8));
        assert_eq!(frame_size(100i32.to_be_bytes(), 8, 100), Ok(100));
        assert!(matches!(frame_size(101i32.to_be_bytes(), 8, 100), Err(FrameError::TooLarge { .. })));
        assert!(matches!(frame_size(i32::MAX.to_be_bytes(), 8, 100), Err(FrameError::TooLarge { .. })));
        for size in [7, 0, -1, i32::MIN] {
            assert!(matches!(frame_size(size.to_be_bytes(), 8, 100), Err(FrameError::TooShort { .. })));
        }
    }
}
