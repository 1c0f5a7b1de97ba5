//! Reads a small file whose name came from outside: a regular file only, up to a given size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Reads the regular file at `path`. Follows links.
///
/// Refuses a FIFO, a device or a socket without waiting for it. A file that grows beyond `limit` while it is
/// read is refused, too.
///
/// # Errors
/// The system's error; `InvalidInput` if it is not a regular file, `FileTooLarge` if it has more than `limit`
/// bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a device can have effects, and opening a FIFO can block. So the type is checked before.
    regular(&std::fs::metadata(path)?, limit)?;
    // The path may name another file now, so the open file is checked again.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?, limit)?;
    content(file, limit)
}

/// Reads a file that an operator named: a regular file, or a pipe such as `/dev/stdin`.
///
/// # Errors
/// The system's error; `FileTooLarge` if it has more than `limit` bytes.
pub(crate) fn read_any(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    content(File::open(path)?, limit)
}

fn regular(found: &std::fs::Metadata, limit: u64) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if found.len() > limit { Err(too_large(limit)) } else { Ok(()) }
}

/// Reads up to `limit` bytes. Counts them, since kernel files report a size of 0 and still have content.
#[expect(clippy::disallowed_methods, reason = "the limit bounds it")]
fn content(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes)?;
    if read as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_an_operator_names_may_be_a_pipe_but_has_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, [7; 100]).unwrap();
        assert_eq!(read_any(&file, 100).unwrap(), [7; 100]);
        assert_eq!(read_any(&file, 99).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_any(Path::new("/dev/zero"), 100).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read_any(Path::new("/dev/null"), 100).unwrap().is_empty());
    }

    #[test]
    fn only_small_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, [7; 100]).unwrap();
        assert_eq!(read(&file, 100).unwrap(), [7; 100]);
        assert_eq!(read(&file, 99).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 100).unwrap().len(), 100);
        for path in [dir.path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
            let error = read(path, 100).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
    }

    #[test]
    fn a_fifo_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let asked = fifo.clone();
        let reader = std::thread::spawn(move || read(&asked, 100).unwrap_err().kind());
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(reader.is_finished());
        assert_eq!(reader.join().unwrap(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_file_that_grows_beyond_the_limit_is_refused() {
        // Its reported size is 0.
        let endless = File::open("/dev/zero").unwrap();
        assert_eq!(content(endless, 1 << 16).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
