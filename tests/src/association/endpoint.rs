//! One end: the SCTP stack over its raw socket, and M3UA on top.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dcsctp::api::{DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId};
use rustix::event::{Timespec, poll};

use super::line::Line;
use super::settings::Loses;
use super::{Delivered, HOME_POINT_CODE, Manners, Order, Rewrite, Role, Settings, Shared};
use crate::{m3ua, traffic};

/// PPID of M3UA.
const M3UA: PpId = PpId(3);

/// M3UA messages that are kept for [`Peer::heard`], at most.
const MAX_HEARD: usize = 1_000;

/// Whether an interface is down, or was just now.
fn is_cut_off(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), HostUnreachable | NetworkDown | NetworkUnreachable)
}

pub(super) struct Endpoint {
    line: Line,
    sctp: Box<dyn DcSctpSocket>,
    local: SocketAddr,
    remote: SocketAddr,
    role: Role,
    manners: Manners,
    asp_active: Vec<u8>,
    rewrite: Option<Rewrite>,
    loses: Option<Loses>,
    /// What the stack gets next.
    outbox: VecDeque<(u16, Vec<u8>)>,
    /// Answers no BEAT any more.
    silent: bool,
    /// Has aborted, and takes the next association.
    afresh: bool,
    started: Instant,
    shared: Arc<Mutex<Shared>>,
}

impl Endpoint {
    pub(super) fn new(
        line: Line,
        local: SocketAddr,
        remote: SocketAddr,
        role: Role,
        settings: Settings,
        shared: Arc<Mutex<Shared>>,
    ) -> Self {
        let Settings { mtu, interleaving, rto_min, asp_active, manners, rewrite, loses, tagged: _ } =
            settings;
        let options = Options {
            local_port: local.port(),
            remote_port: remote.port(),
            mtu,
            enable_message_interleaving: interleaving,
            announced_maximum_incoming_streams: 17,
            announced_maximum_outgoing_streams: 17,
            rto_initial: rto_min.max(Duration::from_millis(500)),
            rto_min,
            rto_max: rto_min.max(Duration::from_millis(1_000)),
            max_retransmissions: None,
            ..Options::default()
        };
        let sctp = dcsctp::new_socket("lab", &options);
        Self {
            line,
            sctp,
            local,
            remote,
            role,
            manners,
            asp_active,
            rewrite,
            loses,
            outbox: VecDeque::new(),
            silent: false,
            afresh: false,
            started: Instant::now(),
            shared,
        }
    }

