//! Opening and reading: from a key to a [`Resource`], an immutable view of a file and the coded forms beside it.
//!
//! A view is believed for a second. Then one request looks again, by opening the path anew, since a link or a whole directory
//! may lead elsewhere by now; the others use the old view meanwhile. What did not change is kept, content and all.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use flatend::rt::{self, File, FileKind, FileStat, FileTrouble, Millis};
use futures_lite::future::zip;

use super::cache::{self, Node};
use super::{Site, SITES};
use crate::files::{content_type, etag, Coding};
use crate::limits::{CACHED_FILE_BYTES_MAX, CACHED_LOOK_MS, FILE_READ_TRIES_MAX};

/// A change that follows a look within this time may leave the time stamp as it is, so content is read again, not compared.
const FRESH_S: i64 = 2;

/// A file and its coded forms, as they were at one moment.
pub(super) struct Resource {
    pub(super) content_type: Cow<'static, str>,
    identity: Rc<Form>,
    /// In the order of [`Coding::NEIGHBOURS`].
    neighbours: [Option<Rc<Form>>; 3],
    looked_at: Cell<Millis>,
}

/// One form of a file.
pub(super) struct Form {
    pub(super) coding: Coding,
    pub(super) stat: FileStat,
    pub(super) etag: String,
    /// As told to clients: never in the future.
    pub(super) modified: u64,
    pub(super) last_modified: String,
    pub(super) content: Content,
    /// Changed so recently that the next look reads it again.
    fresh: bool,
}

/// Where a form's bytes are.
pub(super) enum Content {
    Memory(Bytes),
    File(File),
}

/// What a key leads to.
pub(super) enum Found {
    File(Rc<Resource>),
    Directory,
}

/// Why there is nothing to send.
#[derive(Debug)]
pub(super) enum Lack {
    Missing,
    Forbidden,
    /// Out of descriptors, or of memory.
    Exhausted(io::Error),
    /// It changed each time that it was opened or read.
    Changing,
    /// The directory of the site cannot be opened.
    NoRoot(io::Error),
    Failed(io::Error),
}

impl From<io::Error> for Lack {
    fn from(error: io::Error) -> Lack {
        match FileTrouble::of(&error) {
            FileTrouble::Missing => Lack::Missing,
            FileTrouble::Forbidden => Lack::Forbidden,
            FileTrouble::Exhausted => Lack::Exhausted(error),
            FileTrouble::Moving => Lack::Changing,
            FileTrouble::Failed => Lack::Failed(error),
        }
    }
}

impl Resource {
    /// It is time to look again.
    pub(super) fn is_old(&self) -> bool {
        rt::now().0 >= self.looked_at.get().0 + CACHED_LOOK_MS
    }

    /// Which coded forms there are.
    pub(super) fn there(&self) -> [bool; 3] {
        [0, 1, 2].map(|at: usize| self.neighbours[at].is_some())
    }

    /// The form in `coding`, or the file as it is.
    pub(super) fn form(&self, coding: Coding) -> &Form {
        let mut coded = self.neighbours.iter().flatten();
        coded
            .find(|form| form.coding == coding)
            .unwrap_or(&self.identity)
    }

    fn forms(&self) -> impl Iterator<Item = &Rc<Form>> {
        std::iter::once(&self.identity).chain(self.neighbours.iter().flatten())
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |form: &Rc<Form>| match &form.content {
            Content::Memory(bytes) => bytes.len(),
            Content::File(_) => 0,
        };
        self.forms().map(bytes).sum()
    }

    /// Open files.
    pub(super) fn descriptors(&self) -> usize {
        self.forms()
            .filter(|form| matches!(form.content, Content::File(_)))
            .count()
    }
}

impl Site {
    /// What `key` leads to, of the cache or the file system.
    pub(super) async fn find(&self, key: &[u8]) -> Result<Found, Lack> {
        let old = match cache::find(key) {
            Some(Node::File(resource)) if !resource.is_old() => return Ok(Found::File(resource)),
            Some(Node::File(resource)) => {
                // This request looks for all that come meanwhile.
                resource.looked_at.set(rt::now());
                Some(resource)
            }
            Some(Node::Page(..)) | None => None,
        };
        self.load(key, old).await
    }

    /// Looks at the file system, whatever the cache has. What of `old` did not change is kept.
    pub(super) async fn load(&self, key: &[u8], old: Option<Rc<Resource>>) -> Result<Found, Lack> {
        let loaded = self.load_uncached(key, old).await;
        match &loaded {
            Ok(Found::File(resource)) => cache::keep(key, Node::File(resource.clone())),
            Ok(Found::Directory) | Err(_) => cache::forget(key),
        }
        loaded
    }

