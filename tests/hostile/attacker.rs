//! One end of a link in the test's own hands.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entrenous::{
    identity::{Certificate, DeviceKey, DevicePublic, Identity, IdentityKey, Invite, PairSecret},
    net::{Config, Event, Link, Net, serving::ServeDht},
    node::api::Scope,
    session::{self, Acquaintance, LinkIds, Local, Session, Via},
    sync::Message,
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::support::PATIENCE;

/// A link to the address, under a fresh key. The task drives it; it ends with the value.
pub struct Wire {
    pub link: Link,
    pub own: PeerId,
    task: JoinHandle<()>,
    end: Option<oneshot::Sender<()>>,
    orders: mpsc::UnboundedSender<Order>,
    asking: mpsc::UnboundedReceiver<Option<Stream>>,
    asked: Option<mpsc::UnboundedReceiver<Stream>>,
}

/// What the task is told.
enum Order {
    /// The other side may open streams for files.
    TakeFiles,
    /// One is to be opened.
    OpenFiles,
}

impl Wire {
    /// Links to the address; `None` if the other side doesn't want that.
    pub async fn open(address: &str) -> Option<Self> {
        // By the other transport, so that the victim can't dial back.
        let listen = if address.contains("/tcp/") {
            "/ip4/127.0.0.1/udp/0/quic-v1"
        } else {
            "/ip4/127.0.0.1/tcp/0"
        };
        let config = Config {
            public_dht: false,
            scope: Scope::LanOnly,
            listen: vec![listen.parse().unwrap()],
            bootstrap: vec![address.parse().unwrap()],
            mdns: false,
            serve_dht: ServeDht::Never,
        };
        let mut net = Net::start(&config).unwrap();
        let own = net.peer_id();
        let (opened, link) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let (orders, mut to_do) = mpsc::unbounded_channel();
        let (to_asking, asking) = mpsc::unbounded_channel();
        let (to_asked, asked) = mpsc::unbounded_channel();
        let mut hang_up_asked = false;
        let task = tokio::spawn(async move {
            let (mut opened, mut ended) = (Some(opened), Box::pin(ended));
            let mut open = None;
            let mut way = None;
            loop {
                tokio::select! {
                    event = net.next() => match event {
                        Event::Opened(link) => {
                            open = Some(link.id);
                            way = Some((link.address.clone(), link.dialed));
                            if let Some(opened) = opened.take() {
                                let _ = opened.send(*link);
                            }
                        }
                        Event::Closed(id) if open == Some(id) => {
                            if hang_up_asked {
                                return;
                            }
                            // The other side was faster.
                            open = None;
                            let _ = to_asking.send(None);
                        }
                        Event::Asking(_, stream) => {
                            let _ = to_asking.send(stream);
                        }
                        Event::Asked(_, stream) => {
                            let _ = to_asked.send(stream);
                        }
                        _ => {}
                    },
                    Some(order) = to_do.recv() => match (order, open, &way) {
                        (Order::TakeFiles, Some(id), Some((address, dialed))) => {
                            net.known(id, address, *dialed);
                        }
                        (Order::OpenFiles, Some(id), Some((address, dialed))) => {
                            // As a program does before it asks anybody for files.
                            net.known(id, address, *dialed);
                            net.open_files(id);
                        }
                        _ => {
                            let _ = to_asking.send(None);
                        }
                    },
                    _ = &mut ended, if !hang_up_asked => {
                        hang_up_asked = true;
                        match open {
                            Some(id) => net.close(id),
                            None => return,
                        }
                    }
                }
            }
        });
        let link = timeout(PATIENCE, link).await.ok().and_then(Result::ok);
        if link.is_none() {
            task.abort();
        }
        let (end, asked) = (Some(end), Some(asked));
        link.map(|link| Self { link, own, task, end, orders, asking, asked })
    }

    /// The streams for files that the other side opens from now on.
    pub fn take_files(&mut self) -> mpsc::UnboundedReceiver<Stream> {
        self.orders.send(Order::TakeFiles).unwrap();
        self.asked.take().expect("asked for once")
    }

    /// A new stream for files; `None` if there is none to be had.
    pub async fn open_files(&mut self) -> Option<Stream> {
        self.orders.send(Order::OpenFiles).unwrap();
        let opened = timeout(PATIENCE, self.asking.recv()).await;
        opened.expect("a stream is neither opened nor refused").flatten()
    }

    /// Ends the link in order, so that the other side knows at once.
    pub async fn end(mut self) {
        drop(self.end.take());
        let _ = timeout(PATIENCE, &mut self.task).await;
    }

    pub fn ids(&self) -> LinkIds {
        LinkIds { own_peer_id: self.own.to_bytes(), their_peer_id: self.link.peer.to_bytes() }
    }

    /// Writes bytes; whether that went well says little.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        let write = async {
            self.link.stream.write_all(bytes).await?;
            self.link.stream.flush().await
        };
        matches!(timeout(PATIENCE, write).await, Ok(Ok(())))
    }

    /// Bytes that came; none at the end, or after an error.
    pub async fn read(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        let read = timeout(PATIENCE, self.link.stream.read(&mut bytes)).await;
        let read = read.expect("the other side neither answers nor hangs up");
        bytes.truncate(read.unwrap_or(0));
        bytes
    }

    /// Everything until the other side hangs up.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.read().await;
            if bytes.is_empty() {
                return all;
            }
            all.extend(bytes);
            assert!(all.len() < 1 << 20, "a stranger is told too much");
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A person of the test's own.
pub struct Person {
    key: IdentityKey,
    device: DeviceKey,
    certificate: Certificate,
}

