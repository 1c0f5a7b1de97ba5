use proptest::prelude::*;

use crate::wire::records::compression::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| b"a log is a log is a log "[at % 24].wrapping_add((at / 700) as u8)).collect()
}

#[test]
fn records_survive_a_round_trip_in_every_codec() {
    for codec in CODECS {
        for length in [0, 1, 100, XERIAL_BLOCK, XERIAL_BLOCK + 1, 300_000] {
            let records = text(length);
            let payload = compress(codec, &records).unwrap();
            assert_eq!(decompress(codec, &payload, length).unwrap(), records, "{codec:?} {length}");
        }
    }
}

#[test]
fn one_byte_over_the_limit_is_an_error_that_names_the_limit() {
    for codec in CODECS {
        let payload = compress(codec, &text(100_001)).unwrap();
        let error = decompress(codec, &payload, 100_000).unwrap_err();
        assert!(matches!(error, CompressionError::TooLarge { limit: 100_000 }), "{codec:?}: {error}");
        assert!(error.to_string().contains("100000"));
    }
}

#[test]
fn a_decompression_bomb_is_stopped_at_the_limit() {
    // 64 MiB of zeros, in every codec that compresses them to few bytes.
    let zeros = vec![0; 64 << 20];
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd, Codec::Snappy] {
        let payload = compress(codec, &zeros).unwrap();
        assert!(matches!(decompress(codec, &payload, 1 << 20), Err(CompressionError::TooLarge { .. })));
    }
    // A bare snappy block that claims 4 GiB - 1 in five bytes.
    let claims = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    assert!(matches!(
        decompress(Codec::Snappy, &claims, 1 << 20),
        Err(CompressionError::TooLarge { limit: 0x10_0000 })
    ));
}

#[test]
fn a_bare_snappy_block_is_read_as_java_reads_it() {
    let records = text(5000);
    let bare = snap::raw::Encoder::new().compress_vec(&records).unwrap();
    assert_eq!(decompress(Codec::Snappy, &bare, 5000).unwrap(), records);
}

#[test]
fn concatenated_gzip_members_are_one_stream() {
    let (first, second) = (compress(Codec::Gzip, b"one ").unwrap(), compress(Codec::Gzip, b"two").unwrap());
    assert_eq!(decompress(Codec::Gzip, &[first, second].concat(), 100).unwrap(), "one two");
}

#[test]
fn lz4_frames_have_the_format_that_kafka_reads() {
    let frame = compress(Codec::Lz4, &text(200_000)).unwrap();
    assert_eq!(frame[..4], [0x04, 0x22, 0x4d, 0x18]);
    // Version 1, independent blocks, no checksums, no content size, no dictionary; blocks of 64 KiB.
    assert_eq!(frame[4..6], [0b0110_0000, 0b0100_0000]);
}

#[test]
fn the_error_for_an_unknown_codec_names_its_number() {
    let unknown = Codec::Unknown(6);
    assert!(decompress(unknown, b"", 1).unwrap_err().to_string().contains('6'));
    assert!(matches!(compress(unknown, b""), Err(CompressionError::UnknownCodec(6))));
}

#[test]
fn truncated_streams_are_errors_that_name_the_codec() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let payload = compress(codec, &text(70_000)).unwrap();
        let error = decompress(codec, &payload[..payload.len() - 5], 1 << 20).unwrap_err();
        assert!(matches!(error, CompressionError::Damaged { .. }), "{codec:?}: {error}");
    }
}

proptest! {
    #[test]
    fn decompressing_arbitrary_bytes_never_exceeds_the_limit(
        bytes in prop::collection::vec(any::<u8>(), 0..300), codec in prop::sample::select(&CODECS), framed in any::<bool>(),
    ) {
        // With a valid beginning, the decoders read further into the bytes.
        let mut payload = if framed { compress(codec, b"").unwrap() } else { Vec::new() };
        payload.extend_from_slice(&bytes);
        if let Ok(out) = decompress(codec, &payload, 1000) {
            prop_assert!(out.len() <= 1000);
        }
    }
}
