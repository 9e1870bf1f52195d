use super::packet::tests::{packet_of, record};
use super::packet::{Data, Item, Packet, kind};
use super::*;
use tokio::time::timeout;

#[test]
fn a_round_takes_up_to_three_and_a_half_seconds_and_up_to_a_minute_with_many_instances() {
    for _ in 0..100 {
        assert!((2800..=3500).contains(&round(ROUND, 0).as_millis()));
        assert!(round(ROUND, 1024) <= MAX_ROUND);
        assert!(round(ROUND, 1024) > Duration::from_secs(40));
    }
}

/// An mDNS port for one test.
pub fn private_port() -> u16 {
    20_000 + u16::from_be_bytes(random()) % 20_000
}

/// Receives the records of the first node that announces itself, and sends arbitrary packets.
pub struct Observer {
    links: Links,
    /// The instance label of that node.
    instance: Option<Vec<u8>>,
    /// Received and not yet returned: kind and TTL.
    received: VecDeque<(Kind, u32)>,
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Ptr,
    Srv,
    Txt,
}

impl Observer {
    pub fn new(mdns_port: u16) -> Observer {
        let mut links = Links::open(mdns_port).unwrap();
        links.update(&if_addrs::get_if_addrs().unwrap());
        Observer { links, instance: None, received: VecDeque::new() }
    }

    /// Kinds and TTLs of the records received so far, without waiting.
    fn receive(&mut self) -> VecDeque<(Kind, u32)> {
        let mut received = std::mem::take(&mut self.received);
        self.links.read(1000, &mut [0; 9000], |_, bytes| {
            let Ok(packet) = Packet::read(bytes) else { return };
            for item in packet.items().map(Result::unwrap) {
                let Item::Record(record) = item else { continue };
                let kind = match record.data {
                    Data::Ptr => Kind::Ptr,
                    Data::Srv { .. } => Kind::Srv,
                    Data::Txt(_) => Kind::Txt,
                };
                let instance = self.instance.get_or_insert_with(|| record.instance.to_vec());
                received.extend((packet.response && record.instance == *instance).then_some((kind, record.ttl)));
            }
        });
        received
    }

    /// Waits for a record, and returns those received before it.
    pub async fn wait_for(&mut self, record: (Kind, u32)) -> Vec<(Kind, u32)> {
        let mut before = Vec::new();
        let wait = async {
            loop {
                let mut received = self.receive();
                while let Some(next) = received.pop_front() {
                    if next == record {
                        self.received = received;
                        return;
                    }
                    before.push(next);
                }
                self.links.readable().await;
            }
        };
        timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{record:?}: {before:?}"));
        before
    }

    /// Returns all records sent before the call, by sending a packet of its own and waiting for it.
    pub async fn received_until_now(&mut self) -> Vec<(Kind, u32)> {
        const LAST: (Kind, u32) = (Kind::Srv, 77_777);
        let label = String::from_utf8(self.instance.clone().expect("a node was received before")).unwrap();
        let last = record(&format!("{label}._darkchat._udp.local"), kind::SRV, LAST.1, &[0; 6]);
        self.send(&packet_of(&[], &[last]));
        let before = self.wait_for(LAST).await;
        self.received.retain(|received| *received != LAST);
        before.into_iter().filter(|received| *received != LAST).collect()
    }

    /// Multicasts a packet on all links.
    pub fn send(&self, bytes: &[u8]) {
        self.links.iter().for_each(|(index, _)| self.links.send(index, bytes));
    }
}

/// The TXT records that the responder sends, that the driver sends, and of a goodbye.
const BY_RESPONDER: (Kind, u32) = (Kind::Txt, 4500);
const BY_DRIVER: (Kind, u32) = (Kind::Txt, 120);
const GOODBYE: (Kind, u32) = (Kind::Txt, 0);

struct Running {
    inputs: mpsc::Receiver<Event>,
    counters: Arc<Counters>,
    leave: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    /// Keeps the channel of interfaces open.
    _interfaces: watch::Sender<Vec<Interface>>,
}