impl Person {
    pub fn new() -> Self {
        let mut rng = rand::rng();
        let (key, device) = (IdentityKey::generate(&mut rng), DeviceKey::generate(&mut rng));
        let certificate = Certificate::issue(&key, device.public(), 1, 1);
        Self { key, device, certificate }
    }

    pub fn identity(&self) -> Identity {
        self.key.public()
    }

    fn local(&self, acquaintances: Vec<Acquaintance>) -> Arc<Local> {
        let device = DeviceKey::from_bytes(&self.device.to_bytes());
        Arc::new(Local::new(self.identity(), device, self.certificate, acquaintances))
    }

    /// One who knows nobody, yet hails.
    pub fn as_stranger(&self) -> Arc<Local> {
        self.local(Vec::new())
    }

    pub fn with_invite(&self, invite: &Invite) -> Arc<Local> {
        self.local(vec![Acquaintance::Accepted {
            number: 1,
            issuer: invite.identity,
            secret: invite.secret.clone(),
            issuer_device: None,
        }])
    }

    pub fn with_contact(&self, identity: Identity, device_public: DevicePublic) -> Arc<Local> {
        let own = (&self.identity(), &self.device);
        let pair_secret = PairSecret::of_devices(own, (&identity, &device_public)).unwrap();
        self.local(vec![Acquaintance::Contact { identity, device_public, pair_secret }])
    }
}

/// A session over a wire.
pub struct Talk {
    pub wire: Wire,
    session: Session,
    events: Vec<session::Event>,
    open: bool,
}

impl Talk {
    /// Links and hails.
    pub async fn begin(address: &str, local: Arc<Local>) -> Self {
        let wire = Wire::open(address).await.expect("no link");
        let ids = wire.ids();
        // The side that opened the stream dials; which one that is was decided by the links.
        let now = Instant::now();
        let session = if wire.link.dialed {
            Session::dial(local, ids, now, rand::make_rng::<rand::rngs::StdRng>())
        } else {
            Session::listen(local, ids, now, rand::make_rng::<rand::rngs::StdRng>())
        };
        Self { wire, session, events: Vec::new(), open: true }
    }

    /// The peer, once the session stands; `None` if it never will.
    pub async fn established(&mut self) -> Option<session::Peer> {
        match self.next().await? {
            session::Event::Established { with } => Some(with),
            session::Event::Message(_) => panic!("a message before the session stood"),
        }
    }

    /// The next message; `None` once it is over.
    pub async fn receive(&mut self) -> Option<Message> {
        match self.next().await? {
            session::Event::Message(bytes) => Some(Message::decode(&bytes).unwrap()),
            session::Event::Established { .. } => panic!("established twice"),
        }
    }

    async fn next(&mut self) -> Option<session::Event> {
        loop {
            self.write_out().await;
            if !self.events.is_empty() {
                return Some(self.events.remove(0));
            }
            if !self.open {
                return None;
            }
            let bytes = self.wire.read().await;
            self.open =
                !bytes.is_empty() && self.session.handle_input(Instant::now(), &bytes).is_ok();
            while let Some(event) = self.session.poll_event() {
                self.events.push(event);
            }
        }
    }

    async fn write_out(&mut self) {
        while let Some(bytes) = self.session.poll_transmit() {
            self.open &= self.wire.write(&bytes).await;
        }
    }

    /// Sends these bytes as a message of the session, be they one or not.
    pub async fn send_bytes(&mut self, message: &[u8]) {
        self.open &= self.session.send(Instant::now(), message).is_ok();
        self.write_out().await;
    }

    pub async fn send(&mut self, message: &Message) {
        self.send_bytes(&message.encode()).await;
    }

    pub async fn hello(&mut self, name: &str) {
        self.send(&Message::Hello { name: name.to_owned(), version: "test".to_owned() }).await;
    }

    /// Lets what was sent arrive, then ends it.
    pub async fn end(mut self) {
        self.send(&Message::Ping).await;
        while let Some(event) = self.next().await {
            let pong = Message::Pong.encode();
            if matches!(event, session::Event::Message(message) if message == pong) {
                break;
            }
        }
        self.wire.end().await;
    }

    /// Waits until the other side hangs up.
    pub async fn is_hung_up_on(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// Becomes a contact of the one who listens there, and gives their device.
pub async fn become_contact(
    person: &Person,
    address: &str,
    invite: &str,
) -> (Identity, DevicePublic) {
    let invite = Invite::parse(invite).unwrap();
    // The other side tells of an invite a moment before it knows who may come with it.
    let deadline = Instant::now() + PATIENCE;
    let (mut talk, peer) = loop {
        let mut talk = Talk::begin(address, person.with_invite(&invite)).await;
        if let Some(peer) = talk.established().await {
            break (talk, peer);
        }
        assert!(Instant::now() < deadline, "the invite is good");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(peer.via, Via::Accepted(1));
    talk.hello("Mallory").await;
    while let Some(message) = talk.receive().await {
        if matches!(message, Message::Hello { .. }) {
            talk.end().await;
            return (peer.identity, peer.device_public);
        }
    }
    panic!("no answer to the first Hello");
}
