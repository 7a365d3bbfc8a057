//! The clients of a server by slot, and what becomes of what they send. The same for every loop.

use crate::limits::{CLIENTS_MAX, LINK_OUT_BYTES_MAX};
use crate::wire::{self, Frames, HeadTooLong, Heads, Token};

/// Clients by slot; slots are used again, tokens are not.
pub(crate) struct Clients<C> {
    slots: Vec<(u32, Option<C>)>,
    vacant: Vec<u32>,
}

impl<C> Clients<C> {
    pub(crate) fn new() -> Clients<C> {
        Clients {
            slots: Vec::new(),
            vacant: Vec::new(),
        }
    }

    /// Takes a client in; gives nothing if there are [`CLIENTS_MAX`].
    pub(crate) fn insert(&mut self, client: C) -> Option<Token> {
        let slot = match self.vacant.pop() {
            Some(slot) => slot,
            None if self.slots.len() < CLIENTS_MAX as usize => {
                self.slots.push((0, None));
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        let (life, place) = self.slots.get_mut(slot as usize)?;
        *place = Some(client);
        Some(Token { slot, life: *life })
    }

    /// The client, unless it has gone.
    pub(crate) fn get(&mut self, token: Token) -> Option<&mut C> {
        match self.slots.get_mut(token.slot as usize) {
            Some((life, client)) if *life == token.life => client.as_mut(),
            _ => None,
        }
    }

    /// Takes the client out.
    pub(crate) fn remove(&mut self, token: Token) -> Option<C> {
        let (life, client) = self.slots.get_mut(token.slot as usize)?;
        if *life != token.life {
            return None;
        }
        let client = client.take()?;
        *life = life.wrapping_add(1);
        self.vacant.push(token.slot);
        Some(client)
    }
}

/// What requests become.
pub(crate) struct Exchange {
    /// Requests go over a link and are answered when they come back; else at once.
    relays: bool,
    /// What this turn has for the link.
    pub(crate) link_out: Vec<u8>,
    frames: Frames,
}

/// The upstream has stopped reading.
#[derive(Debug)]
pub(crate) struct LinkFull;

impl std::fmt::Display for LinkFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "more than {LINK_OUT_BYTES_MAX} bytes wait for the upstream, which does not read: look at its log")
    }
}

impl Exchange {
    pub(crate) fn new(relays: bool) -> Exchange {
        Exchange {
            relays,
            link_out: Vec::new(),
            frames: Frames::default(),
        }
    }

    /// Takes what a client sent. Gives how many answers it gets at once.
    ///
    /// # Errors
    /// The head is too long: the client is to go.
    pub(crate) fn client_sent(
        &mut self,
        token: Token,
        heads: &mut Heads,
        bytes: &[u8],
    ) -> Result<usize, HeadTooLong> {
        let mut answers = 0;
        heads.feed(bytes, |head| {
            if self.relays {
                self.link_out.extend_from_slice(&wire::frame(token, head));
            } else {
                answers += 1;
            }
        })?;
        Ok(answers)
    }

    /// Takes what came on the link, and gives each client that gets an answer to `each`.
    pub(crate) fn link_brought(&mut self, bytes: &[u8], each: impl FnMut(Token)) {
        self.frames.feed(bytes, each);
    }

    /// # Errors
    /// Too much waits for the link.
    pub(crate) fn check(&self) -> Result<(), LinkFull> {
        if self.link_out.len() > LINK_OUT_BYTES_MAX {
            return Err(LinkFull);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_client_that_has_gone_leads_to_nobody() {
        let mut clients = Clients::new();
        let first = clients.insert("first").expect("there is room");
        assert_eq!(clients.remove(first), Some("first"));
        let second = clients.insert("second").expect("there is room");
        assert_eq!(first.slot, second.slot);
        assert_eq!(clients.get(first), None);
        assert_eq!(clients.remove(first), None);
        assert_eq!(clients.get(second), Some(&mut "second"));
    }

    #[test]
    fn the_last_client_is_taken_and_the_next_is_not() {
        let mut clients = Clients::new();
        assert!((0..CLIENTS_MAX).all(|_| clients.insert(()).is_some()));
        assert_eq!(clients.insert(()), None);
    }
}
