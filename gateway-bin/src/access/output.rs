//! What an access log is written to: a file, or standard output.
//!
//! Owns the open file and its renewal when it was renamed or removed. Refuses to tell of trouble: that is the writer's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::limits::ACCESS_FILE_MODE;

/// Where lines go.
pub(super) trait Output {
    /// Writes some of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Opens the file anew if it is not at its path any more.
    fn renew(&mut self) -> io::Result<()>;
}

/// A file by its path, or standard output.
pub(super) struct Opened {
    file: File,
    /// The path, and device and inode of what is open.
    at: Option<(PathBuf, (u64, u64))>,
}

impl Opened {
    pub(super) fn stdout() -> io::Result<Opened> {
        // A descriptor of our own: the library's would gather and flush by lines.
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Opened { file, at: None })
    }

    pub(super) fn at(path: PathBuf) -> io::Result<Opened> {
        // Appending: also after another program has cut the file to nothing. Not waiting: a FIFO that nobody reads may have come
        // to the path, and would hold this thread for ever.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(ACCESS_FILE_MODE)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(&path)?;
        let metadata = file.metadata()?;
        if metadata.file_type().is_fifo() {
            return Err(io::Error::other("it is a FIFO now"));
        }
        let identity = (metadata.dev(), metadata.ino());
        Ok(Opened {
            file,
            at: Some((path, identity)),
        })
    }
}

impl Output for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn renew(&mut self) -> io::Result<()> {
        let Some((path, identity)) = &self.at else {
            return Ok(());
        };
        match path.metadata() {
            Ok(metadata) if (metadata.dev(), metadata.ino()) == *identity => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                *self = Opened::at(path.clone())?;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_that_came_to_the_path_is_refused_and_holds_nobody() {
        let folder = std::env::temp_dir().join(format!("flatend-fifo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("access.log");
        let mut opened = Opened::at(path.clone()).unwrap();
        std::fs::rename(&path, folder.join("access.log.1")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(opened.renew().is_err());
        // With a reader it would open, and still is no log.
        let reader = File::options().read(true).write(true).open(&path).unwrap();
        assert!(opened.renew().is_err());
        drop(reader);
        opened.write(b"one\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        opened.renew().unwrap();
        opened.write(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_was_renamed_or_removed_is_opened_anew() {
        let folder = std::env::temp_dir().join(format!("flatend-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("access.log");
        let mut opened = Opened::at(path.clone()).unwrap();
        opened.write(b"one\n").unwrap();
        std::fs::rename(&path, folder.join("access.log.1")).unwrap();
        opened.renew().unwrap();
        opened.write(b"two\n").unwrap();
        opened.renew().unwrap();
        opened.write(b"three\n").unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read("access.log.1"), "one\n");
        assert_eq!(read("access.log"), "two\nthree\n");
        // Cut to nothing by another program: appending goes on at the beginning.
        File::create(&path).unwrap();
        opened.renew().unwrap();
        opened.write(b"four\n").unwrap();
        assert_eq!(read("access.log"), "four\n");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(opened.renew().is_err(), "the folder is gone");
    }
}
