//! Files of a shard: opened and read through the shard's ring, so that a slow disk holds up nobody else. Owns descriptors.
//! Refuses to leave the directory that a path was asked of: the kernel resolves it (`RESOLVE_BENEATH`), so `..` and symbolic
//! links that lead out do not open, whatever the path looks like. A relative link that stays inside is followed; an absolute
//! one is refused even if it points inside.
//!
//! The invariant that a change is likeliest to break: nothing here blocks. `statx` is asked of descriptors that are open, for
//! what the system knows already (`AT_STATX_DONT_SYNC`), never by path.

use std::ffi::{CString, OsStr};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use io_uring::types::OpenHow;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};

use super::blocking::run_blocking;
use super::limits::{FILE_READ_BYTES_MAX, LISTED_MAX, LISTINGS_MAX, OPEN_TRIES_MAX};
use super::permits::Permits;
use super::ring::{self, Work};

/// An open file or directory. A clone is the same descriptor, which closes with its last owner.
#[derive(Clone)]
pub struct File {
    fd: Rc<OwnedFd>,
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A device, a socket, a pipe.
    Other,
}

/// What the system knows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// Its size.
    pub bytes: u64,
    /// When its content was changed: seconds since 1970, negative before.
    pub modified_s: i64,
    /// And nanoseconds beyond them.
    pub modified_ns: u32,
    /// When anything of it was changed, in the same way.
    pub changed_s: i64,
    /// And nanoseconds beyond them.
    pub changed_ns: u32,
    /// Its number on its device.
    pub inode: u64,
    /// The device, as one number.
    pub device: u64,
}

/// Whether the bytes of a file are in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// All of them: they can be sent without a wait for the disk.
    Whole,
    /// Not all of them.
    Part,
    /// The kernel does not say: before Linux 6.5, or the file is neither ours nor writable for us.
    Unknown,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name; any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is, links followed.
    pub stat: FileStat,
}

/// A directory's entries, in no order; those that begin with a dot, and links that lead out or nowhere, left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// At most 1,000.
    pub entries: Vec<Listed>,
    /// There are more.
    pub cut: bool,
}

thread_local! {
    static LISTINGS: Permits = Permits::new(LISTINGS_MAX);
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl File {
    /// Opens the directory at `path`, relative to the working directory, to open files in it; it cannot be read itself.
    ///
    /// # Errors
    /// As the system says.
    pub async fn directory(path: &Path) -> io::Result<File> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        open(
            None,
            path.as_os_str().as_bytes(),
            flags,
            ResolveFlags::empty(),
        )
        .await
    }

    /// Opens the file at `path`, relative to the working directory, for reading. Links are followed wherever they lead.
    ///
    /// # Errors
    /// As the system says.
    pub async fn open(path: &Path) -> io::Result<File> {
        let file = open(
            None,
            path.as_os_str().as_bytes(),
            reading(),
            ResolveFlags::empty(),
        )
        .await?;
        file.block_again()
    }

    /// Opens `path` in this directory for reading; empty: the directory itself.
    ///
    /// # Errors
    /// As the system says. `EXDEV` and `ELOOP`: the path leads out of the directory, or through a link of `/proc`.
    pub async fn open_beneath(&self, path: &[u8]) -> io::Result<File> {
        let path = if path.is_empty() { b"." } else { path };
        let file = open(Some(self.fd.clone()), path, reading(), beneath()).await?;
        file.block_again()
    }

    /// Takes `O_NONBLOCK` off, which an open needs for the sake of pipes, and a read may not have on every file system.
    fn block_again(self) -> io::Result<File> {
        rustix::fs::fcntl_setfl(&self.fd, OFlags::empty())?;
        Ok(self)
    }

    /// What is known of the file now.
    ///
    /// # Errors
    /// As the system says.
    pub fn stat(&self) -> io::Result<FileStat> {
        stat(self.as_fd())
    }

    /// Up to `len` bytes from `offset`, and at most 256 KiB; less than asked only if the file ends there, or by the bound.
    ///
    /// # Errors
    /// As the system says.
    pub async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let want = len.min(FILE_READ_BYTES_MAX);
        let mut buffer = Vec::with_capacity(want);
        while buffer.len() < want {
            let work = Work::Read {
                file: self.fd.clone(),
                offset: offset + buffer.len() as u64,
                buffer,
            };
            let (n, back) = match ring::run(work).await {
                Ok((n, Work::Read { buffer, .. })) => (n as usize, buffer),
                Ok((_, Work::Open { .. })) => return Err(ErrorKind::InvalidData.into()),
                Err(err) => return Err(err),
            };
            buffer = back;
            // SAFETY: the kernel wrote `n` bytes to the spare room, which is at least as large.
            unsafe { buffer.set_len(buffer.len() + n) };
            if n == 0 {
                break;
            }
        }
        buffer.truncate(want);
        Ok(buffer.into())
    }

    /// Whether `len` bytes from `offset` can be had without a wait.
    pub fn residency(&self, offset: u64, len: u64) -> Residency {
        residency(self.fd.as_raw_fd(), offset, len)
    }

    /// The entries of the directory `path` in this one, on a thread of its own.
    ///
    /// # Errors
    /// As the system says.
    pub async fn list(&self, path: &[u8]) -> io::Result<Listing> {
        let permits = LISTINGS.with(Permits::clone);
        let _permit = permits.take().await;
        let root = self.fd.try_clone()?;
        let path = path.to_vec();
        let listed = run_blocking(move || list(&root, &path)).await;
        listed.map_err(io::Error::other)?
    }
}

