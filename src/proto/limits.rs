//! Every number of the core, with its reason. Sizes of frames and records are grammar and stand in `wire`.

use std::time::Duration;

/// Connections of a client: ten neighbours keep a network whole (`docs/decisions.md`), the rest is room for links that
/// are online at once and for newcomers.
pub const MAX_NEIGHBOURS: usize = 128;
/// Connections of a relay or server; about 45 KiB each.
pub const MAX_NEIGHBOURS_RELAY: usize = 2048;
/// Connections kept to people on the local link who are not linked: enough that a newcomer's first line finds an open
/// path, few enough that a hall of a hundred laptops is not ten thousand connections.
pub const MAX_NEARBY_KEPT: usize = 12;
/// And to relays and servers on it: whoever has none is on an island alone, and who claims the role gains a connection.
pub const MAX_CARRIERS_KEPT: usize = 8;
/// With fewer strangers than this, friends of the missing are dialled. The rest is room for those who dial me.
pub const MAX_STANDING_IN: usize = 8;

/// Connections of one session: it may race as many of my addresses as I would of its own.
pub const MAX_CONNECTIONS_PER_SESSION: usize = MAX_DIALS_PER_SESSION;

/// Both hellos must be there after this long: three retransmissions at a 100 ms first guess of the round trip, twice.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// Two dials of one boot that cross have both been answered within this long: the dial time-out and a second.
pub const CROSSING: Duration = Duration::from_secs(5);
/// After a connection died, its session counts as lost unless it is back by then: thrice a handshake at 30 % loss. With
/// the shell's idle time-out in front a killed peer is shown as lost within 15 s.
pub const LOST_GRACE: Duration = Duration::from_secs(1);
/// A neighbour that does not answer a probe for this long is dialled anew, beside the connection: on the local link an
/// answer takes a tenth of it, and from far away a handshake is all that is wasted.
pub const PROBE_PATIENCE: Duration = Duration::from_millis(250);

/// Shortest pause between two rounds of seeking (design §5).
pub const SEEK_FIRST: Duration = Duration::from_secs(1);
/// Otherwise the pause is this part of the time that was sought: whoever was cut off for a minute is dialled within a
/// quarter of one after the mend, and in the first hour of an absence there are some forty rounds.
pub const SEEK_PART: u32 = 4;
/// Longest pause between two rounds of seeking (design §5).
pub const SEEK_LONGEST: Duration = Duration::from_secs(300);
/// Between two glances at where somebody missing was, however long the pauses between their rounds have grown: five dials a
/// minute, so that parts of a network between which there is a single link meet within 15 s of being joined, even after a
/// week. With jitter it is at most a quarter longer.
pub const GLANCE: Duration = Duration::from_secs(12);
/// A connection that lasted this long was no door closed in our face: when it is lost, it is sought without a pause.
pub const SETTLED: Duration = Duration::from_secs(10);
/// Dials at once (design §5).
pub const MAX_DIALS: usize = 32;
/// Of these at most so many to where announcements of the local link lead: anybody can announce, and whoever is sought
/// must not wait for it.
pub const MAX_SIGHTING_DIALS: usize = 24;
/// And so many to one IP address, or a third of what is free if that is less: several nodes on one host are dialled in
/// turns, and a few greedy addresses leave something for whoever comes next.
pub const MAX_SIGHTING_DIALS_PER_IP: usize = 6;
/// The local link shows somebody where a dial has been unanswered for this long: that one lost its first packets, and
/// sends the next ones seconds apart. Another is started beside it.
pub const DIAL_STALE: Duration = Duration::from_secs(1);
/// Dials at once to the addresses of one session.
pub const MAX_DIALS_PER_SESSION: usize = 8;

/// Addresses remembered of a session: eight declared ones, and those it was met at.
pub const MAX_ADDRESSES: usize = 12;
/// Sessions remembered before the oldest are pruned: about a hundred within two links, the sample of a closed network, and
/// those of former times. At 1 KiB each (design §11) a quarter of a megabyte for a client.
pub const MAX_SESSIONS: usize = 256;
/// Sessions remembered by a server (design §11).
pub const MAX_SESSIONS_SERVER: usize = 100_000;
/// Sessions, and users, in the directory of a relay: those of a large gathering, in 16 MB at most.
pub const MAX_SESSIONS_RELAY: usize = 16_384;
/// Announcements of the local link that are remembered.
pub const MAX_SIGHTINGS: usize = 1_024;

