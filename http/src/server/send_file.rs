//! A file's bytes on their way to a client: by `sendfile` where the page cache has them, read by the shard's ring where it has
//! not, since `sendfile` would wait for the disk and the whole shard with it.
//!
//! The invariant that a change is likeliest to break: a file that ends before what its head announced is a cut, never an end.

use std::io;

use flatend::rt::{self, File, Residency};

use super::exchange::Exchange;
use super::io::Io;
use crate::limits::FILE_WINDOW_BYTES;

/// Up to this size a piece is read and sent together with what is queued: a packet of its own costs more than the copy.
const READ_BYTES_MAX: u64 = 16 * 1024;

/// A file cannot be sent on.
#[derive(Debug)]
pub enum FileError {
    /// The client is gone or takes nothing.
    Gone,
    /// The file ends too early: the response must be cut.
    Short,
    /// The file cannot be read: the response must be cut.
    Unreadable(io::Error),
    /// It is not what the head announced, by a defect of the caller: the response must be cut.
    Misuse,
}

impl Exchange<'_> {
    /// Sends `len` bytes of `file` from `from` as the next piece of the response's body, whose length the head announced.
    ///
    /// # Errors
    /// [`FileError`]; some of it may have been sent.
    pub async fn send_file(&self, file: &File, from: u64, len: u64) -> Result<(), FileError> {
        let io = self.io();
        if io.http.borrow().facts().is_head {
            return Ok(());
        }
        let mut at = from;
        let end = from.saturating_add(len);
        while at < end {
            let window = (end - at).min(FILE_WINDOW_BYTES);
            let by_reference =
                window > READ_BYTES_MAX && file.residency(at, window) == Residency::Whole;
            at += if by_reference {
                self.by_reference(io, file, at, window).await?
            } else {
                self.by_copy(file, at, window).await?
            };
        }
        Ok(())
    }

    /// Gives how much went.
    async fn by_reference(
        &self,
        io: &Io,
        file: &File,
        from: u64,
        window: u64,
    ) -> Result<u64, FileError> {
        io.flush().await.map_err(|()| FileError::Gone)?;
        let len = usize::try_from(window).unwrap_or(usize::MAX);
        let sent = match io.socket.try_sendfile(file, from, len) {
            // It was there when the page cache was asked: the file has shrunk.
            Ok(0) => return Err(FileError::Short),
            Ok(sent) => sent as u64,
            Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => {
                // The page cache is asked again after the wait.
                io.wait_writable().await.map_err(|()| FileError::Gone)?;
                return Ok(0);
            }
            // The file's system cannot, or the socket is gone, which the copy tells.
            Err(_) => return self.by_copy(file, from, window).await,
        };
        io.took_some();
        self.count(sent)?;
        io.spend(sent as usize);
        if io.is_turn_spent() {
            rt::yield_now().await;
        }
        Ok(sent)
    }

    async fn by_copy(&self, file: &File, from: u64, window: u64) -> Result<u64, FileError> {
        let want = usize::try_from(window).unwrap_or(usize::MAX);
        let bytes = match file.read_at(from, want).await {
            Ok(bytes) if !bytes.is_empty() => bytes,
            Ok(_) => return Err(FileError::Short),
            Err(error) => return Err(FileError::Unreadable(error)),
        };
        let read = bytes.len();
        self.queue_data(bytes).map_err(|_| FileError::Misuse)?;
        if self.wants_flush() || (read as u64) < window || window > READ_BYTES_MAX {
            self.flush().await.map_err(|_| FileError::Gone)?;
        }
        self.io().spend(read);
        if self.io().is_turn_spent() {
            rt::yield_now().await;
        }
        Ok(read as u64)
    }

    /// Counts bytes of the body that went by reference.
    fn count(&self, bytes: u64) -> Result<(), FileError> {
        let bytes = usize::try_from(bytes).map_err(|_| FileError::Misuse)?;
        let piece = self.io().http.borrow_mut().send_data(bytes);
        match piece {
            // A length was announced, so nothing frames the piece.
            Ok(piece) if piece.prefix().is_empty() && piece.suffix().is_empty() => {
                self.note(|notes| notes.response_bytes += bytes as u64);
                Ok(())
            }
            Ok(_) | Err(_) => Err(FileError::Misuse),
        }
    }
}