/// Whether `path` opens in `directory` for [`File::open_beneath`], permissions aside. Blocks: for a look before the start.
pub fn opens_beneath(directory: &Path, path: &str) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open(directory, flags | OFlags::DIRECTORY, Mode::empty());
    root.and_then(|root| rustix::fs::openat2(root, path, flags, Mode::empty(), beneath()))
        .is_ok()
}

fn reading() -> OFlags {
    // Without NONBLOCK the open of a pipe would wait for a writer.
    OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK
}

fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS
}

async fn open(
    from: Option<Rc<OwnedFd>>,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<File> {
    let path = CString::new(path).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    let flags = flags | OFlags::CLOEXEC;
    let how = OpenHow::new()
        .flags(u64::from(flags.bits()))
        .resolve(resolve.bits());
    let mut tries = 0;
    loop {
        tries += 1;
        let work = Work::Open {
            from: from.clone(),
            path: path.clone(),
            how: Box::new(how),
        };
        match ring::run(work).await {
            Ok((fd, _)) => {
                // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
                let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
                return Ok(File { fd: Rc::new(fd) });
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock && tries < OPEN_TRIES_MAX => {}
            Err(err) => return Err(err),
        }
    }
}

fn stat(fd: BorrowedFd<'_>) -> io::Result<FileStat> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let found = rustix::fs::statx(fd, "", flags, StatxFlags::BASIC_STATS)?;
    let kind = match rustix::fs::FileType::from_raw_mode(u32::from(found.stx_mode)) {
        rustix::fs::FileType::RegularFile => FileKind::Regular,
        rustix::fs::FileType::Directory => FileKind::Directory,
        _ => FileKind::Other,
    };
    Ok(FileStat {
        kind,
        bytes: found.stx_size,
        modified_s: found.stx_mtime.tv_sec,
        modified_ns: found.stx_mtime.tv_nsec,
        changed_s: found.stx_ctime.tv_sec,
        changed_ns: found.stx_ctime.tv_nsec,
        inode: found.stx_ino,
        device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
    })
}

/// `cachestat(2)`, which no crate wraps: Linux 6.5.
fn residency(fd: i32, offset: u64, len: u64) -> Residency {
    const SYS_CACHESTAT: libc::c_long = 451;
    #[repr(C)]
    struct Range {
        offset: u64,
        len: u64,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Pages {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }
    if len == 0 {
        return Residency::Whole;
    }
    let range = Range { offset, len };
    let mut pages = Pages::default();
    // SAFETY: both structures are laid out as the kernel's and live beyond the call, which reads one and writes the other.
    let result = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            fd,
            std::ptr::from_ref(&range),
            std::ptr::from_mut(&mut pages),
            0,
        )
    };
    if result != 0 {
        return Residency::Unknown;
    }
    let page = rustix::param::page_size() as u64;
    let wanted = (offset + len).div_ceil(page) - offset / page;
    if pages.cached >= wanted {
        Residency::Whole
    } else {
        Residency::Part
    }
}

/// Runs on a thread of its own.
fn list(root: &OwnedFd, path: &[u8]) -> io::Result<Listing> {
    let at = |path: &[u8], flags| {
        let path = OsStr::from_bytes(path);
        rustix::fs::openat2(
            root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            beneath(),
        )
    };
    let own = if path.is_empty() { &b"."[..] } else { path };
    let directory = at(own, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut listing = Listing::default();
    for entry in rustix::fs::Dir::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let whole = [path, if path.is_empty() { b"" } else { b"/" }, name].concat();
        // A link that leads out or nowhere, or a file that has just gone, is no entry.
        let Ok(stat) = at(&whole, OFlags::PATH)
            .map_err(io::Error::from)
            .and_then(|fd| stat(fd.as_fd()))
        else {
            continue;
        };
        if stat.kind == FileKind::Other {
            continue;
        }
        if listing.entries.len() == LISTED_MAX {
            listing.cut = true;
            break;
        }
        listing.entries.push(Listed {
            name: name.to_vec(),
            stat,
        });
    }
    Ok(listing)
}

/// What a failed open or read means to the one who asked for the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTrouble {
    /// There is no such file, or the path leads out of the directory.
    Missing,
    /// The process may not read it.
    Forbidden,
    /// The system is out of descriptors or memory; later it may work.
    Exhausted,
    /// Something on the path was renamed again and again while it was opened; later it may work.
    Moving,
    /// Anything else: the disk, as a rule.
    Failed,
}

impl FileTrouble {
    /// The meaning of an error of this module.
    pub fn of(err: &io::Error) -> FileTrouble {
        use rustix::io::Errno;
        match err.raw_os_error().map(Errno::from_raw_os_error) {
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::XDEV
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::INVAL,
            ) => FileTrouble::Missing,
            Some(Errno::ACCESS | Errno::PERM) => FileTrouble::Forbidden,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => FileTrouble::Exhausted,
            Some(Errno::AGAIN) => FileTrouble::Moving,
            _ if err.kind() == ErrorKind::InvalidInput => FileTrouble::Missing,
            _ => FileTrouble::Failed,
        }
    }
}