/// A session that was not heard of for this long and is there again is news about all who are missing.
pub const AWAY: Duration = Duration::from_secs(30);
/// So many who come within so long are a part of the network that has been joined to mine: news about all who are missing.
pub const CROWD: u32 = 3;
pub const CROWD_WITHIN: Duration = Duration::from_secs(3);
/// My declaration is pushed again when nothing else made me push it, so that a lost one does not stay lost: after half of
/// this time to one and a half, so that a network that started together does not speak all at once.
pub const REFRESH: Duration = Duration::from_secs(30 * 60);

/// Prekeys rotate daily (design §6).
pub const PREKEY_ROTATION: Duration = Duration::from_secs(24 * 3600);
/// A key card is used for this long after it came (design §6).
pub const CARD_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// Envelopes live this long at most (design §6).
pub const ENVELOPE_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// What one session of an addressee has leaves the outbox after this, though another session still lacks it. An envelope to
/// that session would have ended as well.
pub const SETTLED_AFTER: Duration = ENVELOPE_LIFE;
/// Between two looks for such messages.
pub const SETTLE_EVERY: Duration = Duration::from_secs(3600);
/// Private halves of prekeys are deleted after validity, envelope life and one day of skew (design §6).
pub const PREKEY_LIFE: Duration = Duration::from_secs(29 * 24 * 3600);

/// Messages of mine that may wait. What is over it is refused before it is stored.
pub const MAX_WAITING: usize = 200_000;
/// Bytes of text that may wait: they are held in memory until they are delivered.
pub const MAX_WAITING_BYTES: usize = 64 << 20;
/// Envelopes on their way to one session and not yet released. 32 of up to 33 KiB keep a disk busy with group commits, and
/// are all that a peer who opens them and never answers can make us hold.
pub const WINDOW: usize = 32;
/// What was sent and not receipted is sent anew after this long if no news came before; doubles up to [`SEEK_LONGEST`].
pub const RESEND_FIRST: Duration = Duration::from_secs(10);

/// Bytes of envelopes that a relay or server keeps for others: they are held in memory too, and a
/// Raspberry Pi has a gigabyte. Strangers together get a quarter of it (design §6), one member half.
pub const CUSTODY_BYTES: usize = 64 << 20;
/// And so many of them, each with some 400 bytes of book-keeping.
pub const CUSTODY_ITEMS: usize = 65_536;
/// What one stranger may deposit: a megabyte, in envelopes of a kilobyte a long conversation.
pub const STRANGER_BYTES: usize = 1 << 20;
pub const STRANGER_ITEMS: usize = 512;
/// Releases remembered, so that copies that come later are let go: as many as envelopes.
pub const MAX_TOMBSTONES: usize = CUSTODY_ITEMS;
/// Copies of an envelope where nobody knows where its addressee is (design §6; spray and wait with 4 copies reaches 98 %
/// within a day where direct delivery reaches 63 %, `docs/decisions.md`).
pub const SPRAY: u8 = 4;
/// Envelopes handed to one neighbour and not answered: a disk's group commit takes as many at once.
pub const HANDOVER_WINDOW: usize = 32;
/// Items of the chat stream that wait for the hellos of their connections, of all together: what sixteen neighbours hand over
/// at once, 17 MiB at most.
pub const MAX_EARLY: usize = 16 * HANDOVER_WINDOW;
/// A carrier without room is left alone for so long.
pub const HANDOVER_FULL: Duration = Duration::from_secs(60);
/// What a neighbour declined it is sent again after [`HANDOVER_FULL`], which doubles up to this while it takes nothing.
pub const DECLINED_LONGEST: Duration = Duration::from_secs(3600);
/// Envelopes a neighbour may have declined before nothing more goes to it until then.
pub const MAX_DECLINED: usize = 4_096;
/// Unopenables taken of one neighbour, each two signatures to check and a row to write: two windows, then one a second.
pub const UNOPENABLE_BURST: u32 = 2 * HANDOVER_WINDOW as u32;
pub const UNOPENABLE_REFILL: Duration = Duration::from_secs(1);
/// Times that mail to one user is sealed anew because somebody could not open it: as often, and then once a minute.
pub const SEALED_ANEW_BURST: u32 = 2 * HANDOVER_WINDOW as u32;
pub const SEALED_ANEW_REFILL: Duration = Duration::from_secs(60);
/// Envelopes of mine to one user that nobody has taken yet; what is typed meanwhile goes into the next one together.
pub const MAIL_WINDOW: usize = 4;
/// Receipts under way to people whom I have not linked myself: an eighth of the envelopes that a relay takes of one
/// stranger. Beyond it they are owed.
pub const MAX_RECEIPTS_TO_STRANGERS: usize = 64;
/// Bytes of envelopes that I keep of my own: what is over it waits in the outbox.
pub const MAX_OWN_CUSTODY: usize = 32 << 20;
/// And of receipts among them, which strangers can make me write: a quarter, as of what strangers may deposit. Beyond it
/// they are owed.
pub const MAX_OWN_RECEIPTS: usize = MAX_OWN_CUSTODY / 4;
/// Envelopes that a node which is no carrier passes between two others and remembers until they are answered.
pub const MAX_FORWARDED: usize = 1_024;
/// Envelopes that the offers at a meeting speak of, in all, and so many are heard of on one connection: half a megabyte of
/// ids.
pub const MAX_OFFERED_AT_ONCE: usize = 16_384;
/// Sessions that are owed a receipt by mail.
pub const MAX_OWED: usize = 4_096;
/// Carriers of one stream that are remembered.
pub const MAX_CARRIERS: usize = 16;
/// Whoever took mail to somebody who is said to be near is to show the first release within so long: a chain of ten relays
/// takes a second of it (`docs/mail.md`), a slow link most of the rest.
pub const WATCH: Duration = Duration::from_secs(10);
/// A carrier by whom mail did not arrive is doubted for so long.
pub const DOUBT: Duration = Duration::from_secs(600);
/// Envelopes that are watched of those that one neighbour took to one user; and pairs of neighbour and user. 640 bytes each.
pub const MAX_WATCHED_MAIL: usize = 16;
pub const MAX_WATCHED_WAYS: usize = 4_096;
/// Carriers that are doubted about everybody, for they had most of the ways when those were too many to watch.
pub const MAX_DISTRUSTED: usize = 128;
/// Sessions remembered that have a certain envelope: four copies are sprayed, and whoever claims to have it takes 32 bytes.
pub const MAX_HOLDERS: usize = 16;

