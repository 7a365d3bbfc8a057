//! The keys of join tokens that this gateway has made, in the file `invited` of the state directory: who has one counts as listed
//! among the peers until it expires or is revoked.
//!
//! Owns the file's form: one line a key, its fields apart by tabs (public key; `never`, `revoked` or the second since 1970 at which
//! it expires; label; names that it may offer, with commas between, if it is kept to some). Holds no secret: those are in the
//! tokens alone. The invariant that a change is likeliest to break: a file that cannot be read whole is an error and never an
//! empty list, else a revoked key would come in.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flatend::Trust;
use rustix::fs::{flock, FlockOperation};

use crate::config::{Mesh, PublicKey, StateDir};
use crate::limits::INVITED_FILE_BYTES_MAX;
use crate::{hex, io_words, replace};

/// Name of the file in the state directory.
pub const INVITED_FILE: &str = "invited";

/// Until when a key may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// For ever.
    Never,
    /// Until this second since 1970.
    At(u64),
    /// No more.
    Revoked,
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// The key of its token.
    pub key: PublicKey,
    /// Until when.
    pub until: Until,
    /// Its label; empty if it has none.
    pub name: String,
    /// What it may offer, if it is kept to some names.
    pub offers: Option<Vec<String>>,
}

impl Invited {
    /// Whether `word` means it: its label, or the digits of its key.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        hex::decode::<32>(word) == Some(self.key) || (!word.is_empty() && self.name == word)
    }

    fn read(line: &str) -> Result<Invited, &'static str> {
        let mut fields = line.split('\t');
        let mut field = || fields.next();
        let key = field().and_then(hex::decode::<32>);
        let key = key.ok_or("does not begin with a key of 64 hex digits")?;
        let until = match field() {
            Some("never") => Until::Never,
            Some("revoked") => Until::Revoked,
            Some(time) => Until::At(time.parse().map_err(|_| {
                "has neither 'never' nor 'revoked' nor a second since 1970 behind its key"
            })?),
            None => return Err("says not until when its key is good"),
        };
        let name = field().unwrap_or_default().to_owned();
        let offers = field().map(|names| names.split(',').map(str::to_owned).collect());
        match field() {
            Some(_) => Err("has more than four fields"),
            None => Ok(Invited {
                key,
                until,
                name,
                offers,
            }),
        }
    }
}

impl fmt::Display for Invited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t", hex::encode(&self.key))?;
        match self.until {
            Until::Never => f.write_str("never")?,
            Until::At(expires_s) => write!(f, "{expires_s}")?,
            Until::Revoked => f.write_str("revoked")?,
        }
        write!(f, "\t{}", self.name)?;
        match &self.offers {
            Some(names) => write!(f, "\t{}", names.join(",")),
            None => Ok(()),
        }
    }
}

/// `trust` with those that were invited, and without those that were revoked.
#[must_use]
pub fn trusted(trust: Trust, invited: &[Invited]) -> Trust {
    invited.iter().fold(trust, |trust, one| {
        let trust = match &one.offers {
            Some(names) => trust.offer_only(one.key, names),
            None => trust,
        };
        match one.until {
            Until::Never => trust.invite(one.key, None),
            Until::At(expires_s) => trust.invite(one.key, Some(expires_s)),
            Until::Revoked => trust.revoke(one.key),
        }
    })
}

/// Those that were invited, in order; nobody if there is no such file.
///
/// # Errors
/// A sentence without its full stop.
pub fn load(mesh: &Mesh) -> Result<Vec<Invited>, String> {
    let Some(path) = mesh.state_dir.path().map(|path| path.join(INVITED_FILE)) else {
        return Ok(Vec::new());
    };
    match read(&path) {
        // A default directory that is not for us holds nothing of ours.
        Err(_) if matches!(mesh.state_dir, StateDir::Default(_)) && !path.exists() => {
            Ok(Vec::new())
        }
        read => read.map_err(|why| sentence(&path, &why)),
    }
}

/// Changes the list, one process after the other. `change` gives what the caller wants of it; an error of it changes nothing. The
/// second value is the file's path.
///
/// # Errors
/// A sentence without its full stop.
pub fn change<T>(
    mesh: &Mesh,
    change: impl FnOnce(&mut Vec<Invited>) -> Result<T, String>,
) -> Result<(T, PathBuf), String> {
    let Some(directory) = mesh.state_dir.path() else {
        return Err(format!(
            "no state directory is known for the list of invited keys, '{INVITED_FILE}': set `state_dir`"
        ));
    };
    let mut make = fs::DirBuilder::new();
    let locked = make.recursive(true).mode(0o700).create(directory);
    // The directory is what is locked: the file itself is another one after each change.
    let locked = locked.and_then(|()| {
        let lock = File::open(directory)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(lock)
    });
    let _lock = locked.map_err(|error| {
        let (directory, error) = (directory.display(), io_words(&error));
        format!("the state directory '{directory}' cannot be used: {error}")
    })?;
    let path = directory.join(INVITED_FILE);
    let mut all = read(&path).map_err(|why| sentence(&path, &why))?;
    let result = change(&mut all)?;
    let bytes: usize = all.iter().map(|one| one.to_string().len() + 1).sum();
    if bytes > INVITED_FILE_BYTES_MAX {
        return Err(sentence(&path, &too_large()));
    }
    replace::lines(&path, all.iter()).map_err(|error| sentence(&path, &io_words(&error)))?;
    Ok((result, path))
}

/// Seconds since 1970; 0 where the clock is before.
#[must_use]
pub fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn sentence(path: &Path, why: &str) -> String {
    format!("the list of invited keys '{}': {why}", path.display())
}

fn too_large() -> String {
    format!("it would have more than {INVITED_FILE_BYTES_MAX} bytes: take lines of keys that have expired long ago out of it")
}

fn read(path: &Path) -> Result<Vec<Invited>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_words(&error)),
    };
    let mut text = String::new();
    let read = file.take(INVITED_FILE_BYTES_MAX as u64 + 1);
    let mut read = io::BufReader::new(read);
    read.read_to_string(&mut text)
        .map_err(|error| io_words(&error))?;
    if text.len() > INVITED_FILE_BYTES_MAX {
        return Err(too_large());
    }
    let lines = text.lines().enumerate();
    let read = lines.map(|(number, line)| {
        Invited::read(line)
            .map_err(|why| format!("line {} {why}: mend it, or take it out", number + 1))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_and_what_is_none_is_refused() {
        let key = "ab".repeat(32);
        for rest in [
            "never\t",
            "1796058245\tlaptop of Ann",
            "revoked\tx\ta,b c",
            "0\t\ta",
        ] {
            let line = format!("{key}\t{rest}");
            let one = Invited::read(&line).expect(&line);
            assert_eq!(one.to_string(), line);
            assert!(one.is(&key) && one.is(&key.to_uppercase()) && !one.is(""));
        }
        for (line, why) in [
            ("", "64 hex digits"),
            ("ab\tnever\t", "64 hex digits"),
            (&*key, "until when"),
            (&*format!("{key}\tsoon\t"), "'never'"),
            (&*format!("{key}\t-1\t"), "'never'"),
            (&*format!("{key}\tnever\ta\tb\tc"), "four fields"),
        ] {
            assert!(Invited::read(line).expect_err(line).contains(why), "{line}");
        }
    }
}
