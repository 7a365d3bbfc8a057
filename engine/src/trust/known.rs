//! Keys that were seen on flatend/2, remembered in a file of one a line, so that a restart forgets none. Bounded: beyond the limit
//! no further one is remembered, and that is told.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Key;
use crate::hex;
use crate::limits::KNOWN_KEYS_MAX;

#[derive(Debug, Default)]
pub(crate) struct Known {
    keys: Mutex<HashSet<Key>>,
    file: Option<PathBuf>,
}

impl Known {
    /// The keys in the file at `path`, which is made with the first one.
    ///
    /// # Errors
    /// It cannot be read, or holds something else.
    pub(crate) fn load(path: PathBuf) -> io::Result<Known> {
        let known = Known {
            keys: Mutex::default(),
            file: Some(path),
        };
        known.reload()?;
        Ok(known)
    }

    /// Reads the file again: keys that were taken out of it are forgotten.
    ///
    /// # Errors
    /// As [`Known::load`]; the keys stay as they were then.
    pub(crate) fn reload(&self) -> io::Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let mut text = String::new();
        match File::open(path) {
            // 65 bytes a key; more than all of them is no such file.
            Ok(file) => {
                file.take(66 * KNOWN_KEYS_MAX as u64)
                    .read_to_string(&mut text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut keys = HashSet::new();
        for (number, line) in text.lines().enumerate() {
            let key = hex::decode::<32>(line.trim()).ok_or_else(|| {
                io::Error::other(format!("line {} is not a key of 64 hex digits", number + 1))
            })?;
            keys.insert(key);
        }
        *self.lock() = keys;
        Ok(())
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.lock().contains(key)
    }

    /// Remembers a key.
    ///
    /// # Errors
    /// There are too many, or the file cannot be written: it is remembered until the end of the process then.
    pub(crate) fn remember(&self, key: Key) -> io::Result<()> {
        let mut keys = self.lock();
        if keys.contains(&key) {
            return Ok(());
        }
        if keys.len() >= KNOWN_KEYS_MAX {
            return Err(io::Error::other(format!(
                "{KNOWN_KEYS_MAX} keys are remembered, and no more"
            )));
        }
        keys.insert(key);
        drop(keys);
        let Some(path) = &self.file else {
            return Ok(());
        };
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o600).open(path)?;
        file.write_all(format!("{}\n", hex::encode(&key)).as_bytes())
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_outlives_the_process_and_what_is_taken_out_is_forgotten() {
        let path = std::env::temp_dir().join(format!("flatend-known-{}", std::process::id()));
        // One of an earlier run of the test.
        std::fs::remove_file(&path).ok();
        let known = Known::load(path.clone()).expect("no file yet");
        for key in [[1; 32], [2; 32], [1; 32]] {
            known.remember(key).expect("a file that can be written");
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text.lines().count(), 2, "each once");
        let again = Known::load(path.clone()).expect("the file");
        assert!(again.contains(&[2; 32]) && !again.contains(&[3; 32]));
        std::fs::write(&path, format!("{}\n", hex::encode(&[2; 32]))).expect("writable");
        known.reload().expect("the file");
        assert!(!known.contains(&[1; 32]) && known.contains(&[2; 32]));
        std::fs::write(&path, "no key\n").expect("writable");
        let error = known.reload().expect_err("no key");
        assert!(error.to_string().contains("line 1"), "{error}");
        assert!(known.contains(&[2; 32]), "they stay as they were");
        std::fs::remove_file(&path).expect("there");
    }
}