/// How far a received Lamport counter may be ahead of mine; more counts as this much.
pub const MAX_LAMPORT_JUMP: u64 = 1 << 20;
/// Counters are stored ahead in blocks, so that typing a line is one write and not two.
pub const COUNTER_BLOCK: u64 = 1024;

/// Links accepted by themselves: more than a person meets in a day, few enough that a link list, signed and sent anew with
/// every change, stays a few pages. Beyond it requests are asked about, as with `--accept ask`.
pub const MAX_AUTO_LINKS: usize = 256;

/// Ranges in which the received numbers of one stream are kept. An honest author leaves a gap only for a line withdrawn;
/// whoever leaves more makes every commit rewrite a longer row. What would open one more is not taken, nor acknowledged.
pub const MAX_GAPS: usize = 512;
/// Epochs taken from one envelope, so that it is answered by one receipt. The author sends the rest again.
pub const MAX_EPOCHS_PER_ENVELOPE: usize = MAX_RECEIPT_STREAMS;
/// Envelopes to old keys that are handed back on a connection before one could be opened: a window, and again.
pub const MAX_HANDED_BACK: u32 = 2 * WINDOW as u32;
/// Envelopes that a session may find unopenable before it has released one; then it is left alone until the next resend.
pub const MAX_UNOPENED: u32 = 2 * WINDOW as u32;

/// Between two receipts to one session. Nobody sees a twentieth of a second; a receipt costs two people three
/// multiplications on the curve, a signature and a check.
pub const RECEIPT_PAUSE: Duration = Duration::from_millis(50);
/// Streams one receipt speaks of; the others go in another.
pub const MAX_RECEIPT_STREAMS: usize = 16;
/// Ranges one receipt gives of a stream: the newest.
pub const MAX_RECEIPT_RANGES: usize = 128;
/// Ranges of all streams in one receipt, so that it fits a content however large the numbers are: 19 bytes each, and 51 for a
/// stream.
pub const MAX_RECEIPT_TOTAL: usize = 850;
const _: () = assert!(MAX_RECEIPT_TOTAL * 19 + MAX_RECEIPT_STREAMS * 51 + 5 <= crate::wire::content::MAX_BODY);

