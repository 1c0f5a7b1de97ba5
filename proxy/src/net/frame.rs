//! Kafka frames on a stream: a big-endian i32 length, followed by that number of bytes.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Error while a frame is read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFrameError {
    /// The peer closed the stream between two frames.
    #[error("closed by the peer")]
    Closed,
    /// The length is negative, or above the limit.
    #[error("frame of {length} bytes refused (limit {limit})")]
    Length {
        /// The length that the peer sent.
        length: i32,
        /// The maximum length, in bytes.
        limit: usize,
    },
    /// The stream failed, or ended inside a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Memory reserved for a frame before any of it has arrived, in bytes. Bounds the cost of a false length.
const FIRST_RESERVE: usize = 1 << 20;

/// Reads one frame and returns it without its length. Not cancel-safe: a dropped read loses its position in
/// the stream.
///
/// # Errors
/// Returns [`ReadFrameError`]. The stream cannot be used after any of them.
#[cfg(test)]
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Bytes, ReadFrameError> {
    read_frame_within(stream, || limit).await
}

/// Reads one frame like [`read_frame`]. Calls `limit` for the maximum length after the length has arrived.
///
/// # Errors
/// Returns [`ReadFrameError`]. The stream cannot be used after any of them.
pub(crate) async fn read_frame_within(
    stream: &mut (impl AsyncRead + Unpin),
    limit: impl Fn() -> usize,
) -> Result<Bytes, ReadFrameError> {
    let mut prefix = [0; 4];
    let first = stream.read(&mut prefix).await?;
    if first == 0 {
        return Err(ReadFrameError::Closed);
    }
    let _ = stream.read_exact(&mut prefix[first..]).await?;
    let (length, limit) = (i32::from_be_bytes(prefix), limit());
    let size = usize::try_from(length)
        .ok()
        .filter(|size| *size <= limit)
        .ok_or(ReadFrameError::Length { length, limit })?;
    let mut frame = BytesMut::with_capacity(size.min(FIRST_RESERVE));
    while frame.len() < size {
        if frame.len() == frame.capacity() {
            // A large part has arrived, so the length is believable: reserve the rest at once.
            frame.reserve(size - frame.len());
        }
        let missing = (size - frame.len()) as u64;
        if (&mut *stream).take(missing).read_buf(&mut frame).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(frame.freeze())
}

/// Number of segments in one write call. The system's limit is 1024.
const VECTOR: usize = 64;

/// Writes all segments in order, without joining them, and flushes.
///
/// # Errors
/// Returns the stream's error. The number of bytes written is unknown then.
pub(crate) async fn write_segments(
    stream: &mut (impl AsyncWrite + Unpin),
    segments: &mut [Bytes],
) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = segments.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let mut vector = [IoSlice::new(&[]); VECTOR];
        for (slot, segment) in vector.iter_mut().zip(rest.iter()) {
            *slot = IoSlice::new(segment);
        }
        let filled = rest.len().min(VECTOR);
        let empty = rest[..filled].iter().all(Bytes::is_empty);
        let mut written = if empty { 0 } else { stream.write_vectored(&vector[..filled]).await? };
        if written == 0 && !empty {
            return Err(io::ErrorKind::WriteZero.into());
        }
        for segment in rest.iter_mut().take(filled) {
            let taken = written.min(segment.len());
            segment.advance(taken);
            written -= taken;
            if !segment.is_empty() {
                break;
            }
            done += 1;
        }
    }
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_arrive_whole_over_a_narrow_stream() {
        let (mut a, mut b) = tokio::io::duplex(7);
        let body: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        let sent = body.clone();
        let writer = tokio::spawn(async move {
            let mut segments = vec![Bytes::from((sent.len() as u32).to_be_bytes().to_vec()), Bytes::new()];
            segments.extend(sent.chunks(10_007).map(Bytes::copy_from_slice));
            segments.push(Bytes::new());
            write_segments(&mut a, &mut segments).await.unwrap();
        });
        assert_eq!(read_frame(&mut b, 3_000_000).await.unwrap(), body);
        writer.await.unwrap();
        assert!(matches!(read_frame(&mut b, 10).await, Err(ReadFrameError::Closed)));
    }

    #[tokio::test]
    async fn invalid_lengths_are_refused_before_the_body_is_read() {
        for length in [-1, i32::MIN, 101, i32::MAX] {
            let bytes = length.to_be_bytes();
            let error = read_frame(&mut &bytes[..], 100).await.unwrap_err();
            assert!(matches!(error, ReadFrameError::Length { limit: 100, .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_inside_a_frame_is_an_error() {
        for bytes in [&[0u8, 0][..], &[0, 0, 0, 5, 1, 2][..]] {
            assert!(matches!(read_frame(&mut &bytes[..], 100).await, Err(ReadFrameError::Io(_))));
        }
    }
}
