//! Reading a small file whose name came from outside: nothing but a regular file, and never more than so many bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// The content of the regular file at `path`, links followed.
///
/// A FIFO, a device or a socket is refused without waiting for it. A file that grows while it is read is cut off.
///
/// # Errors
/// The system's; `InvalidInput` where it is no regular file, `FileTooLarge` for more than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a device can do something, opening a FIFO can wait: both are looked at first.
    regular(&std::fs::metadata(path)?, limit)?;
    // It may be another file by now.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?, limit)?;
    content(file, limit)
}

fn regular(found: &std::fs::Metadata, limit: u64) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    if found.len() > limit { Err(too_large(limit)) } else { Ok(()) }
}

/// Files of the kernel say that they have no bytes and have some.
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
    fn a_fifo_is_not_waited_for() {
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
    fn a_file_that_grows_is_cut_off() {
        // Its size is said to be 0.
        let endless = File::open("/dev/zero").unwrap();
        assert_eq!(content(endless, 1 << 16).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