/// `\chat` and `\add` look for an unknown name this long (`cli.md`).
pub const LOOKUP: Duration = Duration::from_secs(5);
/// Names that may be looked for at once.
pub const MAX_LOOKUPS: usize = 64;
/// Places at which one user must answer, of addresses that were typed or given: more than anybody types.
pub const MAX_PLACES_EXPECTED: usize = 1_024;
/// `\ping` gives up after this long.
pub const PING_DEADLINE: Duration = Duration::from_secs(5);

/// A connection that brought this many bad records is closed.
pub const MAX_STRIKES: u32 = 3;
/// How far above mine a seq may be that others claim to know of me: 70 years of milliseconds, so that a node whose clock
/// stands at 1970 reaches what it signed in a better time, and no liar brings the counter near its end.
pub const MAX_SEQ_JUMP: u64 = 1 << 41;
/// Users that the faces are warned about.
pub const MAX_WARNED: usize = 1_024;
/// A key that keeps knowing a higher seq of mine than I do is a clone of mine (design §3).
pub const MAX_SEQ_JUMPS: u32 = 3;

/// Settled messages of a conversation that `\status` still shows.
pub const STATUS_RECENT: u32 = 20;

/// Users of whom the store keeps a row. Beyond it contents of new strangers are dropped: a thousand keys a day by one
/// attacker must not fill a disk.
pub const MAX_KEPT_USERS: usize = 100_000;
/// Streams received of one session: one for every start in which it wrote to me. Beyond it new ones are dropped.
pub const MAX_STREAMS_PER_SESSION: usize = 10_000;
/// Changes that may wait for the disk before envelopes are dropped; their authors send them anew.
pub const MAX_UNSTORED: u64 = 65_536;

/// Pages of a link list that are taken: a thousand links.
pub const MAX_LIST_PAGES: u16 = 16;
/// Users whose link lists are remembered. A friend of a thousand people brings so many; a server has everybody's.
pub const MAX_HORIZON: usize = 100_000;
/// Users two steps away whose records are kept, over all friends: those beyond it are seen only in their friends' lists.
pub const MAX_FAR_USERS: usize = 4_096;

/// The k-th who could pass a declaration on offers it after so many of these: time for the first one's copy to come over a
/// slow link.
pub const OFFER_STEP: Duration = Duration::from_millis(200);
/// Bytes of my link list that go out in a step, to one neighbour or to many.
pub const PUSH_BYTES: usize = 64 * 1024;
/// Between two steps. Two hundred friends have a new list of two hundred entries in 4 s, and each of them reads less than
/// a neighbour may say.
pub const PUSH_STEP: Duration = Duration::from_millis(100);
/// Offers that wait. What is beyond is left to the digest of the next meeting.
pub const MAX_OFFERS: usize = 4_096;
/// Common friends whose word that somebody is there is remembered.
pub const MAX_WITNESSES: usize = 8;

/// A session that asked for somebody is told for this long when they come (design §5).
pub const INTEREST: Duration = Duration::from_secs(600);
/// Questions remembered of one asker, and in all.
pub const MAX_INTERESTS_PER_ASKER: usize = 64;
pub const MAX_INTERESTS: usize = 4_096;
/// Ping requests taken from one asker: as many at once as it may have remembered, then ten a minute
/// (design §5: budgets per asker; a request costs one message and a look-up).
pub const PING_BURST: u32 = 64;
pub const PING_REFILL: Duration = Duration::from_secs(6);
/// Requests of one asker for one target that are passed on: at the first miss, when the two are linked, after a restart;
/// then one in so long.
pub const PING_PAIR_BURST: u32 = 4;
pub const PING_PAIR: Duration = Duration::from_secs(30);
/// Hops of a request over relays, as of a question for a name.
pub const ASK_HOPS: u8 = FIND_HOPS;
/// Questions over relays that a relay remembers, and those of them that one relay beside it brings; a client brings as many
/// as it may have remembered elsewhere. Each is a kilobyte, with what was answered.
pub const MAX_RELAYED_QUERIES: usize = 4_096;
pub const MAX_RELAYED_QUERIES_PER_RELAY: usize = 1_024;
/// Times that one declaration is passed on to where a question came from: its session may come and go once in ten seconds
/// until the question is asked anew.
pub const MAX_PASSED: u32 = 32;
/// Sessions that answer one question (`wire::record`: as many as a roster has).
pub const MAX_ANSWERS_PER_QUERY: usize = 16;
/// Common friends, and servers, that are asked in one round of seeking.
pub const ASKED_FRIENDS: usize = 3;
pub const ASKED_SERVERS: usize = 2;
/// Relays and servers that are asked for one user over several hops, while they are connected.
pub const ASKED_RELAYS: usize = 4;
/// Whoever is sought for longer than this is asked for at one of each kind in a round: who was asked before remembers it, and
/// a network in halves has hours of time.
pub const ASKED_AT_FIRST: Duration = Duration::from_secs(60);
/// Dials a minute to one IP address that nobody's key ever answered at, from all causes: nobody may use us to knock on a
/// third party's door.
pub const UNPROVEN_DIALS_PER_IP: u32 = 2;
pub const UNPROVEN_REFILL: Duration = Duration::from_secs(30);
/// Dials to addresses that an introducer gave and nobody answered at, before it is not believed for a while.
pub const FAILED_INTRODUCTIONS: u32 = 8;
pub const INTRODUCTION_REFILL: Duration = Duration::from_secs(60);

