//! A disk that can be full.
//!
//! It is a tmpfs whose size is reduced to what is used. Writes then fail with ENOSPC, as on any full disk.
//! Mounting needs root; without it [`Disk::mount`] fails and the caller must go on without the disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::workdir::target_dir;

/// Prefix of the mount points. The process id of the owner follows it.
const PREFIX: &str = "disk-";

/// A mounted disk. It is unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    size: u64,
}

impl Disk {
    /// Mounts a disk of `mebibytes`. Pages are taken from memory as they are written.
    ///
    /// # Errors
    /// Fails with the message of `mount`, in most cases because the process is not root.
    pub fn mount(name: &str, mebibytes: u64) -> Result<Disk, String> {
        let base = target_dir().join("harness");
        unmount_orphans(&base);
        let path = base.join(format!("{PREFIX}{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let size = mebibytes << 20;
        mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "linkgate-tests"], &path)?;
        Ok(Disk { path, size })
    }

    /// Returns the mount point.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the disk full: nothing more can be written.
    ///
    /// # Errors
    /// Fails with the message of `df` or `mount`.
    pub fn fill(&self) -> Result<(), String> {
        let mut last = String::new();
        // Other processes may write between the query of the size and the remount.
        for _ in 0..20 {
            match self.resize(self.used()?) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Restores the original size.
    ///
    /// # Errors
    /// Fails with the message of `mount`.
    pub fn free(&self) -> Result<(), String> {
        self.resize(self.size)
    }

    /// Returns the number of bytes in use.
    ///
    /// # Errors
    /// Fails with the message of `df`.
    pub fn used(&self) -> Result<u64, String> {
        let answer = Command::new("df").args(["--block-size=1", "--output=used"]).arg(&self.path).output();
        let answer = answer.map_err(|e| format!("df: {e}"))?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let used = text.lines().nth(1).and_then(|line| line.trim().parse().ok());
        used.ok_or_else(|| {
            format!("df {}: {text}{}", self.path.display(), String::from_utf8_lossy(&answer.stderr))
        })
    }

    fn resize(&self, bytes: u64) -> Result<(), String> {
        mount(&["-o", &format!("remount,size={}", bytes.max(4096))], &self.path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

fn mount(args: &[&str], path: &Path) -> Result<(), String> {
    let done = Command::new("mount").args(args).arg(path).output().map_err(|e| format!("mount: {e}"))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}

fn unmount(path: &Path) {
    // Lazily: a process that is being killed may still have a file open.
    let _ = Command::new("umount").arg("-l").arg(path).output();
    let _ = std::fs::remove_dir(path);
}

/// Unmounts disks of processes that no longer exist: a killed process leaves its disks, and the memory in
/// them.
fn unmount_orphans(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            unmount(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Given a mounted disk, when it is full, then a write fails for lack of space. Once it is freed, writes
    /// succeed.
    #[test]
    fn a_full_disk_refuses_writes_and_a_freed_one_accepts_them() {
        let disk = match Disk::mount("test", 8) {
            Ok(disk) => disk,
            Err(error) => return println!("not run: no disk can be mounted here ({error})"),
        };
        let mut file = std::fs::File::create(disk.path().join("f")).expect("a file");
        file.write_all(&[1; 100_000]).expect("room for it");
        disk.fill().expect("it can be filled");
        let error = file.write_all(&[2; 100_000]).expect_err("no room");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        disk.free().expect("it can be freed");
        file.write_all(&[3; 100_000]).expect("room again");
    }
}
