//! A wire that loses what it is told to lose: frames from one interface to another and back, behind the firewall.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use rustix::event::{Timespec, poll};

use crate::capture::{Chunk, PacketSocket, chunks};
use crate::netns::Namespace;

/// What decides of a frame, by its DATA chunks: true loses it.
pub type Loses = Box<dyn FnMut(&[Chunk]) -> bool + Send>;

/// A frame with DATA that came through the firewall.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its chunks, as the firewall left them.
    pub chunks: Vec<Chunk>,
    /// Whether it was lost.
    pub lost: bool,
}

/// Frames between two interfaces of a namespace.
pub struct Relay {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays between two interfaces; frames from the first to the second are lost if `loses` says so.
    ///
    /// # Errors
    /// There are no such interfaces.
    pub fn start(namespace: &Namespace, from: &str, to: &str, mut loses: Loses) -> Result<Self> {
        for interface in [from, to] {
            namespace.ip(&["link", "set", interface, "promisc", "on"])?;
        }
        let near = PacketSocket::open(namespace, from, false)?;
        let far = PacketSocket::open(namespace, to, false)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, ended) = (Arc::clone(&seen), Arc::clone(&stop));
        let worker = thread::Builder::new().name("relay".to_owned()).spawn(move || {
            let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(Duration::from_millis(100).subsec_nanos()) };
            let mut relay = || -> Result<()> {
                poll(&mut [near.as_poll(), far.as_poll()], Some(&wait))?;
                while let Some(frame) = near.take()? {
                    let chunks = chunks(&frame);
                    let mut lost = false;
                    if !chunks.is_empty() {
                        lost = loses(&chunks);
                        noted.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { chunks, lost });
                    }
                    if !lost {
                        far.send(&frame)?;
                    }
                }
                while let Some(frame) = far.take()? {
                    near.send(&frame)?;
                }
                Ok(())
            };
            while !ended.load(Ordering::Relaxed) {
                if let Err(error) = relay() {
                    return eprintln!("relay: {error:#}");
                }
            }
        })?;
        Ok(Self { seen, stop, worker: Some(worker) })
    }

    /// The frames with DATA that came through the firewall, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            eprintln!("a relay has panicked");
        }
    }
}