    async fn load_uncached(&self, key: &[u8], old: Option<Rc<Resource>>) -> Result<Found, Lack> {
        debug_assert!(SITES.get() > 0, "keys begin with the number of a site");
        let path = self.below(key);
        let looked_at = rt::now();
        let file = self.open(path, Coding::Identity).await?;
        let stat = file.stat()?;
        match stat.kind {
            FileKind::Regular => {}
            FileKind::Directory => return Ok(Found::Directory),
            FileKind::Other => return Err(Lack::Missing),
        }
        let old_form = |coding: Coding| {
            let old = old.as_ref()?;
            let mut forms = old.forms();
            forms.find(|form| form.coding == coding).cloned()
        };
        let identity = form(file, stat, Coding::Identity, old_form(Coding::Identity)).await?;
        let neighbour = |coding: Coding| self.neighbour(path, coding, stat, old_form(coding));
        let [brotli, zstd, gzip] = Coding::NEIGHBOURS.map(neighbour);
        let ((brotli, zstd), gzip) = zip(zip(brotli, zstd), gzip).await;
        Ok(Found::File(Rc::new(Resource {
            content_type: if self.options.is_directory {
                content_type(path)
            } else {
                use std::os::unix::ffi::OsStrExt;
                content_type(self.options.path.as_os_str().as_bytes())
            },
            identity,
            neighbours: [brotli?, zstd?, gzip?],
            looked_at: Cell::new(looked_at),
        })))
    }

    /// The form that lies beside the file, if there is one that is not older than the file: what was left over from an earlier
    /// build must not be served in its place.
    async fn neighbour(
        &self,
        path: &[u8],
        coding: Coding,
        identity: FileStat,
        old: Option<Rc<Form>>,
    ) -> Result<Option<Rc<Form>>, Lack> {
        let coded = |name: &[u8]| {
            let mut codings = Coding::NEIGHBOURS.iter();
            codings.any(|coding| name.ends_with(coding.suffix().as_bytes()))
        };
        if coded(path) {
            return Ok(None);
        }
        let file = match self.open(path, coding).await {
            Ok(file) => file,
            Err(Lack::Missing | Lack::Forbidden) => return Ok(None),
            Err(lack) => return Err(lack),
        };
        let stat = file.stat()?;
        // In whole seconds: tools that pass a file's time on to what they compress lose what is below.
        if stat.kind != FileKind::Regular || stat.modified_s < identity.modified_s {
            return Ok(None);
        }
        form(file, stat, coding, old).await.map(Some)
    }

    async fn open(&self, path: &[u8], coding: Coding) -> Result<File, Lack> {
        let suffix = coding.suffix();
        if !self.options.is_directory {
            let mut whole = self.options.path.clone().into_os_string();
            whole.push(suffix);
            return Ok(File::open(whole.as_ref()).await?);
        }
        let root = self.root().await?;
        if suffix.is_empty() {
            return Ok(root.open_beneath(path).await?);
        }
        Ok(root
            .open_beneath(&[path, suffix.as_bytes()].concat())
            .await?)
    }

    /// The site's directory, opened anew each second: a deploy may have put another in its place.
    pub(super) async fn root(&self) -> Result<File, Lack> {
        if let Some((root, looked_at)) = &mut *self.root.borrow_mut() {
            if rt::now().0 < looked_at.0 + CACHED_LOOK_MS {
                return Ok(root.clone());
            }
        }
        match File::directory(&self.options.path).await {
            Ok(root) => {
                *self.root.borrow_mut() = Some((root.clone(), rt::now()));
                Ok(root)
            }
            Err(error) => Err(match FileTrouble::of(&error) {
                FileTrouble::Exhausted => Lack::Exhausted(error),
                FileTrouble::Moving => Lack::Changing,
                _ => Lack::NoRoot(error),
            }),
        }
    }
}

/// A form of what is open, its content with it if it is small; `old` itself if that is the same.
async fn form(
    file: File,
    mut stat: FileStat,
    coding: Coding,
    old: Option<Rc<Form>>,
) -> Result<Rc<Form>, Lack> {
    if let Some(old) = old.filter(|old| old.stat == stat) {
        if !old.fresh || matches!(old.content, Content::File(_)) {
            return Ok(old);
        }
    }
    let mut tries = 0;
    let content = loop {
        if stat.bytes > CACHED_FILE_BYTES_MAX {
            break Content::File(file);
        }
        tries += 1;
        // One byte more than there should be shows a file that has grown.
        let mut bytes = file.read_at(0, stat.bytes as usize + 1).await?;
        let after = file.stat()?;
        if after == stat && bytes.len() as u64 == stat.bytes {
            break Content::Memory(bytes);
        }
        if tries == FILE_READ_TRIES_MAX {
            // One that only grows, as a log does, is whole up to what it was.
            if (bytes.len() as u64) < stat.bytes || after.bytes < stat.bytes {
                return Err(Lack::Changing);
            }
            bytes.truncate(stat.bytes as usize);
            break Content::Memory(bytes);
        }
        stat = after;
    };
    let now = rt::unix_seconds();
    let modified = u64::try_from(stat.modified_s).unwrap_or(0).min(now);
    let date = UNIX_EPOCH + Duration::from_secs(modified);
    Ok(Rc::new(Form {
        coding,
        stat,
        etag: etag(
            stat.modified_s,
            stat.modified_ns,
            stat.bytes,
            stat.inode,
            coding,
        ),
        modified,
        last_modified: httpdate::fmt_http_date(date),
        content,
        fresh: stat.modified_s + FRESH_S >= i64::try_from(now).unwrap_or(i64::MAX),
    }))
}
