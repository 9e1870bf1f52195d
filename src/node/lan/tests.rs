use super::packet::tests::{packet_of, record};
use super::packet::{Data, Item, Packet, kind};
use super::*;
use tokio::time::timeout;

#[test]
fn rounds_are_three_seconds_and_a_half_with_jitter_and_a_minute_in_a_crowd() {
    for _ in 0..100 {
        assert!((2800..=3500).contains(&round(ROUND, 0).as_millis()));
        assert!(round(ROUND, 1024) <= LONGEST_ROUND);
        assert!(round(ROUND, 1024) > Duration::from_secs(40));
    }
}

/// A port of mDNS for one test.
pub fn private_port() -> u16 {
    20_000 + u16::from_be_bytes(random()) % 20_000
}

/// Listens to the first node that announces itself, and says anything.
pub struct Bystander {
    links: Links,
    of: Option<Vec<u8>>,
    heard: VecDeque<(Kind, u32)>,
}

/// What kind of record was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Ptr,
    Srv,
    Txt,
}

impl Bystander {
    pub fn new(mdns_port: u16) -> Bystander {
        let mut links = Links::open(mdns_port).unwrap();
        links.update(&if_addrs::get_if_addrs().unwrap());
        Bystander { links, of: None, heard: VecDeque::new() }
    }

    /// Kinds and times to live of the records that have come.
    fn hear(&mut self) -> VecDeque<(Kind, u32)> {
        let mut heard = std::mem::take(&mut self.heard);
        self.links.read(1000, &mut [0; 9000], |_, bytes| {
            let Ok(packet) = Packet::read(bytes) else { return };
            for item in packet.items().map(Result::unwrap) {
                let Item::Record(record) = item else { continue };
                let kind = match record.data {
                    Data::Ptr => Kind::Ptr,
                    Data::Srv { .. } => Kind::Srv,
                    Data::Txt(_) => Kind::Txt,
                };
                let of = self.of.get_or_insert_with(|| record.instance.to_vec());
                heard.extend((packet.response && record.instance == *of).then_some((kind, record.ttl)));
            }
        });
        heard
    }

    /// Waits for a record, and gives back what came before it.
    pub async fn waits_for(&mut self, record: (Kind, u32)) -> Vec<(Kind, u32)> {
        let mut before = Vec::new();
        let waits = async {
            loop {
                let mut heard = self.hear();
                while let Some(next) = heard.pop_front() {
                    if next == record {
                        self.heard = heard;
                        return;
                    }
                    before.push(next);
                }
                self.links.readable().await;
            }
        };
        timeout(Duration::from_secs(20), waits).await.unwrap_or_else(|_| panic!("{record:?}: {before:?}"));
        before
    }

    /// Everything that was said before this.
    pub async fn catches_up(&mut self) -> Vec<(Kind, u32)> {
        const LAST: (Kind, u32) = (Kind::Srv, 77_777);
        let of = String::from_utf8(self.of.clone().expect("somebody was heard")).unwrap();
        let last = record(&format!("{of}._darkchat._udp.local"), kind::SRV, LAST.1, &[0; 6]);
        self.says(&packet_of(&[], &[last]));
        let before = self.waits_for(LAST).await;
        self.heard.retain(|heard| *heard != LAST);
        before.into_iter().filter(|heard| *heard != LAST).collect()
    }

    pub fn says(&self, bytes: &[u8]) {
        self.links.all().for_each(|(index, _)| self.links.say(index, bytes));
    }
}

/// What the responder says of the instance, and what we do.
const OF_RESPONDER: (Kind, u32) = (Kind::Txt, 4500);
const OF_US: (Kind, u32) = (Kind::Txt, 120);
const GOODBYE: (Kind, u32) = (Kind::Txt, 0);

struct Running {
    inputs: mpsc::Receiver<Event>,
    counters: Arc<Counters>,
    leave: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    /// Interfaces are looked at no more.
    _seen: watch::Sender<Vec<Interface>>,
}

