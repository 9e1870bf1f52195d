//! The event queue, ordered by moment and, within one moment, by insertion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Moment;

/// Events by moment. The heap holds three words per event; the event itself stays in its slot until it is due.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<(Moment, u64, u32)>>,
    slots: Vec<Option<E>>,
    free: Vec<u32>,
    planned: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), planned: 0 }
    }
}

impl<E> Queue<E> {
    /// Schedules an event.
    pub fn plan(&mut self, at: Moment, event: E) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize] = Some(event);
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, slot)));
    }

    /// When the next event is due.
    pub fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Removes the next event.
    pub fn pop(&mut self) -> Option<(Moment, E)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.slots[slot as usize].take().map(|event| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_ordered_by_moment_and_within_one_moment_by_insertion() {
        let mut queue = Queue::default();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.plan(Moment(at), event);
        }
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, "abcd");
        queue.plan(Moment(9), 'e');
        assert_eq!((queue.next(), queue.slots.len()), (Some(Moment(9)), 4), "slots are reused");
    }
}
