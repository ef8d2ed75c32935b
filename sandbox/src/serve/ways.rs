//! Listeners of instances: each is the only way by which an instance's programs reach anything.
//!
//! Who connects to an instance's listener is a program on that instance: nothing in a request says so,
//! and nothing in it can say otherwise. `/latest/` is its metadata, everything else its way out.
//!
//! | listener | what |
//! |---|---|
//! | `url` | on 127.0.0.1: metadata, and out by IPv4 |
//! | `container_url` | the same from a container on the instance, a network hop further from the metadata |
//! | `ipv6_url` | on [::1]: out by IPv6, for instances with such an address |
//!
//! They are there while the instance runs. Their ports are new with each server and each start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::{Client, Shared, connection};
use crate::door::Seat;
use crate::instance::{Family, View};

/// The listeners of all instances that run. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways {
    open: Arc<Mutex<BTreeMap<String, Open>>>,
}

/// The listeners of one instance; they close when this is dropped.
#[derive(Debug)]
struct Open {
    url: Option<String>,
    container_url: Option<String>,
    ipv6_url: Option<String>,
    tasks: Vec<AbortHandle>,
    /// Ends the connections too.
    _stop: watch::Sender<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Ways {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the listeners of instances that run, and closes those of instances that do not.
    pub(super) fn reconcile(&self, shared: &Shared) {
        let up: BTreeMap<String, bool> = shared.sandbox.inspect(|world, _| {
            let up = world.instances.all().filter(|one| one.is_up());
            up.map(|one| (one.id.clone(), one.ipv6.is_some())).collect()
        });
        let mut open = self.lock();
        open.retain(|id, _| up.contains_key(id));
        for (id, has_ipv6) in up {
            open.entry(id.clone())
                .or_insert_with(|| Open::new(&id, has_ipv6, shared));
        }
    }

    /// Closes all.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    /// Adds to views where the listeners are.
    pub(super) fn with_urls(&self, mut views: Vec<View>) -> Vec<View> {
        let open = self.lock();
        for view in &mut views {
            if let Some(found) = open.get(&view.id) {
                view.url.clone_from(&found.url);
                view.container_url.clone_from(&found.container_url);
                view.ipv6_url.clone_from(&found.ipv6_url);
            }
        }
        views
    }
}

impl Open {
    /// A machine without IPv6 has no IPv6 listener; an address that cannot be had is left out, and
    /// its absence told.
    fn new(id: &str, has_ipv6: bool, shared: &Shared) -> Self {
        let (stop, stopped) = watch::channel(());
        let mut tasks = Vec::new();
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let near = Seat::on(id);
        let far = Seat {
            hops: 2,
            ..near.clone()
        };
        let by_v6 = Seat {
            family: Family::V6,
            ..near.clone()
        };
        let mut open = |address, seat| {
            let here = (shared.clone(), stopped.clone());
            let (url, task) = bind(address, seat, here)?;
            tasks.push(task);
            Some(url)
        };
        let url = open(v4, near);
        let container_url = open(v4, far);
        let ipv6_url = has_ipv6.then(|| open(v6, by_v6)).flatten();
        Self {
            url,
            container_url,
            ipv6_url,
            tasks,
            _stop: stop,
        }
    }
}

fn bind(
    address: SocketAddr,
    seat: Seat,
    here: (Shared, watch::Receiver<()>),
) -> Option<(String, AbortHandle)> {
    let listener = std::net::TcpListener::bind(address).ok()?;
    listener.set_nonblocking(true).ok()?;
    let listener = TcpListener::from_std(listener).ok()?;
    let url = format!("http://{}", listener.local_addr().ok()?);
    let task = tokio::spawn(listen(listener, Client::Instance(seat), here));
    Some((url, task.abort_handle()))
}

/// Accepts connections until the task is ended.
pub(super) async fn listen(
    listener: TcpListener,
    client: Client,
    (shared, mut stopped): (Shared, watch::Receiver<()>),
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // The sender is dropped to stop.
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let here = (shared.clone(), stopped.clone());
                    connections.spawn(connection(stream, (peer, client.clone()), here));
                }
                // Out of descriptors: those in use come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
