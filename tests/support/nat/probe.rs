//! Looks at a NAT from inside (RFC 5780, by a protocol of its own): this very test program, run
//! again in the namespaces, is client and servers.

use std::{
    collections::HashSet,
    fmt::Write as _,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use super::{super::lab::again, Public};

/// Set in the processes that look.
const ROLE: &str = "ENTRENOUS_NAT_PROBE";

/// How long an answer may take.
const ANSWER: Duration = Duration::from_millis(300);

/// What was seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// No UDP gets out.
    Nothing,
    /// It does.
    Through { mapping: &'static str, filtering: &'static str, preserves_port: bool },
}

impl Seen {
    /// What a stateful firewall looks like.
    pub const FIREWALL: Self =
        Self::Through { mapping: "endpoint-independent", filtering: "port", preserves_port: true };
}

/// If this process was started to look, does so and returns true.
pub fn run_if_probe() -> bool {
    let Ok(role) = std::env::var(ROLE) else { return false };
    let words: Vec<SocketAddr> = role.split(' ').skip(1).map(|w| w.parse().unwrap()).collect();
    match role.split(' ').next() {
        Some("server") => serve(words[0], words[1]),
        Some("clock") => println!("{}", clock(words[0])),
        Some("volley") => println!("{}", volley(words[0])),
        Some("knock") => println!("{}", knock(words[0])),
        _ => println!("{}", ask(&words)),
    }
    true
}

