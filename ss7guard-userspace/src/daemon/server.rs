//! The control socket: clients, one task each.

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::control::{
    BlockAdd, BlockDel, BlockFlush, BlockList, Detach, Envelope, Fault, ImportBegin, ImportCommit,
    ImportEntries, MAX_CLIENTS, MAX_LINE, Monitor, Reply, Request, VERSION, socket_path,
};
use crate::daemon::Core;
use crate::daemon::import::{Upload, Word};
use crate::kernel::{KernelError, Lock};

/// How often a client that follows events is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// How long a client that imports may say nothing until its place is given to others.
const IMPORTER_PATIENCE: Duration = Duration::from_secs(30);

/// The control socket, bound; clients that come before it is served wait.
pub(super) struct Door {
    listener: StdListener,
    path: PathBuf,
    _lock: Lock,
}

impl Drop for Door {
    fn drop(&mut self) {
        // Best effort: a socket that nobody serves refuses its clients.
        let _ = fs::remove_file(&self.path);
    }
}

impl Door {
    /// Locks the run directory and binds the socket there.
    ///
    /// # Errors
    /// Another controller has this run directory, or it cannot be written.
    pub(super) fn open(config: &Config) -> Result<Self> {
        let path = socket_path(&config.run_dir);
        let what = || format!("control socket {}", path.display());
        fs::create_dir_all(&config.run_dir).with_context(what)?;
        let lock = Lock::take(&config.run_dir).map_err(|error| match error {
            KernelError::Locked(run_dir) => anyhow!(
                "another ss7guard has its control socket in {}; stop it first, or use another paths.run_dir",
                run_dir.display()
            ),
            other => other.into(),
        })?;
        // Left behind by a controller that was killed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(what);
            }
            _ => {}
        }
        let listener = StdListener::bind(&path).with_context(what)?;
        let door = Self { listener, path, _lock: lock };
        fs::set_permissions(&door.path, Permissions::from_mode(0o660))
            .and_then(|()| door.listener.set_nonblocking(true))
            .with_context(|| format!("control socket {}", door.path.display()))?;
        Ok(door)
    }

    /// Serves clients from a task of its own, as long as the door is held.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub(super) fn serve(self, core: Rc<RefCell<Core>>) -> Result<Self> {
        let listener = UnixListener::from_std(self.listener.try_clone().context("control socket")?)
            .context("control socket")?;
        tokio::task::spawn_local(accept(listener, core));
        Ok(self)
    }
}

async fn accept(listener: UnixListener, core: Rc<RefCell<Core>>) {
    let clients = Rc::new(());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let client = Rc::clone(&clients);
                let too_many = Rc::strong_count(&clients) > MAX_CLIENTS + 1;
                let core = Rc::clone(&core);
                tokio::task::spawn_local(async move {
                    let _client = client;
                    if let Err(error) = serve(stream, core, too_many).await {
                        log::debug!("control client: {error}");
                    }
                });
            }
            Err(error) => {
                log::error!("control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether this client may command: root, or the controller's own user.
fn may_command(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

async fn serve(stream: UnixStream, core: Rc<RefCell<Core>>, too_many: bool) -> Result<()> {
    let refusal = if too_many {
        Some(Fault::new("busy", "too many clients"))
    } else if may_command(&stream) {
        None
    } else {
        Some(Fault::new("permission", "this user may not command the controller"))
    };
    let (reader, mut writer) = stream.into_split();
    if let Some(fault) = refusal {
        let reply = Reply { v: VERSION, error: Some(fault), ..Reply::default() };
        return send(&mut writer, &reply).await;
    }
    let mut reader = BufReader::new(reader);
    let mut guest = Guest { core, upload: None };
    loop {
        let mut line = Vec::new();
        let limit = MAX_LINE as u64;
        let mut limited = (&mut reader).take(limit);
        let read = limited.read_until(b'\n', &mut line);
        let read = match guest.upload {
            // Others wait for its place.
            Some(_) => tokio::time::timeout(IMPORTER_PATIENCE, read).await.unwrap_or(Ok(0)),
            None => read.await,
        };
        if read? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() == MAX_LINE {
            let fault = Fault::new("too_long", format!("a request has at most {MAX_LINE} octets"));
            return send(&mut writer, &Reply { v: VERSION, error: Some(fault), ..Reply::default() }).await;
        }
        let (id, answer) = answer(&line, &mut guest);
        match answer {
            Ok(Answer::Once(ok)) => {
                send(&mut writer, &Reply { v: VERSION, id, ok: Some(ok), ..Reply::default() }).await?;
            }
            Ok(Answer::Stream(events)) => return follow(&mut writer, id, events).await,
            Ok(Answer::Import(mut words)) => {
                while let Some(word) = words.recv().await {
                    let reply = Reply { v: VERSION, id, ..Reply::default() };
                    let reply = match word {
                        Word::Progress(event) => Reply { event: Some(event), ..reply },
                        Word::Done(Ok(ok)) => Reply { ok: Some(ok), ..reply },
                        Word::Done(Err(fault)) => Reply { error: Some(fault), ..reply },
                    };
                    send(&mut writer, &reply).await?;
                }
            }
            Err(fault) => {
                send(&mut writer, &Reply { v: VERSION, id, error: Some(fault), ..Reply::default() }).await?;
            }
        }
    }
}

/// A client, with what it has sent of an import.
struct Guest {
    core: Rc<RefCell<Core>>,
    upload: Option<Upload>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.upload.is_some() {
            self.core.borrow_mut().import_dropped();
        }
    }
}

/// Sends events until the client is gone. Nothing tells of that while no event comes, hence the look now and then: a
/// client that left keeps no place.
async fn follow(writer: &mut OwnedWriteHalf, id: u64, mut events: mpsc::Receiver<Value>) -> Result<()> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return Ok(()) };
                send(writer, &Reply { v: VERSION, id, event: Some(event), ..Reply::default() }).await?;
            }
            _ = look.tick() => {
                if has_hung_up(writer.as_ref()) {
                    return Ok(());
                }
            }
        }
    }
}

