//! Who names other nodes in answers, and whether these are there: who makes nodes up is believed no
//! more, so that those hold up no further look-up.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher as _,
    net::IpAddr,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};

use super::DIAL_PATIENCE;
use crate::net::address;

/// Namings remembered until it shows whether who was named is there; the oldest goes.
const MAX_NAMINGS: usize = 4096;

/// Of these, dials that are under way, and of as many that were in vain who is to blame.
const MAX_DIALED: usize = 512;

/// Namers remembered; who named nobody for the longest time goes.
const MAX_NAMERS: usize = 256;

/// So many of those that one names may be lost, and …
const LOST_AT_FIRST: u32 = 5;
/// … so many more for each that is there: of the public DHT's nodes many are behind NATs, or gone.
const LOST_FOR_EACH: u32 = 3;

/// What is counted is halved from here on, so that it tells of what was lately.
const MANY: u32 = 64;

/// Who named nobody for so long is believed again: it may be another network by now.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// If nobody answered for so long, it may have been our own network: then nobody is to blame for those
/// who could not be reached meanwhile.
const SILENCE: Duration = Duration::from_secs(10);

/// Over IPv4, and over IPv6.
type Families<T> = [T; 2];

/// A PeerId, by its hash under a key of this run: a tenth of the memory.
type Name = u64;

/// See the module's documentation. Pure.
#[derive(Default)]
pub struct Namers {
    hasher: RandomState,
    /// Who was named, by whom, the last last.
    namings: VecDeque<(Name, Name)>,
    /// The dials that are under way: of whom, at the addresses that this one said. Others may have
    /// said others: they are not to blame.
    dialed: VecDeque<Dial>,
    /// Who is to blame for each dial that was in vain, and where it led: if somebody answers there
    /// soon, it is not our own network.
    lost: VecDeque<(Name, Families<bool>)>,
    /// When somebody answered last.
    heard: Families<Option<Instant>>,
    /// One who is connected and was asked, and when.
    asked: Option<(Name, Instant)>,
    counts: HashMap<Name, Count>,
}

struct Dial {
    id: ConnectionId,
    named: Name,
    namer: Name,
    by: Families<bool>,
    begun: Instant,
}

/// Of those that one named.
#[derive(Clone, Copy)]
struct Count {
    there: u32,
    lost: u32,
    /// Whether any of them was dialed and there.
    proved: bool,
    /// When it was counted last.
    at: Instant,
}

impl Count {
    fn is_good(&self, now: Instant) -> bool {
        self.lost <= LOST_AT_FIRST + LOST_FOR_EACH * self.there || self.is_old(now)
    }

    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= REMEMBERED_FOR
    }
}

impl Namers {
    /// One names others in an answer: that some are there who are connected counts once, as it may
    /// know no more than these.
    pub fn names(
        &mut self,
        now: Instant,
        namer: &PeerId,
        others: &[PeerId],
        is_connected: impl Fn(&PeerId) -> bool,
    ) {
        let mut any_is_there = false;
        for other in others.iter().filter(|other| *other != namer) {
            if is_connected(other) {
                any_is_there = true;
                continue;
            }
            let naming = (self.hasher.hash_one(other), self.hasher.hash_one(namer));
            // Of one named again, it is this one's addresses that are dialed.
            self.namings.retain(|known| *known != naming);
            self.namings.push_back(naming);
        }
        let surplus = self.namings.len().saturating_sub(MAX_NAMINGS);
        self.namings.drain(..surplus);
        if any_is_there {
            self.count(now, self.hasher.hash_one(namer), true);
        }
    }

    /// A node that may have been named is dialed there.
    pub fn dials(
        &mut self,
        begun: Instant,
        id: ConnectionId,
        named: &PeerId,
        addresses: &[Multiaddr],
    ) {
        let named = self.hasher.hash_one(named);
        let naming = self.namings.iter().rev().find(|(other, _)| *other == named);
        let mut ips = addresses.iter().map(address::ip);
        let by =
            [IpAddr::is_ipv4, IpAddr::is_ipv6].map(|is| ips.clone().flatten().any(|ip| is(&ip)));
        // A name may lead anywhere.
        let by = if ips.any(|ip| ip.is_none()) { [true; 2] } else { by };
        self.dialed.extend(naming.map(|(named, namer)| Dial {
            id,
            named: *named,
            namer: *namer,
            by,
            begun,
        }));
        let surplus = self.dialed.len().saturating_sub(MAX_DIALED);
        self.dialed.drain(..surplus);
    }

