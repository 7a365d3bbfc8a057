//! `flatend invite`: a join token for this gateway, and the list of those that were made. Owns which address is told; the token alone
//! goes to standard output, so that a script can take it. It is printed once its key is on the list, and never before.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use flatend::{utc_string, JoinToken};

use super::mesh_of;
use crate::cli::{InviteAction, InviteOptions};
use crate::config::{env::Lookup, Bootstrap, Mesh};
use crate::invited::{self, Invited, Until};
use crate::{hex, keys};

/// Prints a token, says who was invited, or revokes.
///
/// # Errors
/// Writing failed.
pub fn run(
    options: &InviteOptions,
    env: &Lookup<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let done = match &options.action {
        InviteAction::List => list(options, env),
        InviteAction::Revoke(word) => revoke(options, env, word),
        InviteAction::Invite {
            name,
            addrs,
            expires,
            offers,
        } => invite(options, env, addrs, name.as_deref(), *expires, offers),
    };
    match done {
        Ok((lines, sentence)) => {
            out.write_all(lines.as_bytes())?;
            err.write_all(sentence.as_bytes())?;
            Ok(0)
        }
        Err(sentence) => {
            writeln!(err, "flatend: {sentence}.")?;
            Ok(1)
        }
    }
}

/// What goes to standard output and what to standard error, or a sentence without its full stop.
type Done = Result<(String, String), String>;

fn invite(
    options: &InviteOptions,
    env: &Lookup<'_>,
    addrs: &[Bootstrap],
    name: Option<&str>,
    expires: Option<Duration>,
    offers: &Option<Vec<String>>,
) -> Done {
    let mesh = mesh_of(&options.config, env)?;
    let addrs = addrs_of(&mesh, &options.config, addrs)?;
    let token = JoinToken::new(addrs, name).map_err(|error| error.to_string())?;
    let secret = keys::SecretKey::generate()
        .map_err(|_| "the system gave no random numbers for a key: try again".to_owned())?;
    let key = secret.public();
    let mut token = token.with_secret(secret);
    if let Some(path) = &mesh.network_key {
        let key = keys::load_network(path)
            .map_err(|error| format!("the network key '{}', {error}", path.display()))?;
        token = token.with_network_key(key);
    }
    // No shorter than was said.
    let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (token, until) = match expires {
        Some(time) => {
            let expires_s = invited::now_s().saturating_add(seconds(time));
            (token.until(expires_s), Until::At(expires_s))
        }
        None => (token, Until::Never),
    };
    let one = Invited {
        key,
        until,
        name: name.unwrap_or_default().to_owned(),
        offers: offers.clone(),
    };
    let ((), path) = invited::change(&mesh, |all| {
        all.push(one);
        Ok(())
    })?;
    let said = format!(
        "Invited the key {}, in '{}'. A gateway that runs reads the file again on SIGHUP.\n",
        hex::encode(&key),
        path.display()
    );
    Ok((format!("{token}\n"), said))
}

fn list(options: &InviteOptions, env: &Lookup<'_>) -> Done {
    let (all, now_s) = (
        invited::load(&mesh_of(&options.config, env)?)?,
        invited::now_s(),
    );
    if all.is_empty() {
        return Ok((String::new(), "Nobody was invited.\n".to_owned()));
    }
    let line = |one: &Invited| {
        let until = match one.until {
            Until::Never => "for ever".to_owned(),
            Until::Revoked => "revoked".to_owned(),
            Until::At(at) if at <= now_s => format!("expired at {}", utc_string(at)),
            Until::At(at) => format!("until {}", utc_string(at)),
        };
        let offers = match &one.offers {
            Some(names) => format!(" [{}]", names.join(" ")),
            None => String::new(),
        };
        let (key, name) = (hex::encode(&one.key), one.name.escape_debug());
        format!("{key} {until} '{name}'{offers}\n")
    };
    Ok((all.iter().map(line).collect(), String::new()))
}

fn revoke(options: &InviteOptions, env: &Lookup<'_>, word: &str) -> Done {
    let mesh = mesh_of(&options.config, env)?;
    let (revoked, path) = invited::change(&mesh, |all| {
        let mut revoked = Vec::new();
        for one in all.iter_mut().filter(|one| one.is(word)) {
            one.until = Until::Revoked;
            revoked.push(hex::encode(&one.key));
        }
        match revoked.is_empty() {
            true => Err(format!(
                "'{}' is neither the key nor the label of anybody who was invited: see `flatend invite --list`",
                word.escape_debug()
            )),
            false => Ok(revoked),
        }
    })?;
    let lines = revoked
        .iter()
        .map(|key| format!("Revoked the key {key}.\n"));
    let said = format!(
        "A gateway that runs reads '{}' again on SIGHUP, and ends its links then.\n",
        path.display()
    );
    Ok((String::new(), lines.chain([said]).collect()))
}

/// The addresses to tell, each with the gateway's key unless another was given.
///
/// # Errors
/// A sentence without its full stop.
fn addrs_of(mesh: &Mesh, file: &Path, given: &[Bootstrap]) -> Result<Vec<String>, String> {
    let key = own_key(mesh)?;
    let pinned = |mut node: Bootstrap| {
        node.key = node.key.or(key);
        node.pinned()
    };
    if !given.is_empty() {
        return Ok(given.iter().cloned().map(pinned).collect());
    }
    let addr = mesh.public_addr.unwrap_or(mesh.addr);
    if addr.ip().is_unspecified() || addr.port() == 0 {
        return Err(format!(
            "{addr} cannot be dialed: set `public_addr` in '{}', or give --addr HOST:PORT",
            file.display()
        ));
    }
    Ok(vec![pinned(Bootstrap {
        host: addr.ip().to_string(),
        port: addr.port(),
        key: None,
    })])
}

/// The gateway's public key, which its services then expect of it; none if it has not been made yet.
///
/// # Errors
/// A sentence: the key's file is there and cannot be used.
fn own_key(mesh: &Mesh) -> Result<Option<[u8; 32]>, String> {
    let in_state = || Some(mesh.state_dir.path()?.join(keys::STATE_KEY_FILE));
    let Some(path) = mesh.secret_key.clone().or_else(in_state) else {
        return Ok(None);
    };
    match keys::load_secret(&path) {
        Ok(secret) => Ok(Some(secret.public())),
        Err(keys::KeyError::Missing(_)) => Ok(None),
        Err(error) => Err(format!("the secret key '{}', {error}", path.display())),
    }
}
