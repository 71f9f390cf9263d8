//! The wire between client and server, which may break in all the ways that wires do.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of the bytes that the server sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// They arrive.
    None,
    /// Nothing arrives any more, in either direction, and nobody is told.
    Freeze,
    /// After so many bytes of a connection it breaks.
    CutAfter(usize),
}

pub struct Wire {
    address: SocketAddr,
    fault: Arc<watch::Sender<Fault>>,
}

impl Wire {
    /// A wire to `server`. Each connection has the fault that is set when it begins, or later `Freeze`.
    pub async fn to(server: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(watch::Sender::new(fault));
        let faults = Arc::clone(&fault);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let faults = faults.subscribe();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        carry(client, server, faults).await;
                    }
                });
            }
        });
        Self { address, fault }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Sets the fault of connections to come; `Freeze` also takes those that are there.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut fault: watch::Receiver<Fault>) {
    let mut left = match *fault.borrow_and_update() {
        Fault::CutAfter(bytes) => bytes,
        Fault::None | Fault::Freeze => usize::MAX,
    };
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    while left > 0 {
        if *fault.borrow() == Fault::Freeze {
            std::future::pending::<()>().await;
        }
        let part = left.min(down.len());
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(count @ 1..) => if server.write_all(&up[..count]).await.is_err() { return },
                _ => return,
            },
            read = server.read(&mut down[..part]) => match read {
                Ok(count @ 1..) => {
                    left -= count;
                    if client.write_all(&down[..count]).await.is_err() { return }
                }
                _ => return,
            },
            changed = fault.changed() => if changed.is_err() { return },
        }
    }
}
