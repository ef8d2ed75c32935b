//! The DNS port: a resolver over the simulated name servers, for validators and other tools.
//!
//! It answers over UDP and TCP on one port ([`World::resolve`](crate::world::World::resolve)). It does
//! not validate; who does starts from the world's root anchor. A single server is asked through
//! `/_spore/dns/ADDRESS` instead, since all of them cannot have addresses of their own on one machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dns::Transport;
use crate::door::Sandbox;

/// Where it listens unless told otherwise and somebody else is there: 5353, because 53 needs rights.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5353);

/// Free ports tried until one is free for both transports.
const ATTEMPTS: usize = 16;

/// A TCP client that is silent so long is let go (RFC 7766 section 6.2.3 leaves it to the server).
const IDLE: Duration = Duration::from_secs(30);

/// Both sockets.
#[derive(Debug)]
pub(super) struct Port {
    datagrams: UdpSocket,
    streams: TcpListener,
}

impl Port {
    /// Listens. Without an address at the usual one or, if that is in use, at a free one.
    pub(super) async fn listen(wanted: Option<SocketAddr>) -> io::Result<Self> {
        match wanted {
            Some(address) => Self::bind(address).await,
            None => match Self::bind(USUAL).await {
                Ok(port) => Ok(port),
                Err(_) => Self::bind(SocketAddr::new(USUAL.ip(), 0)).await,
            },
        }
    }

    async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            let streams = TcpListener::bind(address).await?;
            match UdpSocket::bind(streams.local_addr()?).await {
                Ok(datagrams) => return Ok(Self { datagrams, streams }),
                // The port that was free for TCP is not for UDP.
                Err(_) if address.port() == 0 && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.streams.local_addr()
    }

    /// Answers until told to stop.
    pub(super) async fn run(self, sandbox: Sandbox, mut stopped: watch::Receiver<()>) {
        let datagrams = Arc::new(self.datagrams);
        let mut clients = JoinSet::new();
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            tokio::select! {
                _ = stopped.changed() => break,
                received = datagrams.recv_from(&mut buffer) => {
                    // An error is about an earlier answer that nobody took.
                    if let Ok((length, peer)) = received
                        && let Some(answer) = sandbox.resolve(&buffer[..length], Transport::Datagram)
                    {
                        datagrams.send_to(&answer, peer).await.ok();
                    }
                }
                accepted = self.streams.accept() => match accepted {
                    Ok((stream, _)) => {
                        clients.spawn(client(stream, sandbox.clone()));
                    }
                    // Out of descriptors: those in use come back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = clients.join_next() => {}
            }
        }
        clients.shutdown().await;
    }
}

/// One connection: messages with their length before them (RFC 1035 section 4.2.2).
async fn client(mut stream: TcpStream, sandbox: Sandbox) -> io::Result<()> {
    loop {
        let Ok(length) = tokio::time::timeout(IDLE, stream.read_u16()).await else {
            return Ok(());
        };
        let mut query = vec![0; usize::from(length?)];
        stream.read_exact(&mut query).await?;
        let Some(answer) = sandbox.resolve(&query, Transport::Stream) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut message = length.to_be_bytes().to_vec();
        message.extend_from_slice(&answer);
        stream.write_all(&message).await?;
    }
}
