//! Socket addresses as byte strings: 4 or 16 bytes of IP and 2 of port, big-endian. Scope ids mean nothing to others and
//! do not travel.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::codec::Bytes;

/// A socket address on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addr(pub SocketAddr);

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut bytes = match self.0.ip().to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.extend_from_slice(&self.0.port().to_be_bytes());
        s.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Bytes(bytes) = Bytes::<18>::deserialize(d)?;
        let wrong = || de::Error::invalid_length(bytes.len(), &"6 or 18 bytes");
        let (ip, port) = bytes.split_last_chunk::<2>().ok_or_else(wrong)?;
        let ip: IpAddr = match ip.len() {
            4 => <[u8; 4]>::try_from(ip).map_err(|_| wrong())?.into(),
            16 => <[u8; 16]>::try_from(ip).map_err(|_| wrong())?.into(),
            _ => return Err(wrong()),
        };
        Ok(Addr(SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(*port))))
    }
}