    /// It shows whether one that is dialed is there.
    pub fn shows(&mut self, now: Instant, dial: ConnectionId, is_there: bool) {
        let at = self.dialed.iter().position(|known| known.id == dial);
        let Some(Dial { named, namer, by, begun, .. }) = at.and_then(|at| self.dialed.remove(at))
        else {
            return;
        };
        self.namings.retain(|(other, _)| *other != named);
        if is_there {
            self.count(now, namer, true);
            if let Some(count) = self.counts.get_mut(&namer) {
                count.proved = true;
            }
        } else if self.heard.iter().zip(by).any(|(heard, by)| by && *heard > Some(begun)) {
            self.count(now, namer, false);
        } else {
            self.lost.push_back((namer, by));
            let surplus = self.lost.len().saturating_sub(MAX_DIALED);
            self.lost.drain(..surplus);
        }
    }

    /// A dial is over, and says nothing of who was dialed.
    pub fn forgets(&mut self, dial: ConnectionId) {
        self.dialed.retain(|known| known.id != dial);
    }

    /// Somebody there has answered in good time: our own network works.
    pub fn hears(&mut self, now: Instant, from: IpAddr) {
        let family = usize::from(from.is_ipv6());
        let before = self.heard[family].replace(now);
        let was_silent =
            before.is_none_or(|before| now.saturating_duration_since(before) > SILENCE);
        let there = self.lost.iter().filter(|(_, by)| by[family]);
        let blamed: Vec<_> = there.map(|(namer, _)| *namer).collect();
        self.lost.retain(|(_, by)| !by[family]);
        for namer in blamed.into_iter().filter(|_| !was_silent) {
            self.count(now, namer, false);
        }
    }

    /// One who is connected is asked. Of these one at a time is looked at.
    pub fn asks(&mut self, now: Instant, peer: &PeerId) {
        if self.asked.is_none_or(|(_, at)| now.saturating_duration_since(at) > DIAL_PATIENCE) {
            self.asked = Some((self.hasher.hash_one(peer), now));
        }
    }

    /// One who is connected answers. Where that takes longer than a dial may, those fail as well.
    pub fn answers(&mut self, now: Instant, peer: &PeerId, ip: IpAddr) {
        let peer = self.hasher.hash_one(peer);
        if let Some((_, at)) = self.asked.take_if(|(asked, _)| *asked == peer)
            && now.saturating_duration_since(at) <= DIAL_PATIENCE
        {
            self.hears(now, ip);
        }
    }

    fn count(&mut self, now: Instant, namer: Name, is_there: bool) {
        if self.counts.len() >= MAX_NAMERS && !self.counts.contains_key(&namer) {
            let oldest = self.counts.iter().min_by_key(|(_, count)| count.at);
            if let Some(oldest) = oldest.map(|(namer, _)| *namer) {
                self.counts.remove(&oldest);
            }
        }
        let new = Count { there: 0, lost: 0, proved: false, at: now };
        let count = self.counts.entry(namer).or_insert(new);
        if count.is_old(now) {
            *count = new;
        }
        if count.there.max(count.lost) >= MANY {
            count.there /= 2;
            count.lost /= 2;
        }
        count.there += u32::from(is_there);
        count.lost += u32::from(!is_there);
        count.at = now;
    }

    /// Whether one is believed in what it says of others.
    pub fn is_believed(&self, now: Instant, namer: &PeerId) -> bool {
        self.is_good(now, self.hasher.hash_one(namer))
    }

    fn is_good(&self, now: Instant, namer: Name) -> bool {
        self.counts.get(&namer).is_none_or(|count| count.is_good(now))
    }

    /// Whether somebody was there whom it named and we did not know of, and not too few.
    pub fn has_proved_itself(&self, now: Instant, namer: &PeerId) -> bool {
        let count = self.counts.get(&self.hasher.hash_one(namer));
        count.is_some_and(|count| count.proved && count.is_good(now))
    }

    /// Whether it was those alone who named it that are not believed.
    pub fn is_made_up(&self, now: Instant, named: &PeerId) -> bool {
        let named = self.hasher.hash_one(named);
        let mut by = self.namings.iter().filter(|(other, _)| *other == named).peekable();
        by.peek().is_some() && by.all(|(_, namer)| !self.is_good(now, *namer))
    }

