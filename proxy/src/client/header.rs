//! Headers of the requests that we send and of the responses that come back.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Request header version 1, or 2 when flexible.
pub(super) struct RequestHead<'a> {
    pub(super) api_key: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: &'a str,
}

impl RequestHead<'_> {
    /// Length, header and body as segments; `None` when the length does not fit the frame.
    pub(super) fn framed(&self, flexible: bool, body: Vec<Bytes>) -> Option<Vec<Bytes>> {
        let client_id = self.client_id.as_bytes();
        let head = 10 + client_id.len() + usize::from(flexible);
        let length = head + body.iter().map(Bytes::len).sum::<usize>();
        let mut first = BytesMut::with_capacity(4 + head);
        first.put_i32(i32::try_from(length).ok()?);
        first.put_i16(self.api_key);
        first.put_i16(self.version);
        first.put_i32(self.correlation_id);
        first.put_i16(i16::try_from(client_id.len()).ok()?);
        first.put_slice(client_id);
        if flexible {
            first.put_u8(0);
        }
        let mut frame = Vec::with_capacity(body.len() + 1);
        frame.push(first.freeze());
        frame.extend(body);
        Some(frame)
    }
}

/// Steps over the tagged fields of a flexible response header.
pub(super) fn skip_tagged_fields(body: &mut Bytes) -> Option<()> {
    let count = take_unsigned_varint(body)?;
    for _ in 0..count {
        let _tag = take_unsigned_varint(body)?;
        let size = take_unsigned_varint(body)? as usize;
        if size > body.len() {
            return None;
        }
        body.advance(size);
    }
    Some(())
}

fn take_unsigned_varint(body: &mut Bytes) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let byte = body.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
