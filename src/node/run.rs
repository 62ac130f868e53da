//! The node's state and its loop.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Config,
    api::{Answer, Event, Failure, FailureKind, Me, Request, Scope},
    failure,
    files::{self, Files},
    link::{self, Counters},
    sessions::{Link, Person},
};
use crate::{
    conversation::ConversationId,
    identity::Identity,
    net::{LinkId, Net},
    session::Local,
    store::{Invitation, Profile, Store},
};

/// Operations of the store that may be under way. A burst of messages fills one commit with as
/// many.
const MAX_WORK: usize = 1024;

/// Events that may wait in the outbox before the node takes no more requests and messages.
const MAX_OUTBOX: usize = 4096;

/// Messages of links that may wait for the node, all links together.
const LINK_EVENTS: usize = 256;

/// How often links are looked after.
const TICK: Duration = Duration::from_millis(500);

/// How long links may take to send their last messages at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// How long a file that is whole may take to be put in its place at the end.
const FINISH: Duration = Duration::from_secs(5);

/// A trouble that goes on is told again after this; a full disk fails every operation.
const SAME_TROUBLE: Duration = Duration::from_secs(30);

/// Something to do when an operation is done.
type Then = Box<dyn FnOnce(&mut Node) + Send>;

/// The networking task; see [the module above](super).
pub struct Node {
    pub(super) profile: Profile,
    pub(super) store: Store,
    pub(super) net: Net,
    pub(super) scope: Scope,
    /// Whom sessions are held with; made anew when contacts or invites change.
    pub(super) local: Arc<Local>,
    /// Invites that may still become contacts, as the store has them.
    pub(super) invitations: Vec<Invitation>,
    pub(super) people: HashMap<Identity, Person>,
    /// With whom each direct conversation is.
    pub(super) conversations: HashMap<ConversationId, Identity>,
    pub(super) links: HashMap<LinkId, Link>,
    pub(super) link_events: mpsc::Sender<(LinkId, link::Event)>,
    pub(super) counters: Arc<Counters>,
    /// How many links the front end was told of.
    pub(super) shown_links: u32,
    pub(super) stopping: bool,
    pub(super) files: Files,
    from_files: mpsc::Receiver<files::Happened>,
    pub(super) from_links: mpsc::Receiver<(LinkId, link::Event)>,
    events: mpsc::Sender<Event>,
    outbox: VecDeque<Event>,
    last_trouble: Option<(FailureKind, Instant)>,
    work: FuturesOrdered<BoxFuture<'static, Then>>,
}

impl Node {
    /// A node on an open store; listens.
    pub async fn new(
        config: &Config,
        store: Store,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Failure> {
        let profile = store.profile().await?;
        let net =
            Net::start(&config.network).map_err(|text| failure(FailureKind::Address, text))?;
        let (link_events, from_links) = mpsc::channel(LINK_EVENTS);
        let (files, from_files) = Files::new(config.files.clone(), &config.directory);
        let local = Local::new(
            profile.identity_key.public(),
            profile.device_key.clone(),
            profile.certificate,
            Vec::new(),
        );
        let mut node = Self {
            store,
            net,
            scope: config.network.scope,
            local: Arc::new(local),
            invitations: Vec::new(),
            people: HashMap::new(),
            conversations: HashMap::new(),
            links: HashMap::new(),
            link_events,
            counters: Arc::default(),
            shown_links: 0,
            stopping: false,
            files,
            from_files,
            from_links,
            events,
            outbox: VecDeque::new(),
            last_trouble: None,
            work: FuturesOrdered::new(),
            profile,
        };
        node.net.met_before(&node.store.dht_nodes().await?);
        for contact in node.store.contacts().await? {
            node.add_person(contact);
        }
        node.meet().await?;
        node.resume_files().await?;
        let me = node.me();
        node.tell(Event::Ready { me, has_passphrase: node.profile.has_passphrase });
        Ok(node)
    }

    /// Runs until the front end ends it.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) -> Result<(), Failure> {
        let events = self.events.clone();
        let (store, mut damaged) = (self.store.clone(), false);
        let mut damage = pin!(async move { store.damage().await });
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !(self.stopping && self.work.is_empty()) {
            let room = self.has_room();
            tokio::select! {
                permit = events.reserve(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else {
                        // The front end is gone.
                        self.outbox.clear();
                        self.stopping = true;
                        continue;
                    };
                    if let Some(event) = self.outbox.pop_front() {
                        permit.send(event);
                    }
                    self.empty_outbox();
                }
                then = self.work.next(), if !self.work.is_empty() => {
                    if let Some(then) = then {
                        then(&mut self);
                    }
                    while let Some(Some(then)) = self.work.next().now_or_never() {
                        then(&mut self);
                    }
                    self.push_live();
                }
                request = requests.recv(), if room && !self.stopping => match request {
                    Some(request) => {
                        self.handle_request(request);
                        while self.work.len() < MAX_WORK
                            && !self.stopping
                            && let Ok(request) = requests.try_recv()
                        {
                            self.handle_request(request);
                        }
                    }
                    None => self.stopping = true,
                },
                Some((id, event)) = self.from_links.recv(), if room && !self.stopping => {
                    self.handle_link(id, event);
                }
                Some(happened) = self.from_files.recv(), if room && !self.stopping => {
                    self.handle_file(happened);
                }
                event = self.net.next() => self.handle_net(event),
                error = &mut damage, if !damaged => {
                    damaged = true;
                    self.trouble(error);
                }
                _ = tick.tick() => self.look_after_links(room),
            }
        }
        Box::pin(self.stop()).await
    }

