//! The fields of a HELLO as they come: each of its own size, and which of them must be there.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::address::addresses;
use super::super::message::text;
use super::{missing, tag, wrong_size, Hello, VERSION};
use crate::error::ProtocolError;
use crate::limits::{KEY_BYTES, RECORD_BYTES_MAX, SOFTWARE_BYTES_MAX};
use crate::wire::Reader;

/// The fields as they come.
#[derive(Default)]
pub(super) struct Fields {
    version: Option<u16>,
    capabilities: u32,
    plaintext_log2: u8,
    public_key: Option<[u8; KEY_BYTES]>,
    addresses: Vec<SocketAddr>,
    instance: Option<[u8; 16]>,
    lanes: Option<(u16, u16)>,
    first_grant: Option<u32>,
    software: String,
    record: Option<Arc<[u8]>>,
}

impl Fields {
    pub(super) fn take(&mut self, tag: u8, bytes: &[u8]) -> Result<(), ProtocolError> {
        let wrong = || wrong_size(tag);
        match tag {
            tag::VERSION => self.version = Some(u16::from_be_bytes(exact(tag, bytes)?)),
            tag::CAPABILITIES => self.capabilities = u32::from_be_bytes(exact(tag, bytes)?),
            tag::PLAINTEXT_LOG2 => {
                let [log2] = exact(tag, bytes)?;
                self.plaintext_log2 = log2.min(8);
            }
            tag::PUBLIC_KEY => self.public_key = Some(exact(tag, bytes)?),
            tag::ADDRESSES => self.addresses = addresses(bytes)?,
            tag::INSTANCE => self.instance = Some(exact(tag, bytes)?),
            tag::LANES => {
                let mut reader = Reader::new(bytes);
                let lanes = reader.u16().zip(reader.u16()).ok_or_else(wrong)?;
                if !reader.is_empty() {
                    return Err(wrong());
                }
                self.lanes = Some(lanes);
            }
            tag::FIRST_GRANT => self.first_grant = Some(u32::from_be_bytes(exact(tag, bytes)?)),
            tag::SOFTWARE => {
                if bytes.len() > SOFTWARE_BYTES_MAX {
                    return Err(wrong());
                }
                self.software = text(bytes).to_owned();
            }
            tag::RECORD => {
                if bytes.len() > RECORD_BYTES_MAX {
                    return Err(wrong());
                }
                self.record = Some(bytes.into());
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<Hello, ProtocolError> {
        match self.version {
            Some(VERSION) => {}
            Some(_) => {
                return Err(ProtocolError::Hello {
                    field: tag::VERSION,
                    what: "of a version that is not known",
                })
            }
            None => return Err(missing(tag::VERSION)),
        }
        let (shards, lane) = self.lanes.ok_or(missing(tag::LANES))?;
        Ok(Hello {
            capabilities: self.capabilities,
            plaintext_log2: self.plaintext_log2,
            public_key: self.public_key.ok_or(missing(tag::PUBLIC_KEY))?,
            addresses: std::mem::take(&mut self.addresses),
            instance: self.instance.ok_or(missing(tag::INSTANCE))?,
            shards,
            lane,
            first_grant: self.first_grant.ok_or(missing(tag::FIRST_GRANT))?,
            software: std::mem::take(&mut self.software),
            record: self.record.take(),
        })
    }
}

fn exact<const N: usize>(tag: u8, bytes: &[u8]) -> Result<[u8; N], ProtocolError> {
    bytes.try_into().map_err(|_| wrong_size(tag))
}
