//! Where orders stand: in a lane, aside, behind a gate, or waiting for a time.

use std::time::Instant;

use aeraki_core::FilterKey;

use super::Queue;
use super::order::Place;

impl Queue {
    pub(super) fn place_all(&mut self, keys: &[FilterKey], now: Instant) {
        for key in keys {
            self.place(key, now);
        }
    }

    /// Puts an order where it belongs. One that waits for its next try after a failure goes on waiting.
    pub(super) fn place(&mut self, key: &FilterKey, now: Instant) {
        let Some(order) = self.orders.get(key) else {
            return;
        };
        if order.is_in_flight() || order.awaits_retry() {
            return;
        }
        let held = self.take_out(key);
        let Some(order) = self.orders.get(key) else {
            return;
        };
        if self.gates.is_behind(key) {
            return;
        }
        let due = self.fights.not_before(key, || order.intent.mark());
        match due.filter(|due| *due > now) {
            Some(due) => self.postpone(key, due, true),
            None => self.make_ready(key, held),
        }
    }

    /// Takes an order from where it stands; returns the ticket, if it had one and may keep it.
    pub(super) fn take_out(&mut self, key: &FilterKey) -> Option<u64> {
        let order = self.orders.get_mut(key)?;
        match std::mem::replace(&mut order.place, Place::Behind) {
            Place::Ready { lane, ticket } => {
                self.lanes.leave(lane, ticket);
                (lane == order.lane).then_some(ticket)
            }
            Place::Later { due, ticket, .. } => {
                self.later.remove(&(due, ticket));
                None
            }
            Place::Aside { ticket } => {
                self.stuck.leave(ticket, key);
                Some(ticket)
            }
            Place::Behind | Place::InFlight { .. } => None,
        }
    }

    /// Lets an order that has left its lane stand aside. Nobody is kept by it at a gate: it may stand for long.
    pub(super) fn set_aside(&mut self, key: &FilterKey, now: Instant) {
        if let Some(order) = self.orders.get_mut(key)
            && let Place::Ready { ticket, .. } = order.place
        {
            order.place = Place::Aside { ticket };
            self.stuck.set_aside(ticket, key.clone());
        }
        let freed = self.gates.pass(key);
        self.place_all(&freed, now);
    }

    pub(super) fn make_ready(&mut self, key: &FilterKey, held: Option<u64>) {
        let ticket = held.unwrap_or_else(|| self.ticket());
        if let Some(order) = self.orders.get_mut(key) {
            let lane = order.lane;
            order.place = Place::Ready { lane, ticket };
            self.lanes.enter(lane, ticket, key.clone());
        }
    }

    pub(super) fn postpone(&mut self, key: &FilterKey, due: Instant, is_firm: bool) {
        let ticket = self.ticket();
        if let Some(order) = self.orders.get_mut(key) {
            order.place = Place::Later {
                due,
                ticket,
                is_firm,
            };
            self.later.insert((due, ticket), key.clone());
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// What has waited long enough is ready.
    pub(super) fn recall(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let key = entry.remove();
            self.unpostpone(&key);
        }
    }

    pub(super) fn unpostpone(&mut self, key: &FilterKey) {
        self.take_out(key);
        if !self.gates.is_behind(key) {
            self.make_ready(key, None);
        }
    }
}
