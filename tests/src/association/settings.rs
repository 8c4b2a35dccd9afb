//! What may differ from association to association.

use std::time::Duration;

use crate::m3ua;

/// How a gateway takes a BEAT ACK to a BEAT that it has not sent, and other odd messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// As RFC 4666 has it: such a BEAT ACK is ignored (§4.6), and so is what has another PPID.
    #[default]
    Good,
    /// It answers ERR "unexpected message" (§3.8.1).
    AnswersError,
    /// It aborts the association.
    Aborts,
    /// It answers no BEAT from then on.
    FallsSilent,
    /// It reads a message with another PPID all the same.
    IgnoresPpid,
}

/// What may differ from association to association.
pub struct Settings {
    /// SCTP packet at most, in octets.
    pub mtu: usize,
    /// Whether I-DATA is offered (RFC 8260).
    pub interleaving: bool,
    /// Shortest time after which a packet is sent again; long where a busy machine must not look like a loss.
    pub rto_min: Duration,
    /// ASP Active that an ASP sends.
    pub asp_active: Vec<u8>,
    /// Of a gateway.
    pub manners: Manners,
    /// What is done to each packet (SCTP, from its common header on) before it is sent; `None` if it is not to be sent.
    pub rewrite: Option<Rewrite>,
    /// Which of the packets that come are lost before SCTP sees them.
    pub loses: Option<Loses>,
    /// VLAN tags of the frames; without, the kernel sends and receives.
    pub tagged: Option<Tagged>,
}

/// Changes a packet, or withholds it.
pub type Rewrite = Box<dyn FnMut(Vec<u8>) -> Option<Vec<u8>> + Send>;

/// Says of a packet (SCTP, from its common header on) that it is lost.
pub type Loses = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Frames with tags, which the peer makes and reads itself: the kernel need not know of VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Interface that they go through.
    pub interface: &'static str,
    /// Ethernet type of each tag, the outer one first.
    pub tags: &'static [u16],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mtu: 1_400,
            interleaving: false,
            rto_min: Duration::from_millis(300),
            asp_active: m3ua::asp_active(1),
            manners: Manners::Good,
            rewrite: None,
            loses: None,
            tagged: None,
        }
    }
}
