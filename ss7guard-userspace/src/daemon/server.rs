//! The control socket: clients, one task each.

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::config::Config;
use crate::control::{
    BlockAdd, BlockDel, Detach, Fault, MAX_CLIENTS, MAX_LINE, Monitor, Reply, Request, VERSION, socket_path,
};
use crate::daemon::Core;

/// The socket; removed when the controller ends.
pub(super) struct Socket {
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the socket and serves it from a task of its own.
pub(super) fn listen(config: &Config, core: Rc<RefCell<Core>>) -> Result<Socket> {
    core.borrow_mut().open_log()?;
    let path = socket_path(&config.run_dir);
    let what = || format!("control socket {}", path.display());
    fs::create_dir_all(&config.run_dir).with_context(what)?;
    // The lock on the pins says that no other controller uses it.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(what),
        _ => {}
    }
    let listener = UnixListener::bind(&path).with_context(what)?;
    fs::set_permissions(&path, Permissions::from_mode(0o660)).with_context(what)?;
    tokio::task::spawn_local(accept(listener, core));
    Ok(Socket { path })
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
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
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
    loop {
        let mut line = Vec::new();
        let limit = MAX_LINE as u64;
        if (&mut reader).take(limit).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() == MAX_LINE {
            let fault = Fault::new("too_long", format!("a request has at most {MAX_LINE} octets"));
            return send(&mut writer, &Reply { v: VERSION, error: Some(fault), ..Reply::default() }).await;
        }
        let (id, answer) = answer(&line, &core);
        match answer {
            Ok(Answer::Once(ok)) => {
                send(&mut writer, &Reply { v: VERSION, id, ok: Some(ok), ..Reply::default() }).await?;
            }
            Ok(Answer::Stream(mut events)) => {
                while let Some(event) = events.recv().await {
                    let reply = Reply { v: VERSION, id, event: Some(event), ..Reply::default() };
                    send(&mut writer, &reply).await?;
                }
                return Ok(());
            }
            Err(fault) => {
                send(&mut writer, &Reply { v: VERSION, id, error: Some(fault), ..Reply::default() }).await?;
            }
        }
    }
}

async fn send(writer: &mut tokio::net::unix::OwnedWriteHalf, reply: &Reply) -> Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    Ok(())
}

enum Answer {
    Once(Value),
    Stream(tokio::sync::mpsc::Receiver<Value>),
}

fn answer(line: &[u8], core: &RefCell<Core>) -> (u64, Result<Answer, Fault>) {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return (0, Err(Fault::new("syntax", error.to_string()))),
    };
    let id = request.id;
    if request.v != VERSION {
        let fault =
            Fault::new("version", format!("protocol version {} is not known; this is {VERSION}", request.v));
        return (id, Err(fault));
    }
    (id, dispatch(request, core))
}

fn dispatch(request: Request, core: &RefCell<Core>) -> Result<Answer, Fault> {
    let Request { method, params, .. } = request;
    let once = |value: Value| Ok(Answer::Once(value));
    match method.as_str() {
        "status" => once(core.borrow().status()?),
        "stats" => once(core.borrow().stats()?),
        "block.add" => once(core.borrow_mut().block_add(&parameters::<BlockAdd>(params)?)?),
        "block.del" => once(core.borrow_mut().block_del(&parameters::<BlockDel>(params)?)?),
        "block.list" => once(core.borrow().block_list()?),
        "block.flush" => once(core.borrow_mut().block_flush()?),
        "detach" => once(core.borrow_mut().detach(&parameters::<Detach>(params)?.interfaces)?),
        "monitor" => Ok(Answer::Stream(core.borrow_mut().watch(parameters::<Monitor>(params)?))),
        other => Err(Fault::new("method", format!("there is no method {other:?}"))),
    }
}

fn parameters<P: DeserializeOwned>(params: Value) -> Result<P, Fault> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    serde_json::from_value(params).map_err(|error| Fault::new("params", error.to_string()))
}
