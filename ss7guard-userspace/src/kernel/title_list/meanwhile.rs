//! Changes that come while an import makes a list beside the live one: they are made in both.

use ss7guard_common::abi::BOTH_HALVES;

use super::TitleList;
use super::key::node_of;
use super::space::Owner;
use super::staging::Staging;
use super::tables::{NoRoom, Side, TitleArrays};
use super::tree::Change;
use crate::kernel::block_list::ListError;

/// A change of the list that is coming.
pub(super) struct Coming {
    pub(super) side: Side,
    pub(super) change: Change,
}

impl<A: TitleArrays> TitleList<A> {
    /// Whether a list is being made beside the live one.
    pub(super) fn makes_coming(&self) -> bool {
        self.import.as_ref().is_some_and(Staging::is_coming)
    }

    pub(super) fn coming_side(&self, until: u64) -> Side {
        let half = self.half ^ 1;
        Side { half, halves: 1 << half, owner: Owner::Coming, until }
    }

    /// Whether the list that is coming has room for an entry that is put into the live one.
    pub(super) fn has_room_to_join(&self, key: u64) -> bool {
        let Some(import) = self.import.as_ref().filter(|import| import.is_coming()) else { return true };
        import.keys.contains_key(&key) || import.keys.len() < self.capacity()
    }

    /// Puts a live entry into the coming list too, unless that has one with its key; plans what is to be done there.
    pub(super) fn plan_join(&mut self, key: u64, slot: u32) -> Result<Option<Coming>, NoRoom> {
        let Some(import) = self.import.as_mut().filter(|import| import.is_coming()) else { return Ok(None) };
        if import.keys.contains_key(&key) {
            return Ok(None);
        }
        import.keys.insert(key, slot);
        let planned = self.plan_coming(key);
        if planned.is_err()
            && let Some(import) = &mut self.import
        {
            import.keys.remove(&key);
        }
        planned.map(Some)
    }

    /// Takes a live entry out of the coming list too, if it is there; plans what is to be done there.
    pub(super) fn plan_leave(&mut self, key: u64, slot: u32) -> Result<Option<Coming>, NoRoom> {
        let Some(import) = self.import.as_mut().filter(|import| import.is_coming()) else { return Ok(None) };
        if import.keys.get(&key) != Some(&slot) {
            return Ok(None);
        }
        import.keys.remove(&key);
        let planned = self.plan_coming(key);
        if planned.is_err()
            && let Some(import) = &mut self.import
        {
            import.keys.insert(key, slot);
        }
        planned.map(Some)
    }

    fn plan_coming(&mut self, key: u64) -> Result<Coming, NoRoom> {
        let until = self.import.as_ref().map_or(0, Staging::until);
        let side = self.coming_side(until);
        let Some(import) = &self.import else { return Err(NoRoom) };
        Ok(Coming { side, change: self.tables.plan(&import.keys, side, key)? })
    }

    /// Carries a change of the coming list out.
    pub(super) fn carry_out_coming(&mut self, coming: &Coming, key: u64) {
        self.tables.carry_out(&coming.change, coming.side);
        if let Some(import) = &mut self.import
            && coming.change.is_partial
        {
            import.build.again.push(node_of(key));
        }
    }

    /// An entry that is renewed stays, also if the import had found that it goes.
    pub(super) fn rejoin(&mut self, key: u64, slot: u32) -> Result<(), ListError> {
        if !self.has_room_to_join(key) {
            return Err(ListError::TitlesFull(self.capacity()));
        }
        match self.plan_join(key, slot) {
            Ok(None) => Ok(()),
            Ok(Some(joined)) => {
                if let Some(after) = joined.change.after(slot) {
                    self.tables.set_parents(slot, joined.side.halves, after);
                }
                self.tables.set_halves(slot, BOTH_HALVES);
                self.carry_out_coming(&joined, key);
                Ok(())
            }
            Err(NoRoom) => Err(ListError::TitlesCrowded(self.live.len())),
        }
    }
}