    /// Whether more may be heard; else others wait until the front end and the store are less busy.
    pub(super) fn has_room(&self) -> bool {
        self.outbox.len() < MAX_OUTBOX && self.work.len() < MAX_WORK
    }

    /// Begins an operation; `then` is called with its result, in the order of beginning.
    pub(super) fn when<T: Send + 'static>(
        &mut self,
        operation: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(&mut Self, T) + Send + 'static,
    ) {
        let mut operation = operation.boxed();
        // Begun here and now: only so does the store take operations in this order.
        let done = (&mut operation).now_or_never();
        let rest = async move {
            let value = match done {
                Some(value) => value,
                None => operation.await,
            };
            Box::new(move |node: &mut Self| then(node, value)) as Then
        };
        self.work.push_back(rest.boxed());
    }

    /// Tells the front end.
    pub(super) fn tell(&mut self, event: Event) {
        self.outbox.push_back(event);
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, request: u64, result: Result<Answer, Failure>) {
        self.tell(Event::Answered { request, result });
    }

    /// Says that something went wrong that nobody asked about.
    pub(super) fn trouble(&mut self, failure: impl Into<Failure>) {
        let failure = failure.into();
        let known = self
            .last_trouble
            .is_some_and(|(kind, told)| kind == failure.kind && told.elapsed() < SAME_TROUBLE);
        if !known {
            tracing::warn!(kind = ?failure.kind, text = failure.text, "trouble");
            self.last_trouble = Some((failure.kind, Instant::now()));
            self.tell(Event::Trouble { failure });
        }
    }

    /// Oneself.
    pub(super) fn me(&self) -> Me {
        Me { id: self.profile.identity_key.public(), name: self.profile.name.clone() }
    }

    fn empty_outbox(&mut self) {
        while !self.outbox.is_empty() {
            let Ok(permit) = self.events.try_reserve() else { return };
            if let Some(event) = self.outbox.pop_front() {
                permit.send(event);
            }
        }
    }

    /// Ends what is done for files. What is just getting its name is waited for, so that it is
    /// known to be there.
    async fn finish_files(&mut self) {
        self.files.begin_nothing();
        let finishing = async {
            while self.files.is_finishing() || !self.work.is_empty() {
                tokio::select! {
                    Some(happened) = self.from_files.recv() => self.handle_file(happened),
                    Some(then) = self.work.next(), if !self.work.is_empty() => then(self),
                }
            }
        };
        let _ = timeout(FINISH, finishing).await;
        self.files.stop();
    }

    /// Ends in order: what was said last may still leave, the store closes, the front end is told
    /// what it was not yet told.
    async fn stop(mut self) -> Result<(), Failure> {
        let met = self.net.met();
        if !met.is_empty() {
            // Only where to begin: next time it is found out again.
            let _ = self.store.set_dht_nodes(met).await;
        }
        self.finish_files().await;
        let mut open = self.links.len();
        self.links.clear();
        let farewell = async {
            while open > 0 {
                tokio::select! {
                    Some((_, event)) = self.from_links.recv() => {
                        open -= usize::from(matches!(event, link::Event::Closed(_)));
                    }
                    _ = self.net.next() => {}
                }
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
        let (closed, ()) = tokio::join!(self.store.close(), self.net.stop());
        for event in self.outbox {
            // If the front end is gone there is nobody to tell.
            let _ = self.events.send(event).await;
        }
        Ok(closed?)
    }
}