    /// The network is another one, in which others may be there.
    pub fn clear(&mut self) {
        self.namings.clear();
        self.dialed.clear();
        self.lost.clear();
        self.heard = [None; 2];
        self.counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> Vec<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    fn at(ip: &str) -> [Multiaddr; 1] {
        [format!("/{ip}/udp/4001/quic-v1").parse().unwrap()]
    }

    fn v4() -> [Multiaddr; 1] {
        at("ip4/203.0.113.1")
    }

    /// Somebody answers over IPv4.
    fn hear(namers: &mut Namers, now: Instant) {
        namers.hears(now, [203, 0, 113, 2].into());
    }

    /// One names another one, who is not connected.
    fn says(namers: &mut Namers, now: Instant, namer: &PeerId, other: &PeerId) {
        namers.names(now, namer, &[*other], |_| false);
    }

    /// One names these, and it shows whether they are there.
    fn name(namers: &mut Namers, now: Instant, namer: &PeerId, count: u32, are_there: bool) {
        hear(namers, now);
        for named in peers(usize::try_from(count).unwrap()) {
            says(namers, now, namer, &named);
            namers.dials(now, id(1), &named, &v4());
            namers.shows(now, id(1), are_there);
        }
        hear(namers, now);
    }

    #[test]
    fn who_makes_up_nodes_is_believed_no_more_for_a_while() {
        let (mut namers, now) = (Namers::default(), Instant::now());
        let [liar, honest] = [PeerId::random(), PeerId::random()];
        name(&mut namers, now, &liar, LOST_AT_FIRST, false);
        assert!(namers.is_believed(now, &liar), "it may be chance");
        let named = peers(2);
        says(&mut namers, now, &liar, &named[0]);
        says(&mut namers, now, &liar, &named[1]);
        says(&mut namers, now, &honest, &named[1]);
        assert!(!namers.is_made_up(now, &named[0]));
        name(&mut namers, now, &liar, 1, false);
        assert!(!namers.is_believed(now, &liar));
        assert!(namers.is_made_up(now, &named[0]));
        assert!(!namers.is_made_up(now, &named[1]), "another one named it as well");
        assert!(!namers.is_made_up(now, &PeerId::random()), "nobody named it");
        assert!(namers.is_believed(now + REMEMBERED_FOR, &liar));
        name(&mut namers, now + REMEMBERED_FOR, &liar, LOST_AT_FIRST, false);
        assert!(namers.is_believed(now + REMEMBERED_FOR, &liar), "counted anew");
        namers.clear();
        assert!(namers.is_believed(now, &liar) && !namers.is_made_up(now, &named[0]));
    }

    #[test]
    fn who_names_some_that_are_there_is_believed() {
        let (mut namers, now) = (Namers::default(), Instant::now());
        let honest = PeerId::random();
        assert!(!namers.has_proved_itself(now, &honest));
        for _ in 0..1000 {
            name(&mut namers, now, &honest, 1, true);
            name(&mut namers, now, &honest, LOST_FOR_EACH, false);
            assert!(namers.is_believed(now, &honest));
        }
        assert!(namers.has_proved_itself(now, &honest));
        name(&mut namers, now, &honest, MANY, false);
        assert!(!namers.is_believed(now, &honest), "what was long ago counts little");
    }

    #[test]
    fn who_names_a_few_that_are_connected_again_and_again_proves_nothing() {
        let (mut namers, now) = (Namers::default(), Instant::now());
        let [liar, selfish, honest] = [PeerId::random(), PeerId::random(), PeerId::random()];
        let accomplices = peers(5);
        for _ in 0..10 {
            namers.names(now, &liar, &accomplices, |_| true);
            name(&mut namers, now, &liar, 15, false);
            namers.names(now, &honest, &accomplices, |_| true);
            name(&mut namers, now, &honest, LOST_FOR_EACH, false);
        }
        assert!(!namers.is_believed(now, &liar));
        assert!(namers.is_believed(now, &honest));
        assert!(!namers.has_proved_itself(now, &honest), "we knew of those that are there");
        namers.names(now, &selfish, &[selfish], |_| true);
        assert!(namers.counts.len() == 2, "it is no witness of itself");
    }

    #[test]
    fn who_says_where_it_was_dialed_is_to_blame_alone() {
        let (mut namers, now) = (Namers::default(), Instant::now());
        let [honest, liar, late] = [PeerId::random(), PeerId::random(), PeerId::random()];
        hear(&mut namers, now);
        for named in peers(20) {
            says(&mut namers, now, &liar, &named);
            says(&mut namers, now, &honest, &named);
            says(&mut namers, now, &liar, &named);
            namers.shows(now, id(1), false);
            namers.dials(now, id(1), &named, &v4());
            says(&mut namers, now, &late, &named);
            namers.shows(now, id(2), false);
            namers.shows(now, id(1), false);
        }
        for named in peers(20) {
            says(&mut namers, now, &late, &named);
            namers.dials(now, id(1), &named, &v4());
            namers.forgets(id(1));
            namers.shows(now, id(1), false);
        }
        hear(&mut namers, now);
        let lost = |namer: &PeerId| {
            namers.counts.get(&namers.hasher.hash_one(namer)).map(|count| count.lost)
        };
        assert_eq!([&honest, &liar, &late].map(lost), [None, Some(20), None]);
        assert!(!namers.is_believed(now, &liar));
        assert!(namers.is_believed(now, &honest) && namers.is_believed(now, &late));
    }

    /// One names many that can't be reached at this address.
    fn lose(namers: &mut Namers, now: Instant, namer: &PeerId, address: &[Multiaddr]) {
        for named in peers(20) {
            says(namers, now, namer, &named);
            namers.dials(now, id(1), &named, address);
            namers.shows(now, id(1), false);
        }
    }

    #[test]
    fn nobody_is_to_blame_for_what_our_own_network_does() {
        let (mut namers, mut now) = (Namers::default(), Instant::now());
        let [honest, asked] = [PeerId::random(), PeerId::random()];
        let ip = [203, 0, 113, 2].into();
        // Nobody has ever answered; then there is no way out for a minute.
        lose(&mut namers, now, &honest, &v4());
        hear(&mut namers, now);
        lose(&mut namers, now, &honest, &v4());
        now += Duration::from_secs(60);
        hear(&mut namers, now);
        hear(&mut namers, now);
        assert!(namers.is_believed(now, &honest));
        // Answers come too late, as a file is sent.
        for _ in 0..20 {
            namers.asks(now, &asked);
            lose(&mut namers, now, &honest, &v4());
            now += DIAL_PATIENCE + Duration::from_millis(1);
            namers.answers(now, &asked, ip);
        }
        hear(&mut namers, now);
        // There is no IPv6 here.
        lose(&mut namers, now, &honest, &at("ip6/2001:db8::1"));
        hear(&mut namers, now);
        assert!(namers.is_believed(now, &honest));
        // Others answer in time.
        lose(&mut namers, now, &honest, &v4());
        assert!(namers.is_believed(now, &honest), "nobody has answered since");
        namers.asks(now, &asked);
        namers.asks(now, &honest);
        namers.answers(now, &honest, ip);
        assert!(namers.is_believed(now, &honest), "another one was asked before");
        now += DIAL_PATIENCE;
        namers.answers(now, &asked, ip);
        assert!(!namers.is_believed(now, &honest));
        // Or did so while it was dialed.
        namers.clear();
        for (n, named) in peers(20).iter().enumerate() {
            says(&mut namers, now, &honest, named);
            namers.dials(now, id(n), named, &v4());
        }
        hear(&mut namers, now + Duration::from_millis(1));
        (0..20).for_each(|n| namers.shows(now + DIAL_PATIENCE, id(n), false));
        assert!(!namers.is_believed(now, &honest));
        // Over IPv6 as well.
        namers.clear();
        for _ in 0..2 {
            lose(&mut namers, now, &honest, &at("ip6/2001:db8::1"));
            assert!(namers.is_believed(now, &honest));
            namers.hears(now, "2001:db8::2".parse().unwrap());
        }
        assert!(!namers.is_believed(now, &honest));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut namers, now) = (Namers::default(), Instant::now());
        let first = PeerId::random();
        name(&mut namers, now, &first, LOST_AT_FIRST + 1, false);
        for n in 0..MAX_NAMERS {
            let later = now + Duration::from_millis(u64::try_from(n).unwrap());
            assert!(!namers.is_believed(now, &first));
            name(&mut namers, later + Duration::from_millis(1), &PeerId::random(), 1, true);
        }
        assert_eq!(namers.counts.len(), MAX_NAMERS);
        assert!(namers.is_believed(now, &first), "the oldest went");
        for (n, named) in peers(MAX_NAMINGS + 9).iter().enumerate() {
            says(&mut namers, now, &first, named);
            says(&mut namers, now, &first, named);
            namers.dials(now, id(n), named, &v4());
        }
        assert_eq!((namers.namings.len(), namers.dialed.len()), (MAX_NAMINGS, MAX_DIALED));
        namers.heard = [None; 2];
        for n in 0..2 * MAX_DIALED {
            let named = PeerId::random();
            says(&mut namers, now, &first, &named);
            namers.dials(now, id(n), &named, &v4());
            namers.shows(now, id(n), false);
        }
        assert_eq!(namers.lost.len(), MAX_DIALED);
    }
}
