//! The firewall's rewriting, on packets that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use ss7guard_common::neutralise::crc::Delta;
use ss7guard_common::neutralise::{self, Form};
use ss7guard_common::wire::sctp::{self, Chunk, DATA_HEADER_LEN, chunk_type, data_flag};
use ss7guard_lab::association::Rewrite;

/// The form in use, and what was done.
#[derive(Default)]
pub(super) struct Rewriting {
    form: AtomicU8,
    rewritten: AtomicUsize,
}

impl Rewriting {
    /// Sets the form; what was rewritten is counted anew.
    pub(super) fn begin(&self, form: Form) {
        self.form.store(form as u8, Ordering::SeqCst);
        self.rewritten.store(0, Ordering::SeqCst);
    }

    /// Chunks that were rewritten, retransmissions included.
    pub(super) fn rewritten(&self) -> usize {
        self.rewritten.load(Ordering::SeqCst)
    }

    /// What an association does with each packet.
    pub(super) fn on_packets(self: &Arc<Self>) -> Rewrite {
        let rewriting = Arc::clone(self);
        Box::new(move |packet| rewriting.packet(packet))
    }

    /// Rewrites every DATA message of M3UA; a packet in which that is not possible is withheld.
    fn packet(&self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        let end = packet.len();
        let mut delta: Option<Delta> = None;
        let mut off = sctp::HEADER_LEN;
        while off < end {
            let chunk = sctp::chunk(packet.as_slice(), off, end).ok()?;
            if is_data_message(&packet, off, &chunk) {
                let form = Form::from_u8(self.form.load(Ordering::SeqCst));
                let change = neutralise::chunk(packet.as_mut_slice(), off, &chunk, end, form)?;
                delta = Some(delta.map_or(change, |sum| sum.and(change)));
                self.rewritten.fetch_add(1, Ordering::SeqCst);
            }
            off += chunk.len.next_multiple_of(4);
        }
        match delta {
            Some(delta) if !neutralise::correct(packet.as_mut_slice(), 0, delta) => None,
            _ => Some(packet),
        }
    }
}

/// Whether a chunk begins a message that is not an ASP's own maintenance.
fn is_data_message(packet: &[u8], off: usize, chunk: &Chunk) -> bool {
    let class_and_type = packet.get(off + DATA_HEADER_LEN + 2..off + DATA_HEADER_LEN + 4);
    chunk.kind == chunk_type::DATA
        && chunk.flags & data_flag::BEGIN != 0
        && !matches!(class_and_type, Some([3 | 4, _]))
}