    pub(super) fn run(&mut self, inbox: &Receiver<Order>) {
        if self.role == Role::Asp {
            self.sctp.connect();
        }
        loop {
            loop {
                match inbox.try_recv() {
                    Ok(Order::Send { stream, payload }) => self.send(stream, payload),
                    Ok(Order::SendTogether(messages)) => self.send_together(messages),
                    Ok(Order::Shutdown) => self.sctp.shutdown(),
                    Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            if let Err(error) = self.pump(Duration::from_millis(5)) {
                eprintln!("peer {}: {error}", self.local);
                return;
            }
            if std::mem::take(&mut self.afresh) {
                self.sctp = dcsctp::new_socket("lab", &self.sctp.options());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&mut self, stream: u16, payload: Vec<u8>) {
        if self.outbox.len() < OUTBOX {
            self.outbox.push_back((stream, payload));
        } else {
            self.lock().unsent += 1;
        }
    }

    /// Hands messages to the stack.
    fn feed(&mut self) {
        while self.sctp.get_metrics().is_none_or(|metrics| metrics.unack_data_count < IN_FLIGHT)
            && let Some((stream, payload)) = self.outbox.pop_front()
        {
            let message = Message::new(StreamId(stream), M3UA, payload);
            if self.sctp.send(message, &SendOptions::default()).is_err() {
                self.lock().unsent += 1;
            }
        }
    }

    fn send_together(&mut self, messages: Vec<(u16, Vec<u8>)>) {
        let count = messages.len();
        let messages = messages
            .into_iter()
            .map(|(stream, payload)| Message::new(StreamId(stream), M3UA, payload))
            .collect();
        if let Err(error) = self.sctp.send_many(messages, &SendOptions::default()) {
            eprintln!("peer {}: {error}", self.local);
            self.lock().unsent += count;
        }
    }

    fn pump(&mut self, patience: Duration) -> io::Result<()> {
        let now = SocketTime::zero() + self.started.elapsed();
        self.sctp.advance_time(now);
        self.feed();
        self.flush()?;
        let wait = (self.sctp.poll_timeout() - now).min(patience);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        if poll(&mut [self.line.as_poll()], Some(&timeout))? > 0 {
            for _ in 0..64 {
                let Some(packet) = self.line.take() else { break };
                let port = |at: usize| packet.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
                if port(2) != Some(self.local.port()) || port(0) != Some(self.remote.port()) {
                    continue;
                }
                if self.loses.as_mut().is_some_and(|loses| loses(&packet)) {
                    continue;
                }
                self.sctp.advance_time(SocketTime::zero() + self.started.elapsed());
                self.sctp.handle_input(&packet);
            }
        }
        while let Some(message) = self.sctp.get_next_message() {
            if message.ppid == M3UA || self.manners == Manners::IgnoresPpid {
                self.receive(&message.payload);
            }
        }
        self.feed();
        if let Some(metrics) = self.sctp.get_metrics() {
            let mut shared = self.lock();
            shared.retransmitted = metrics.rtx_packets_count;
            shared.unacknowledged = metrics.unack_data_count + self.outbox.len();
            shared.interleaved = metrics.uses_message_interleaving;
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(event) = self.sctp.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => {
                    let packet = match &mut self.rewrite {
                        Some(rewrite) => rewrite(packet),
                        None => Some(packet),
                    };
                    if let Some(packet) = packet {
                        match self.line.send(&packet) {
                            // A packet that has no way is lost; SCTP sends it again.
                            Err(error) if is_cut_off(&error) => {}
                            sent => sent?,
                        }
                    }
                }
                SocketEvent::OnConnected() if self.role == Role::Asp => self.send(0, m3ua::asp_up()),
                SocketEvent::OnClosed() => self.end("SHUTDOWN".to_owned()),
                SocketEvent::OnAborted(kind, why) => self.end(format!("ABORT ({kind:?}: {why})")),
                _ => {}
            }
        }
        Ok(())
    }

    fn end(&self, why: String) {
        let mut shared = self.lock();
        shared.closed = true;
        shared.ended.get_or_insert(why);
    }

    /// The M3UA layer: maintenance messages are answered, DATA is noted.
    fn receive(&mut self, message: &[u8]) {
        if message.first() != Some(&1) {
            self.send(0, m3ua::error(m3ua::INVALID_VERSION));
            return;
        }
        if let Some((opc, user_part)) = m3ua::read_data(message) {
            // Half of the room, so that nothing else is lost for it.
            if self.role == Role::Asp && self.lock().heard.len() < MAX_HEARD / 2 {
                self.lock().heard.push(message.to_vec());
            }
            if let Some(id) = traffic::transaction_id(user_part) {
                self.lock().delivered.push(Delivered { opc, id, at: Instant::now() });
            }
            if self.role == (Role::Gateway { answers: true })
                && let Some(end) = traffic::end_for(user_part)
            {
                let label = m3ua::Label { opc: HOME_POINT_CODE, dpc: opc, ni: 0, sls: 0 };
                self.send(1, m3ua::data(label, None, &end));
            }
            return;
        }
        if message.get(2..4) == Some(&[1, 1]) {
            self.lock().for_nobody += 1;
            return;
        }
        if message.get(2..4) == Some(&[0, 0]) {
            self.lock().errors += 1;
        }
        if !matches!(message.get(2..4), Some([3, 3 | 6])) && self.with_room() {
            self.lock().heard.push(message.to_vec());
        }
        match (self.role, message.get(2..4)) {
            (Role::Asp, Some([3, 4])) => self.send(0, self.asp_active.clone()),
            (Role::Asp, Some([4, 3])) => self.lock().active = true,
            (Role::Asp, Some([3, 6])) => self.lock().beats_answered += 1,
            (Role::Asp, Some([3, 3])) => {
                if let Some(answer) = m3ua::answer(message) {
                    self.send(0, answer);
                }
            }
            // This gateway sends no BEAT.
            (Role::Gateway { .. }, Some([3, 6])) => self.take_stray_beat_ack(),
            (Role::Gateway { .. }, Some([3, 3])) if self.silent => {}
            (Role::Gateway { .. }, Some([class, kind])) => {
                if let Some(answer) = m3ua::answer(message) {
                    self.send(0, answer);
                }
                if (*class, *kind) == (4, 1) {
                    self.lock().active = true;
                }
            }
            _ => {}
        }
    }
}

impl Endpoint {
    fn with_room(&self) -> bool {
        self.lock().heard.len() < MAX_HEARD
    }

    fn take_stray_beat_ack(&mut self) {
        match self.manners {
            Manners::Good | Manners::IgnoresPpid => {}
            Manners::AnswersError => self.send(0, m3ua::error(m3ua::UNEXPECTED_MESSAGE)),
            Manners::Aborts => {
                self.sctp.close();
                self.end("ABORT of its own".to_owned());
                self.afresh = true;
            }
            Manners::FallsSilent => self.silent = true,
        }
    }
}

/// Messages that wait for the stack at most.
const OUTBOX: usize = 20_000;

/// Chunks without acknowledgement at most, before the next message goes out: so many that the stack queues messages, and
/// cuts them anywhere to fill packets, as it does in life.
const IN_FLIGHT: usize = 2_000;