fn run(boot: u64, mdns_port: u16) -> Running {
    let (sender, interfaces) = watch::channel(if_addrs::get_if_addrs().unwrap());
    let (events, inputs) = mpsc::channel(64);
    let (leave, left) = oneshot::channel();
    let counters = Arc::new(Counters::default());
    let (network, port, ui) = (NetworkKey::open(), 4000 + boot as u16, crate::handle::notices::channel().0);
    let lan = Lan { boot: BootId(boot), network, port, mdns_port, interfaces, heard: Arc::default(), ui };
    let task = tokio::spawn(lan.run(events, counters.clone(), left));
    Running { inputs, counters, leave, task, _interfaces: sender }
}

#[tokio::test]
async fn two_nodes_on_one_host_sight_each_other_and_report_a_goodbye() {
    let mdns_port = private_port();
    let (mut first, mut second) = (run(1, mdns_port), run(2, mdns_port));
    sighted(&mut second.inputs, BootId(1)).await;
    sighted(&mut first.inputs, BootId(2)).await;
    second.leave.send(()).unwrap();
    second.task.await.unwrap();
    let gone = async {
        while !matches!(first.inputs.recv().await, Some(Event::Input(Input::Unsighted { boot: BootId(2), .. }))) {}
    };
    timeout(Duration::from_secs(20), gone).await.expect("the goodbye is reported");
}

#[tokio::test]
async fn on_a_new_link_the_driver_announces_in_addition_to_the_responder_and_repeats_its_sightings() {
    let mdns_port = private_port();
    let mut observer = Observer::new(mdns_port);
    let start = Instant::now();
    let mut node = run(1, mdns_port);
    observer.wait_for(BY_RESPONDER).await;
    observer.wait_for(BY_DRIVER).await;
    let _other = run(2, mdns_port);
    let mut seen = std::collections::BTreeSet::new();
    while seen.insert(sighted(&mut node.inputs, BootId(2)).await) {}
    assert!(start.elapsed() < ROUND * 4 / 5, "before the first round");
}

/// Sends packets until the node detects a storm and announces itself.
async fn storm(observer: &mut Observer, counters: &Counters) {
    observer.wait_for(BY_RESPONDER).await;
    (0..100).for_each(|_| observer.send(b"nonsense"));
    while counters.mdns_storms.get() == 0 {
        observer.wait_for(BY_DRIVER).await;
    }
    observer.received_until_now().await;
}

#[tokio::test]
async fn in_a_storm_the_driver_announces_without_a_goodbye_and_afterwards_the_responder_does_again() {
    let mdns_port = private_port();
    let mut observer = Observer::new(mdns_port);
    let mut node = run(1, mdns_port);
    storm(&mut observer, &node.counters).await;
    let before = observer.wait_for(BY_DRIVER).await;
    let mut late = run(2, mdns_port);
    sighted(&mut node.inputs, BootId(2)).await;
    sighted(&mut late.inputs, BootId(1)).await;
    let between = observer.wait_for(BY_RESPONDER).await;
    assert!(before.iter().chain(&between).all(|(_, ttl)| *ttl > 0), "{before:?}, then {between:?}");
    assert_eq!(node.counters.mdns_storms.get(), 1);
}

#[tokio::test]
async fn a_node_that_stops_in_a_storm_says_goodbye() {
    let mdns_port = private_port();
    let mut observer = Observer::new(mdns_port);
    let node = run(1, mdns_port);
    storm(&mut observer, &node.counters).await;
    node.leave.send(()).unwrap();
    observer.wait_for(GOODBYE).await;
}

async fn sighted(inputs: &mut mpsc::Receiver<Event>, expected: BootId) -> SocketAddr {
    let seen = async {
        loop {
            if let Some(Event::Input(Input::Sighted { boot, addr })) = inputs.recv().await {
                assert_eq!(boot, expected, "a node does not sight itself");
                assert_eq!(addr.port(), 4000 + expected.0 as u16);
                return addr;
            }
        }
    };
    timeout(Duration::from_secs(20), seen).await.expect("sighted")
}
