//! Socket addresses as byte strings: 4 or 16 bytes of IP address, then 2 bytes of port, big-endian. An IPv4 address always
//! takes 4 bytes; IPv4-mapped IPv6 addresses are refused, so that each address has one encoding. IPv6 scope ids are local to a
//! host and are not sent.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A socket address as it is encoded. IPv4-mapped IPv6 addresses are written as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addr(pub SocketAddr);

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; 18];
        let length = match self.0.ip().to_canonical() {
            IpAddr::V4(ip) => {
                bytes[..4].copy_from_slice(&ip.octets());
                4
            }
            IpAddr::V6(ip) => {
                bytes[..16].copy_from_slice(&ip.octets());
                16
            }
        };
        bytes[length..length + 2].copy_from_slice(&self.0.port().to_be_bytes());
        s.serialize_bytes(&bytes[..length + 2])
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_bytes(AddrVisitor)
    }
}

struct AddrVisitor;

impl de::Visitor<'_> for AddrVisitor {
    type Value = Addr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("4 or 16 bytes of IP address and 2 bytes of port")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Addr, E> {
        let wrong = || E::invalid_length(bytes.len(), &self);
        let (ip, port) = bytes.split_last_chunk::<2>().ok_or_else(wrong)?;
        let ip: IpAddr = if let Ok(ip) = <[u8; 4]>::try_from(ip) {
            ip.into()
        } else {
            Ipv6Addr::from(<[u8; 16]>::try_from(ip).map_err(|_| wrong())?).into()
        };
        if ip.to_canonical() != ip {
            return Err(E::custom("IPv4 mapped into IPv6"));
        }
        Ok(Addr(SocketAddr::new(ip, u16::from_be_bytes(*port))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode};

    #[test]
    fn a_mapped_address_is_encoded_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:27272".parse().expect("a literal");
        let bytes = encode(&Addr(mapped));
        assert_eq!(bytes, [0x46, 192, 0, 2, 1, 0x6a, 0x88]);
        assert_eq!(decode::<Addr>(&bytes).map(|addr| addr.0), Ok("192.0.2.1:27272".parse().expect("a literal")));
    }

    #[test]
    fn mapped_addresses_and_other_lengths_are_refused() {
        let mapped = [&[0x52][..], &[0; 10], &[255, 255, 192, 0, 2, 1], &[0, 1]].concat();
        assert!(decode::<Addr>(&mapped).is_err());
        for length in (0..=20u8).filter(|length| ![6, 18].contains(length)) {
            assert!(decode::<Addr>(&[vec![0x40 | length], vec![1; length.into()]].concat()).is_err());
        }
    }
}