/// Hops of a question for a name (design §4), and the neighbours it goes to first.
pub const FIND_HOPS: u8 = 16;
pub const FIND_NEIGHBOURS: usize = 16;
/// A question is open for as long as somebody waits for its answer, and a moment more.
pub const FIND_LIFE: Duration = Duration::from_secs(8);
/// Questions open at once, and those of one neighbour: a burst, then one every two seconds.
pub const MAX_FINDS: usize = 1_024;
pub const FIND_BURST: u32 = 32;
pub const FIND_REFILL: Duration = Duration::from_secs(2);
/// Questions, for names and for pings, that one relay may pass on: for a thousand askers at once, then as many as a neighbour
/// may say anything (design §7).
pub const RELAYED_BURST: u32 = 1_024;
pub const RELAYED_REFILL: Duration = Duration::from_millis(50);
/// Others of the same name may answer within this long after the first.
pub const FIND_SETTLE: Duration = Duration::from_millis(300);

/// Changes of who is how far wait this long, so that relays announce many together: a tenth of a second a hop.
pub const ANNOUNCE_PAUSE: Duration = Duration::from_millis(100);
/// Changes that are announced together: one digest to each relay, so a thousand a second.
pub const ANNOUNCED_AT_ONCE: usize = crate::wire::control::MAX_MARKS;
/// Users that one relay may announce, as many as a meeting speaks of, and those announced by all: 60 bytes each.
pub const MAX_ANNOUNCED_PER_NEIGHBOUR: usize = 4_096;
pub const MAX_ANNOUNCED: usize = 65_536;
/// Announcements taken of one relay: all it has, twice, and then as fast as an honest one sends them.
pub const ANNOUNCEMENT_BURST: u32 = 2 * MAX_ANNOUNCED_PER_NEIGHBOUR as u32;
pub const ANNOUNCEMENT_REFILL: Duration = Duration::from_millis(1);

/// Random neighbours (design §5): three in ten, at least so many and at most so many.
pub const MIN_RANDOM: usize = 3;
pub const MAX_RANDOM: usize = 12;
/// Members of a closed network that are remembered to choose from. Ten live ones in a hundred are found again after the
/// crash of nine nodes in ten.
pub const MAX_MEMBERS: usize = 64;
pub const MAX_MEMBERS_SERVER: usize = 1_024;
/// Members in one sample (`wire::control`).
pub const SAMPLE: usize = 8;
/// Who was heard of longer ago is not passed on in a sample.
pub const SAMPLE_FRESH: Duration = Duration::from_secs(600);
/// Samples taken of one neighbour: a burst, then one a minute.
pub const SAMPLE_BURST: u32 = 4;
pub const SAMPLE_REFILL: Duration = Duration::from_secs(60);
/// Members dialled at once for the random share.
pub const RANDOM_TRIES: usize = 16;

/// Between two floods of one user (design §5).
pub const EXPLODE_PAUSE: Duration = Duration::from_secs(600);
/// A flood is waited for so long: two hops there and back over slow links.
pub const EXPLODE_DEADLINE: Duration = Duration::from_secs(3);
/// Floods remembered.
pub const MAX_FLOODS: usize = 1_024;

/// How long a session that woke without a memory goes on asking for it.
pub const RECOVERY: Duration = Duration::from_secs(600);
