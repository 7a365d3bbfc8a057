//! The body of a call: a text, or a file, pipe or terminal that is read by a thread of its own, since reading blocks.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use flatend::{Bytes, HandleBody};
use futures_lite::future::block_on;

use crate::cli::BodyFrom;
use crate::io_words;
use crate::limits::CALL_READ_BYTES;

/// Where the body comes from.
pub(super) enum Input {
    /// It is here already; empty: there is none.
    Whole(Bytes),
    Stream(Source),
}

/// Something to read the body from.
pub(super) struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
}

/// Why the body could not be read to its end, if so.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, sentence: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sentence);
    }
}

impl Input {
    /// Opens it.
    ///
    /// # Errors
    /// A sentence without its full stop.
    pub(super) fn open(from: &BodyFrom) -> Result<Input, String> {
        match from {
            BodyFrom::Text(text) => Ok(Input::Whole(text.clone().into())),
            BodyFrom::Stdin => Ok(Input::stdin()),
            BodyFrom::Piped if is_piped() => Ok(Input::stdin()),
            BodyFrom::Piped => Ok(Input::Whole(Bytes::new())),
            BodyFrom::File(path) => {
                let name = path.display().to_string();
                let file = File::open(path)
                    .and_then(|file| match file.metadata()?.is_dir() {
                        true => Err(io::ErrorKind::IsADirectory.into()),
                        false => Ok(file),
                    })
                    .map_err(|error| cannot_read(&name, &error))?;
                Ok(Input::Stream(Source {
                    name,
                    reader: Box::new(file),
                }))
            }
        }
    }

    fn stdin() -> Input {
        Input::Stream(Source {
            name: "standard input".to_owned(),
            reader: Box::new(io::stdin()),
        })
    }
}

fn cannot_read(name: &str, error: &io::Error) -> String {
    format!("cannot read {name}: {}", io_words(error))
}

/// Whether standard input is a pipe or a file: a terminal is for its user, and `/dev/null` is nothing.
fn is_piped() -> bool {
    let kind = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .and_then(|file| file.metadata())
        .map(|found| found.file_type());
    kind.is_ok_and(|kind| {
        use std::os::unix::fs::FileTypeExt;
        kind.is_fifo() || kind.is_file() || kind.is_socket()
    })
}

impl Source {
    /// Copies it into `body` on a thread of its own. What goes wrong there is found in the result when the call fails, for the
    /// body is given up then. The thread ends with the process if nothing more comes to read.
    ///
    /// # Errors
    /// A sentence, when there is no thread to be had.
    pub(super) fn copy_to(self, body: HandleBody) -> Result<Trouble, String> {
        let trouble = Trouble::default();
        let told = trouble.clone();
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || self.copy(body, &told))
            .map_err(|error| format!("cannot start a thread: {}", io_words(&error)))?;
        Ok(trouble)
    }

    fn copy(mut self, mut body: HandleBody, trouble: &Trouble) {
        let mut buffer = vec![0; CALL_READ_BYTES];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => return body.finish(),
                Ok(read) => {
                    let piece = Bytes::copy_from_slice(&buffer[..read]);
                    if block_on(body.write(piece)).is_err() {
                        // The response says why.
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return trouble.put(cannot_read(&self.name, &error)),
            }
        }
    }
}