/// Whether the other end is closed for good; one that only sends no more is not.
fn has_hung_up(stream: &UnixStream) -> bool {
    let mut poll = [PollFd::new(stream, PollFlags::empty())];
    rustix::event::poll(&mut poll, Some(&Timespec::default())).is_ok()
        && poll.iter().any(|one| one.revents().intersects(PollFlags::HUP | PollFlags::ERR))
}

async fn send(writer: &mut OwnedWriteHalf, reply: &Reply) -> Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    Ok(())
}

enum Answer {
    Once(Value),
    Stream(mpsc::Receiver<Value>),
    Import(mpsc::Receiver<Word>),
}

fn answer(line: &[u8], guest: &mut Guest) -> (u64, Result<Answer, Fault>) {
    let syntax = |error: serde_json::Error| Fault::new("syntax", error.to_string());
    // The version first: another one may have other fields.
    let Envelope { v, id } = match serde_json::from_slice(line) {
        Ok(envelope) => envelope,
        Err(error) => return (0, Err(syntax(error))),
    };
    if v != VERSION {
        let fault = Fault::new("version", format!("protocol version {v} is not known; this is {VERSION}"));
        return (id, Err(fault));
    }
    (id, serde_json::from_slice(line).map_err(syntax).and_then(|request| dispatch(request, guest)))
}

fn dispatch(request: Request, guest: &mut Guest) -> Result<Answer, Fault> {
    let Request { method, params, .. } = request;
    let core = &guest.core;
    let once = |value: Value| Ok(Answer::Once(value));
    match method.as_str() {
        "status" => once(core.borrow().status()?),
        "stats" => once(core.borrow().stats()?),
        "block.add" => once(core.borrow_mut().block_add(&parameters::<BlockAdd>(params)?)?),
        "block.del" => once(core.borrow_mut().block_del(&parameters::<BlockDel>(params)?)?),
        "block.list" => once(core.borrow().block_list(&parameters::<BlockList>(params)?)?),
        "block.flush" => once(core.borrow_mut().block_flush(&parameters::<BlockFlush>(params)?)?),
        "import.begin" => {
            let upload = core.borrow_mut().import_begin(&parameters::<ImportBegin>(params)?)?;
            guest.upload = Some(upload);
            once(Value::Object(serde_json::Map::new()))
        }
        "import.entries" => {
            let upload = guest.upload.as_mut().ok_or_else(no_import)?;
            once(core.borrow().import_entries(upload, &parameters::<ImportEntries>(params)?)?)
        }
        "import.commit" => {
            let commit = parameters::<ImportCommit>(params)?;
            let upload = guest.upload.take().ok_or_else(no_import)?;
            Ok(Answer::Import(core.borrow_mut().import_commit(upload, &commit)))
        }
        "detach" => once(core.borrow_mut().detach(&parameters::<Detach>(params)?.interfaces)?),
        "monitor" => Ok(Answer::Stream(core.borrow_mut().watch(parameters::<Monitor>(params)?))),
        other => Err(Fault::new("method", format!("there is no method {other:?}"))),
    }
}

fn no_import() -> Fault {
    Fault::new("method", "no import was begun on this connection")
}

fn parameters<P: DeserializeOwned>(params: Value) -> Result<P, Fault> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    serde_json::from_value(params).map_err(|error| Fault::new("params", error.to_string()))
}
