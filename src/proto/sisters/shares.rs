//! Shares: how several sessions of a user that have a long history divide it when they give it to one who lacks it.
//!
//! The numbers of each stream are divided into blocks, and for each block those who have it are ranked by a hash. Nothing is agreed
//! on: each giver ranks those who have a block, to its knowledge, and are connected with the one who lacks it, as that one reports.
//! It gives the blocks for which it comes first. If two know different things, a block is given twice, or by nobody until
//! [`TAKE_OVER`](crate::proto::limits::TAKE_OVER) has passed.

use sha2::{Digest, Sha256};

use crate::id::{SessionId, StreamId};

/// Whether a session comes first of itself and `others` for a block.
pub fn is_first(me: &SessionId, mut others: impl Iterator<Item = SessionId>, stream: &StreamId, block: u64) -> bool {
    let own = weight(me, stream, block);
    others.all(|other| weight(&other, stream, block) < own)
}

fn weight(session: &SessionId, stream: &StreamId, block: u64) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(session.0)
        .chain_update(stream.author.0)
        .chain_update(stream.epoch.to_be_bytes())
        .chain_update(stream.to.0)
        .chain_update(block.to_be_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Address;

    #[test]
    fn each_block_has_one_giver_and_each_giver_has_a_fair_share() {
        let givers = [1, 2, 3].map(|n| SessionId([n; 32]));
        let stream = StreamId { author: SessionId([9; 32]), epoch: 1, to: Address([8; 32]) };
        let mut shares = [0; 3];
        for block in 0..300 {
            let first =
                |me: &&SessionId| is_first(me, givers.iter().copied().filter(|other| other != *me), &stream, block);
            let firsts: Vec<usize> = (0..3).filter(|n| first(&&givers[*n])).collect();
            assert_eq!(firsts.len(), 1, "block {block}");
            shares[firsts[0]] += 1;
        }
        assert!(shares.iter().all(|share| (70..130).contains(share)), "{shares:?}");
    }
}
