//! A TCP proxy that cuts, holds, slows, resets or refuses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What happens to connections. A change takes effect on open ones too.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TcpFault {
    /// Everything passes.
    #[default]
    Pass,
    /// Each connection ends (FIN) once so many bytes have come to the client on it. Those bytes
    /// arrive.
    CutAfter(u64),
    /// Nothing passes, nothing ends: a network that loses every packet. What was held goes on when
    /// the fault is over.
    BlackHole,
    /// So many bytes per second and direction.
    Throttle(usize),
    /// Open and new connections end by RST.
    Reset,
    /// Open connections end (FIN), new ones are refused.
    Refuse,
}

/// A proxy on a loopback port of its own.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    fault: watch::Sender<TcpFault>,
    counts: Arc<Counts>,
    /// Never listens: it holds the port while new connections are to be refused.
    _port: TcpSocket,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicUsize,
    open: AtomicUsize,
    to_client: AtomicU64,
}

impl TcpProxy {
    /// Listens, and passes everything on to `upstream`.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let port = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = port.local_addr()?;
        let listener = listen(address)?;
        let (fault, watched) = watch::channel(TcpFault::Pass);
        let counts = Arc::<Counts>::default();
        tokio::spawn(serve(listener, upstream, watched, counts.clone()));
        Ok(Self {
            address,
            fault,
            counts,
            _port: port,
        })
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on. A connection that is just being made may still meet the fault before.
    pub fn set(&self, fault: TcpFault) {
        self.fault.send_replace(fault);
    }

    /// How many connections it has accepted so far.
    pub fn connections(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// How many are open now.
    pub fn open_connections(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// How many bytes have been handed to clients so far, over all connections.
    pub fn bytes_to_clients(&self) -> u64 {
        self.counts.to_client.load(Ordering::SeqCst)
    }
}

/// Two sockets may have the port at once, only one of which listens.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    socket(address)?.listen(1024)
}

/// Ends with the proxy: then the sender of `fault` is gone.
async fn serve(
    first: TcpListener,
    upstream: SocketAddr,
    mut fault: watch::Receiver<TcpFault>,
    counts: Arc<Counts>,
) {
    let address = first.local_addr().expect("a listener has an address");
    let mut listener = Some(first);
    loop {
        let refusing = *fault.borrow_and_update() == TcpFault::Refuse;
        if refusing {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(address).expect("the port is held"));
        }
        tokio::select! {
            changed = fault.changed() => if changed.is_err() { return },
            client = accept(listener.as_ref()) => {
                counts.accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(client, upstream, fault.clone(), counts.clone()));
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, or the client is gone already.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(
    mut client: TcpStream,
    upstream: SocketAddr,
    fault: watch::Receiver<TcpFault>,
    counts: Arc<Counts>,
) {
    counts.open.fetch_add(1, Ordering::SeqCst);
    let mut deadly = fault.clone();
    tokio::select! {
        // First, so that a new connection under such a fault never reaches upstream.
        biased;
        _ = deadly.wait_for(|fault| matches!(fault, TcpFault::Reset | TcpFault::Refuse)) => {}
        // Any end of either side is the end of both; no test wants to know which.
        _ = relay(&mut client, upstream, fault, &counts) => {}
    }
    if *deadly.borrow() == TcpFault::Reset {
        client.set_zero_linger().ok();
    }
    drop(client);
    counts.open.fetch_sub(1, Ordering::SeqCst);
}

async fn relay(
    client: &mut TcpStream,
    upstream: SocketAddr,
    mut fault: watch::Receiver<TcpFault>,
    counts: &Counts,
) -> io::Result<()> {
    until_open(&mut fault).await;
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = pump(from_client, to_server, fault.clone(), None);
    let down = pump(
        from_server,
        to_client,
        fault.clone(),
        Some(&counts.to_client),
    );
    tokio::try_join!(up, down).map(drop)
}

/// Copies one direction. The one that counts is the one that is cut.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut fault: watch::Receiver<TcpFault>,
    count: Option<&AtomicU64>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut sent = 0;
    loop {
        let now = until_open(&mut fault).await;
        let limit = match now {
            TcpFault::Throttle(rate) => rate.clamp(1, buffer.len()),
            TcpFault::CutAfter(end) if count.is_some() => {
                let left = end.saturating_sub(sent);
                usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()))
            }
            _ => buffer.len(),
        };
        if limit == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let length = tokio::select! {
            _ = fault.changed() => continue,
            length = from.read(&mut buffer[..limit]) => length?,
        };
        if length == 0 {
            return to.shutdown().await;
        }
        // What was read just when the hole opened is held too.
        until_open(&mut fault).await;
        to.write_all(&buffer[..length]).await?;
        sent += length as u64;
        if let Some(count) = count {
            count.fetch_add(length as u64, Ordering::SeqCst);
        }
        if let TcpFault::Throttle(_) = now {
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Waits while nothing passes, and says what holds then. Never ends where the proxy is gone: its
/// connections are ended elsewhere.
async fn until_open(fault: &mut watch::Receiver<TcpFault>) -> TcpFault {
    let open = fault.wait_for(|fault| *fault != TcpFault::BlackHole).await;
    if let Ok(now) = open.map(|fault| *fault) {
        return now;
    }
    std::future::pending().await
}