/// Runs this program in a namespace, to look.
fn start(namespace: &str, role: &str) -> Child {
    again(namespace, ROLE, role).stdout(Stdio::piped()).spawn().unwrap()
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// A socket for talking to this address.
fn socket(server: SocketAddr) -> UdpSocket {
    UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap()
}

fn output(namespace: &str, role: &str) -> String {
    let output = start(namespace, role).wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// How long a packet takes from the host to the first public one and back.
pub fn round_trip(public: &[Public], host: &str) -> Duration {
    let addresses = [&*public[0].ipv4, &*public[1].ipv4];
    let _servers = Servers::start(public, addresses);
    let text = output(host, &format!("clock {}", at(addresses[0], 3478)));
    Duration::from_micros(text.trim().parse().unwrap_or_else(|e| panic!("{text:?}: {e}")))
}

/// Many packets at a time from the host to the first public one and back: their numbers in the
/// order in which they are back, and how long each took.
pub fn round_trips(public: &[Public], host: &str) -> Vec<(usize, Duration)> {
    let addresses = [&*public[0].ipv4, &*public[1].ipv4];
    let _servers = Servers::start(public, addresses);
    let text = output(host, &format!("volley {}", at(addresses[0], 3478)));
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap());
    let mut all = Vec::new();
    while let (Some(number), Some(micros)) = (numbers.next(), numbers.next()) {
        all.push((usize::try_from(number).unwrap(), Duration::from_micros(micros)));
    }
    all
}

/// Whether a packet that this address may not get is refused aloud.
pub fn is_refused(namespace: &str, address: &str) -> bool {
    output(namespace, &format!("knock {}", at(address, 3478))).trim() == "true"
}

/// What the host sees from behind its routers of these addresses of two public hosts.
pub fn look(public: &[Public], addresses: [&str; 2], host: &str) -> Seen {
    let _servers = Servers::start(public, addresses);
    let [a, b] = addresses;
    let text = output(host, &format!("client {} {} {}", at(a, 3478), at(a, 3479), at(b, 3478)));
    let words: Vec<&str> = text.split_whitespace().collect();
    let one_of = |word: &str, all: &[&'static str]| all.iter().copied().find(|w| *w == word);
    match words.as_slice() {
        ["nothing"] => Seen::Nothing,
        [mapping, filtering, preserves] => Seen::Through {
            mapping: one_of(mapping, &["endpoint-independent", "dependent"]).unwrap(),
            filtering: one_of(filtering, &["none", "address", "port"]).unwrap(),
            preserves_port: *preserves == "true",
        },
        _ => panic!("the probe says {text:?}"),
    }
}

struct Servers([Child; 2]);

impl Servers {
    fn start(public: &[Public], [a, b]: [&str; 2]) -> Self {
        let server = |number: usize, own, other| {
            start(
                &public[number].namespace,
                &format!("server {} {}", at(own, 3478), at(other, 3478)),
            )
        };
        Self([server(0, a, b), server(1, b, a)])
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.0 {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Two ports. To `m` it answers with the address seen, to `e` with the same; to `f` also from its
/// other port, and has the other server answer too.
fn serve(first: SocketAddr, other: SocketAddr) {
    let sockets = [first, SocketAddr::new(first.ip(), first.port() + 1)].map(|address| {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        socket
    });
    let mut buffer = [0; 200];
    loop {
        for (socket, second) in [(&sockets[0], &sockets[1]), (&sockets[1], &sockets[0])] {
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                match text.split_once(' ').unwrap_or((&text, "")) {
                    ("m", _) => drop(socket.send_to(format!("m {from}").as_bytes(), from)),
                    ("e", _) => drop(socket.send_to(text.as_bytes(), from)),
                    ("f", _) => {
                        let _ = socket.send_to(b"same", from);
                        let _ = second.send_to(b"port", from);
                        let _ = sockets[0].send_to(format!("forward {from}").as_bytes(), other);
                    }
                    ("forward", to) => drop(sockets[0].send_to(b"address", to)),
                    _ => {}
                }
            }
        }
    }
}

/// Microseconds from a question to its answer.
fn clock(server: SocketAddr) -> u128 {
    let socket = socket(server);
    // First the server may only be starting, and neighbours are looked for.
    let _ = (0..10).find(|_| !answers(&socket, server, "m", true).is_empty());
    let began = Instant::now();
    assert!(!answers(&socket, server, "m", true).is_empty(), "no answer");
    began.elapsed().as_micros()
}

/// So many are on the way at a time.
const VOLLEY: usize = 50;

/// Numbers and microseconds of [`VOLLEY`] questions, in the order of their answers.
fn volley(server: SocketAddr) -> String {
    let socket = socket(server);
    // First the server may only be starting, and neighbours are looked for.
    let _ = (0..10).find(|_| !answers(&socket, server, "m", true).is_empty());
    let began: Vec<_> = (0..VOLLEY)
        .map(|number| {
            let began = Instant::now();
            socket.send_to(format!("e {number}").as_bytes(), server).unwrap();
            began
        })
        .collect();
    // Where the machine is busy, long after the last.
    socket.set_read_timeout(Some(10 * ANSWER)).unwrap();
    let (mut said, mut back, mut buffer) = (String::new(), 0, [0; 200]);
    while back < VOLLEY
        && let Ok((length, _)) = socket.recv_from(&mut buffer)
    {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let Some(number) = text.strip_prefix("e ").and_then(|n| n.parse::<usize>().ok()) else {
            continue;
        };
        back += 1;
        let _ = write!(said, "{number} {} ", began[number].elapsed().as_micros());
    }
    said
}

/// Whether ICMP says that nobody is there.
fn knock(address: SocketAddr) -> bool {
    let socket = socket(address);
    socket.set_read_timeout(Some(ANSWER)).unwrap();
    socket.connect(address).unwrap();
    socket.send(b"knock").unwrap();
    socket.recv(&mut [0; 200]).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

fn ask(servers: &[SocketAddr]) -> String {
    let socket = self::socket(servers[0]);
    let mut seen = Vec::new();
    for server in servers {
        // The servers may only be starting.
        let mut answers = (0..10).map(|_| answers(&socket, *server, "m", true));
        let Some(answer) = answers.find_map(|a| a.into_iter().next()) else {
            return "nothing".to_owned();
        };
        seen.push(answer.trim_start_matches("m ").parse::<SocketAddr>().unwrap());
    }
    let independent = seen.iter().all(|s| *s == seen[0]);
    let preserves = seen[0].port() == socket.local_addr().unwrap().port();
    let fresh = self::socket(servers[0]);
    let got = answers(&fresh, servers[0], "f", false);
    let filtering = if got.contains("address") {
        "none"
    } else if got.contains("port") {
        "address"
    } else {
        "port"
    };
    let mapping = if independent { "endpoint-independent" } else { "dependent" };
    format!("{mapping} {filtering} {preserves}")
}

fn answers(socket: &UdpSocket, to: SocketAddr, question: &str, one: bool) -> HashSet<String> {
    let _ = socket.send_to(question.as_bytes(), to);
    let (mut all, until, mut buffer) = (HashSet::new(), Instant::now() + ANSWER, [0; 200]);
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|l| !l.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            all.insert(String::from_utf8_lossy(&buffer[..length]).into_owned());
            if one {
                break;
            }
        }
    }
    all
}