fn run(boot: u64, mdns_port: u16) -> Running {
    let (seen, interfaces) = watch::channel(if_addrs::get_if_addrs().unwrap());
    let (events, inputs) = mpsc::channel(64);
    let (leave, left) = oneshot::channel();
    let counters = Arc::new(Counters::default());
    let lan = Lan { boot: BootId(boot), network: NetworkKey::open(), port: 4000 + boot as u16, mdns_port, interfaces };
    let task = tokio::spawn(lan.run(events, counters.clone(), left));
    Running { inputs, counters, leave, task, _seen: seen }
}

#[tokio::test]
async fn two_nodes_of_one_host_sight_each_other_and_their_going() {
    let mdns_port = private_port();
    let (mut first, mut second) = (run(1, mdns_port), run(2, mdns_port));
    sighted(&mut second.inputs, BootId(1)).await;
    sighted(&mut first.inputs, BootId(2)).await;
    second.leave.send(()).unwrap();
    second.task.await.unwrap();
    let gone = async {
        while !matches!(first.inputs.recv().await, Some(Event::Input(Input::Unsighted { boot: BootId(2), .. }))) {}
    };
    timeout(Duration::from_secs(20), gone).await.expect("the goodbye is heard");
}

#[tokio::test]
async fn while_a_link_is_new_a_node_announces_itself_beside_its_responder_and_tells_again_whom_it_has_sighted() {
    let mdns_port = private_port();
    let mut bystander = Bystander::new(mdns_port);
    let start = Instant::now();
    let mut node = run(1, mdns_port);
    bystander.waits_for(OF_RESPONDER).await;
    bystander.waits_for(OF_US).await;
    let _other = run(2, mdns_port);
    let mut seen = std::collections::BTreeSet::new();
    while seen.insert(sighted(&mut node.inputs, BootId(2)).await) {}
    assert!(start.elapsed() < ROUND * 4 / 5, "before any round does");
}

/// Makes a storm, until a node announces itself.
async fn storm(bystander: &mut Bystander, counters: &Counters) {
    bystander.waits_for(OF_RESPONDER).await;
    (0..100).for_each(|_| bystander.says(b"nonsense"));
    while counters.mdns_storms.get() == 0 {
        bystander.waits_for(OF_US).await;
    }
    bystander.catches_up().await;
}

#[tokio::test]
async fn in_a_storm_a_node_announces_itself_with_no_goodbye_and_after_it_the_responder_does_again() {
    let mdns_port = private_port();
    let mut bystander = Bystander::new(mdns_port);
    let mut node = run(1, mdns_port);
    storm(&mut bystander, &node.counters).await;
    let before = bystander.waits_for(OF_US).await;
    let mut late = run(2, mdns_port);
    sighted(&mut node.inputs, BootId(2)).await;
    sighted(&mut late.inputs, BootId(1)).await;
    let between = bystander.waits_for(OF_RESPONDER).await;
    assert!(before.iter().chain(&between).all(|(_, ttl)| *ttl > 0), "{before:?}, then {between:?}");
    assert_eq!(node.counters.mdns_storms.get(), 1);
}

#[tokio::test]
async fn whoever_leaves_in_a_storm_says_goodbye_all_the_same() {
    let mdns_port = private_port();
    let mut bystander = Bystander::new(mdns_port);
    let node = run(1, mdns_port);
    storm(&mut bystander, &node.counters).await;
    node.leave.send(()).unwrap();
    bystander.waits_for(GOODBYE).await;
}

async fn sighted(inputs: &mut mpsc::Receiver<Event>, whom: BootId) -> SocketAddr {
    let seen = async {
        loop {
            if let Some(Event::Input(Input::Sighted { boot, addr })) = inputs.recv().await {
                assert_eq!(boot, whom, "nobody sights themselves");
                assert_eq!(addr.port(), 4000 + whom.0 as u16);
                return addr;
            }
        }
    };
    timeout(Duration::from_secs(20), seen).await.expect("sighted")
}
