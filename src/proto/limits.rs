//! Every limit and interval of the core, with its reason. Sizes of frames and records belong to the wire format and are
//! defined in [`wire`](crate::wire).

use std::time::Duration;

/// Connections of a client: ten neighbours keep a network connected (`docs/horizon.md`). The rest is for links that are
/// online at once and for newcomers.
pub const MAX_NEIGHBOURS: usize = 128;
/// Connections of a relay or server, of about 45 KiB each.
pub const MAX_NEIGHBOURS_RELAY: usize = 2048;
/// Neighbours chosen at random among the strangers on the local link. A random graph in which each of a thousand nodes chooses
/// six others is connected, and with those that choose this node, a node has about twelve such connections, however many
/// nodes the link has (`docs/decisions.md`, "A hall").
pub const NEARBY_CHOSEN: usize = 6;
/// Idle connections kept to strangers that chose this node: as many as choose a node on average, and a third more.
pub const STRANGERS_KEPT: usize = 8;
/// Connections kept to strangers that chose this node, idle or not.
pub const STRANGERS_CONNECTED: usize = 48;
/// A stranger's connection is not judged before this time: what it brings, a link or an envelope, is read first.
pub const JUDGED_AFTER: Duration = Duration::from_secs(10);
/// A connection that carried an envelope or a question within this time is in use.
pub const IN_USE: Duration = Duration::from_secs(60);
/// Interval between two reviews of the connections to strangers while nothing changes.
pub const REVIEW: Duration = Duration::from_secs(10);
/// Interval between two reviews while there are too many, and after a change.
pub const REVIEW_SOON: Duration = Duration::from_secs(1);
/// Interval at which one chosen neighbour is replaced by another, so that no choice lasts for ever. A handshake in each
/// direction in this time costs 100 B/s.
pub const ROTATION: Duration = Duration::from_secs(120);
/// A place whose session has closed a connection as surplus is not chosen again for at least this long.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// A node that has been announced for this long and that no neighbour has told of is dialled beyond [`NEARBY_CHOSEN`].
pub const UNNAMED_AFTER: Duration = Duration::from_secs(5);
/// Connections kept to relays and servers of unlinked users that have not shown a release of an own envelope: a node without
/// any cannot leave its island, but the role is only a claim.
pub const CARRIERS_KEPT: usize = 4;
/// Connections kept to relays and servers of unlinked users that have shown a release, beside [`CARRIERS_KEPT`].
pub const PROVEN_CARRIERS_KEPT: usize = 4;
/// Carriers remembered as having shown a release: more than a node meets in a day.
pub const MAX_PROVEN: usize = 64;
/// Idle connections kept to strangers that this node has dialled for a reason. With fewer, friends of missing users are dialled.
pub const MAX_SUBSTITUTES: usize = 8;

/// New records on the link are told of after this pause, so that those of a crowd share messages.
pub const HEARSAY_PAUSE: Duration = Duration::from_millis(200);
/// A neighbour that was asked for records and has not answered within this time is given up for them.
pub const HEARSAY_PATIENCE: Duration = Duration::from_secs(3);
/// Records of nodes on the link sent to one address at once: those of a crowd.
pub const HEARSAY_BURST: u32 = 256;
/// Time until one more is sent. A record has 400 bytes, and up to 5 KiB.
pub const HEARSAY_REFILL: Duration = Duration::from_millis(50);
/// Marks of unknown nodes that are remembered of one neighbour: those of a hall of a thousand. Each takes about 50 bytes.
pub const MAX_MARKS: usize = 1_024;
/// Neighbours of which marks are remembered: more than a node keeps connections to on a link.
pub const MAX_TELLERS: usize = 32;

/// Connections of one session: it may race as many addresses as this node would.
pub const MAX_CONNECTIONS_PER_SESSION: usize = MAX_DIALS_PER_SESSION;

/// Time for both hellos: a kilobyte each way over a link of 9.6 kbit/s with a queue in front. The shell gives up sooner
/// if nothing arrives.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(15);
/// A session whose connection is lost while another one has proved its key has this long to send its hello there.
pub const HELLO_GRACE: Duration = Duration::from_secs(5);
/// Within this time, two crossing dials of one boot have both been answered: the dial time-out and a second.
pub const CROSSING: Duration = Duration::from_secs(5);
/// After its connection is lost, a session counts as lost unless it is back after this time: three handshakes at 30 %
/// loss. With the idle time-out of the connection before it, a killed peer is shown as lost within 15 s
/// (`docs/decisions.md`).
pub const LOST_GRACE: Duration = Duration::from_secs(1);
/// A neighbour that leaves a probe unanswered for this long, and for three round trips, is dialled in parallel. On the local link an answer takes a
/// tenth of it; from far away only a handshake is wasted.
pub const PROBE_PATIENCE: Duration = Duration::from_millis(250);

/// Shortest pause between two rounds of seeking (`docs/horizon.md`).
pub const SEEK_FIRST: Duration = Duration::from_secs(1);
/// The pause is this fraction of the time since the search began. A node that was cut off for a minute is dialled
/// within 15 s after its return, and the first hour of an absence takes about forty rounds.
pub const SEEK_PART: u32 = 4;
/// Longest pause between two rounds of seeking (`docs/horizon.md`). Events and [`PROBE_EVERY`] find a peer sooner.
pub const SEEK_LONGEST: Duration = Duration::from_secs(300);
/// Interval between background probes of missing users' last addresses, regardless of the pauses between rounds. With
/// five dials a minute, two parts of a network with a single link in common meet within 15 s of being joined, even
/// after a week. With jitter the interval is at most a quarter longer.
pub const PROBE_EVERY: Duration = Duration::from_secs(12);
/// A connection that lasted this long was not refused by the other side. When it is lost, it is sought without a pause.
pub const SETTLED: Duration = Duration::from_secs(10);
/// A user who has blocked this one is shown as online again after a connection that lasts this long. The answer to a hello
/// takes a round trip, on a thin link seconds.
pub const REFUSAL_OVER: Duration = Duration::from_secs(5);
/// Outstanding dials. With a time-out of 4 s per dial, at least eight addresses are tried per second.
pub const MAX_DIALS: usize = 32;
/// Outstanding dials to addresses announced on the local link. Anybody can announce, and sought users must not wait for
/// it.
pub const MAX_SIGHTING_DIALS: usize = 24;
/// Outstanding dials to one announced IP address, unless a third of the free ones is less. Several nodes on one host
/// are dialled in turn, and a few addresses with many announcements leave dials for the next.
pub const MAX_SIGHTING_DIALS_PER_IP: usize = 6;
/// A sighting starts another dial beside one that is older than this: that one has lost its first packets, and sends
/// the next ones seconds apart.
pub const DIAL_STALE: Duration = Duration::from_secs(1);
/// Outstanding dials to the addresses of one session.
pub const MAX_DIALS_PER_SESSION: usize = 8;

/// Addresses remembered of a session: eight declared ones, and those at which it was met.
pub const MAX_ADDRESSES: usize = 12;
/// Sessions that a client remembers before the oldest are pruned: about a hundred within two links, the sample of a
/// closed network, and former ones. At 1 KiB each they take 256 KiB.
pub const MAX_SESSIONS: usize = 256;
/// Sessions remembered by a server: 100 MB at 1 KiB each.
pub const MAX_SESSIONS_SERVER: usize = 100_000;
/// Sessions, and users, in the directory of a relay: those of a large gathering, in 16 MB at most.
pub const MAX_SESSIONS_RELAY: usize = 16_384;
/// Announcements on the local link that are remembered: a thousand nodes, each at an IPv4 and an IPv6 address, and again as many.
pub const MAX_SIGHTINGS: usize = 4_096;
/// Addresses at which one boot id is remembered to be announced: those of the interfaces of one node.
pub const MAX_PLACES_PER_BOOT: usize = 16;

/// When a session returns that was not heard of for this long, all missing users are retried.
pub const AWAY: Duration = Duration::from_secs(30);
/// If this many sessions arrive within [`CROWD_WITHIN`], a separated part of the network has been joined, and all
/// missing users are retried.
pub const CROWD: u32 = 3;
/// See [`CROWD`].
pub const CROWD_WITHIN: Duration = Duration::from_secs(3);
/// The declaration is pushed again after half to one and a half of this time, in case a push was lost. The spread
/// prevents that nodes which started together all push at once.
pub const REFRESH: Duration = Duration::from_secs(30 * 60);

/// A prekey is made every day (`docs/protocol.md`, section 9), so a stolen device opens the recorded traffic of
/// a few weeks only.
pub const PREKEY_ROTATION: Duration = Duration::from_secs(24 * 3600);
/// A key card is used for this long after its session published it (`docs/protocol.md`, section 9).
pub const CARD_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// The longest life of an envelope (`docs/protocol.md`, section 8).
pub const ENVELOPE_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// After this long, a message leaves the outbox if one session of the addressee has it, although another session lacks
/// it. An envelope to that session would have expired as well.
pub const SETTLED_AFTER: Duration = ENVELOPE_LIFE;
/// Mail to another session of the local user that is under way, in bytes. A session that is off for ever costs no more.
pub const MAX_MIRROR_MAIL: usize = 1024 * 1024;
/// Time until a line is mirrored to a session that is not connected, so that lines of one moment share an envelope.
pub const MIRROR_MAIL_PAUSE: Duration = Duration::from_secs(2);
/// Time until a line is mirrored to a connected session that reports a connection with its author: the author sends it too.
pub const MIRROR_DIRECT_PAUSE: Duration = Duration::from_secs(1);
/// Time until other own sessions are told of the lines taken from others, so that one message tells of many. It is shorter
/// than [`MIRROR_DIRECT_PAUSE`].
pub const NEWS_PAUSE: Duration = Duration::from_millis(100);
/// Numbers of a stream that one session gives to another that is far behind, while others give other blocks. A block takes a few
/// envelopes.
pub const SHARE_BLOCK: u64 = 512;
/// A session that lacks more numbers than this is far behind. Fewer are given by each who has them, without delay.
pub const SHARED_FROM: u64 = 64;
/// Time that others have to give their shares, from the moment at which this session has given its own. A share takes seconds.
pub const TAKE_OVER: Duration = Duration::from_secs(5);
/// Mirrors in flight to a session: about 130 KB, enough for a fast link while the store reads the next ones.
pub const MIRROR_WINDOW: usize = 8;
/// Lines that are read from the store at once for a session.
pub const MIRROR_NUMBERS: u64 = 1_024;
/// Bytes of them at most, except for a single line.
pub const MIRROR_BYTES: usize = 128 * 1024;
/// Changes that are taken at once for mirrors.
pub const MAX_CHANGES_AT_ONCE: usize = 32;
/// Changes of which some other own session has not been told. Each takes about 400 bytes. Those about people and about what was read are
/// found by the comparison at the next meeting, too.
pub const MAX_CHANGES: usize = 16_384;
/// Records of which session of an addressee has which lines of another own session, in memory. Each takes about 150 bytes.
pub const MAX_SISTER_RECEIPTS: usize = 16_384;
/// Streams in all that other own sessions claim to hold and this one does not know, in memory. Each takes about 400 bytes.
pub const MAX_CLAIMED_STREAMS: usize = 65_536;
/// Ranges of such a stream. A correct session has few, since gaps close.
pub const MAX_CLAIMED_RANGES: usize = 8;
/// Comparisons of another own session that are answered at once: one for each connection, and some that arrive twice. Each
/// answer may list every stream.
pub const COMPARISON_BURST: u32 = 4;
/// Time until one more is answered.
pub const COMPARISON_REFILL: Duration = Duration::from_secs(10);
/// Streams of which it is known what was read, each about 150 bytes. A user with ten friends who start their nodes daily comes
/// to this number in 18 years.
pub const MAX_READ_STREAMS: usize = 65_536;
/// Ranges that may be read of one stream: what two sessions with [`MAX_GAPS`] have between them.
pub const MAX_READ_RANGES: usize = 2 * MAX_GAPS;
/// Interval between reports to the interfaces while a new session gets the history.
pub const MIRROR_REPORT: Duration = Duration::from_secs(2);
/// Interval between searches for such messages.
pub const SETTLE_EVERY: Duration = Duration::from_secs(3600);
/// Private halves of prekeys are deleted after this long: 14 days of a card, 14 of an envelope, and one between two
/// prekeys.
pub const PREKEY_LIFE: Duration = Duration::from_secs(29 * 24 * 3600);

/// Own messages that may wait. A message above the limit is refused before it is stored.
pub const MAX_WAITING: usize = 200_000;
/// Bytes of text that may wait: they are held in memory until they are delivered.
pub const MAX_WAITING_BYTES: usize = 64 << 20;
/// Envelopes on their way to one session and not yet released. 32 of up to 33 KiB keep a disk busy with group commits,
/// and are all that a peer who opens them and never answers makes this node hold.
pub const WINDOW: usize = 32;
/// An envelope without a receipt is sent again after this time, unless an event causes it before. The time doubles up
/// to [`SEEK_LONGEST`].
pub const RESEND_FIRST: Duration = Duration::from_secs(10);

/// Bytes of envelopes that a relay or server keeps for others. They are held in memory too, and a Raspberry Pi has a
/// gigabyte. Strangers together get a quarter of it, one member half (`docs/mail.md`).
pub const CUSTODY_BYTES: usize = 64 << 20;
/// Envelopes that a relay or server keeps for others, each with about 400 bytes of bookkeeping.
pub const CUSTODY_ITEMS: usize = 65_536;
/// Bytes of mail of the user's other sessions that a node keeps that is neither relay nor server: 8,000 envelopes of a line.
/// A relay or server keeps as much of them as of any other member.
pub const SISTER_BYTES: usize = 8 << 20;
/// Bytes that one stranger may deposit: a long conversation in envelopes of a kilobyte.
pub const STRANGER_BYTES: usize = 1 << 20;
/// Envelopes that one stranger may deposit.
pub const STRANGER_ITEMS: usize = 512;
/// Releases remembered, so that later copies are discarded: as many as envelopes.
pub const MAX_TOMBSTONES: usize = CUSTODY_ITEMS;
/// Copies of an envelope whose addressee's location is unknown. Spray and wait with 4 copies (Spyropoulos, Psounis and
/// Raghavendra, 2005) reaches 98 % within a day where direct delivery reaches 63 % (`docs/mail.md`).
pub const SPRAY: u8 = 4;
/// Carriers that are given an own envelope while none that has delivered before has it: as many as a client keeps connections
/// to. Who takes the places of carriers with false claims must take all of them.
pub const UNPROVEN_COPIES: usize = CARRIERS_KEPT + PROVEN_CARRIERS_KEPT;
/// Unanswered envelopes handed to one neighbour: the group commit of a disk takes as many at once.
pub const HANDOVER_WINDOW: usize = 32;
/// Items of the chat stream that wait for the hellos of their connections, over all connections: what sixteen
/// neighbours hand over at once, 17 MiB at most.
pub const MAX_EARLY: usize = 16 * HANDOVER_WINDOW;
/// A carrier without space is not given envelopes for this long, and each time that it takes none afterwards for twice as long, up to
/// [`DECLINED_LONGEST`].
pub const HANDOVER_FULL: Duration = Duration::from_secs(60);
/// Declined envelopes are sent again after [`HANDOVER_FULL`], which doubles up to this while the neighbour takes
/// nothing.
pub const DECLINED_LONGEST: Duration = Duration::from_secs(3600);
/// Envelopes that a neighbour may have declined before nothing more is sent to it until then.
pub const MAX_DECLINED: usize = 4_096;
/// Unopenable claims accepted from one neighbour at once: two windows. Each costs two signature checks and a row to
/// write.
pub const UNOPENABLE_BURST: u32 = 2 * HANDOVER_WINDOW as u32;
/// Time until one more unopenable claim of a neighbour is accepted.
pub const UNOPENABLE_REFILL: Duration = Duration::from_secs(1);
/// Times that mail to one user is sealed again because a session could not open it.
pub const SEALED_ANEW_BURST: u32 = 2 * HANDOVER_WINDOW as u32;
/// Time until mail to one user may be sealed again once more.
pub const SEALED_ANEW_REFILL: Duration = Duration::from_secs(60);
/// Own envelopes to one user that no carrier has taken yet. Lines typed meanwhile share the next envelope.
pub const MAIL_WINDOW: usize = 4;
/// Receipts under way to users whom the local user has not linked: an eighth of the envelopes that a relay takes of one
/// stranger. Receipts above it are owed.
pub const MAX_RECEIPTS_TO_STRANGERS: usize = 64;
/// Bytes of own envelopes in custody. Messages above it wait in the outbox.
pub const MAX_OWN_CUSTODY: usize = 32 << 20;
/// Bytes of receipts among them, because strangers can cause them: a quarter, as for deposits of strangers. Receipts
/// above it are owed.
pub const MAX_OWN_RECEIPTS: usize = MAX_OWN_CUSTODY / 4;
/// Envelopes that a node which is no carrier forwards between two others and remembers until they are answered.
pub const MAX_FORWARDED: usize = 1_024;
/// Envelopes in the offers of one meeting, sent or received: half a megabyte of ids.
pub const MAX_OFFERED_AT_ONCE: usize = 16_384;
/// Sessions that are owed a receipt by mail.
pub const MAX_OWED: usize = 4_096;
/// Carriers remembered per stream.
pub const MAX_CARRIERS: usize = 16;
/// A carrier that took mail to a user who is reported near has this long to return the first release. A chain of ten
/// relays takes a second of it (`docs/mail.md`), a slow link most of the rest.
pub const WATCH: Duration = Duration::from_secs(10);
/// A carrier by which mail did not arrive in time is avoided for this long.
pub const DOUBT: Duration = Duration::from_secs(600);
/// Envelopes that are watched per neighbour and addressee.
pub const MAX_WATCHED_MAIL: usize = 16;
/// Pairs of neighbour and addressee that are watched, of 640 bytes each.
pub const MAX_WATCHED_WAYS: usize = 4_096;
/// Carriers that are avoided for all addressees, because they had most of the pairs when there were too many to watch.
pub const MAX_DISTRUSTED: usize = 128;
/// Sessions remembered as holding one envelope: four copies are sprayed, and each session that claims to hold it takes
/// 32 bytes.
pub const MAX_HOLDERS: usize = 16;

/// A received Lamport counter counts as at most this much above the local one.
pub const MAX_LAMPORT_JUMP: u64 = 1 << 20;
/// Counters are stored ahead in blocks, so that a typed line takes one write instead of two.
pub const COUNTER_BLOCK: u64 = 1024;

/// Automatically accepted links: more than a person makes in a day, few enough that the link list, signed and sent
/// again with every change, stays short. Above it the stranger makes room who has waited longest for an answer at the
/// address with the most.
pub const MAX_AUTO_LINKS: usize = 256;

/// Contents that a stranger may leave before the local user answers: enough to say who one is and what it is about.
pub const STRANGER_LINES: u32 = 5;
/// Bytes of these contents together.
pub const STRANGER_TEXT: u32 = 4_096;
/// Statements of one stranger about the link that are taken at once: a request, two changes of mind, and one to spare. Each
/// costs a commit of about 50 KB in the log of the store.
pub const STRANGER_STATEMENTS_BURST: u32 = 4;
/// Time until one more of them is taken. The author sends it again.
pub const STRANGER_STATEMENTS_REFILL: Duration = Duration::from_secs(60);
/// Changes of one stranger's roster and key cards that are stored at once. Others stay in memory.
pub const STRANGER_RECORDS_BURST: u32 = 8;
/// Time until one more of them is stored.
pub const STRANGER_RECORDS_REFILL: Duration = Duration::from_secs(60);
/// An unanswered stranger is forgotten after this time, with what they wrote: twice the life of an envelope.
pub const STRANGER_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A dismissed stranger is refused for this long.
pub const DISMISSED_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Strangers who are remembered, of about 10 KB each on the disk.
pub const MAX_STRANGERS: usize = 1_024;
/// Strangers who are remembered from one address: a quarter.
pub const MAX_STRANGERS_OF_ADDRESS: usize = MAX_STRANGERS / 4;
/// The same from a relay or server that the local user chose, which brings the mail of many.
pub const MAX_STRANGERS_OF_CHOSEN: usize = MAX_STRANGERS / 2;
/// New strangers from one address at once: a class that comes to a meeting behind one router.
pub const ADDRESS_NEWCOMERS_BURST: u32 = 32;
/// Time until one more is admitted. A script takes more than an hour to displace all others of its address.
pub const ADDRESS_NEWCOMERS_REFILL: Duration = Duration::from_secs(20);
/// New strangers at once by a relay or server that the local user chose.
pub const CHOSEN_NEWCOMERS_BURST: u32 = 64;
/// Time until one more is admitted.
pub const CHOSEN_NEWCOMERS_REFILL: Duration = Duration::from_secs(5);
/// New strangers at once over all addresses.
pub const NEWCOMERS_BURST: u32 = 4 * ADDRESS_NEWCOMERS_BURST;
/// Time until one more is admitted.
pub const NEWCOMERS_REFILL: Duration = Duration::from_secs(2);
/// Lines of strangers from one address that are shown at once: those of four people, who each have [`STRANGER_LINES`].
pub const ADDRESS_LINES_BURST: u32 = 20;
/// Time until one more is shown: six a minute.
pub const ADDRESS_LINES_REFILL: Duration = Duration::from_secs(10);
/// Of these, lines that are left for people of whom none was shown yet.
pub const FIRST_LINES_RESERVE: u32 = ADDRESS_LINES_BURST / 2;
/// Lines of strangers at once by a relay or server that the local user chose.
pub const CHOSEN_LINES_BURST: u32 = 40;
/// Time until one more is shown.
pub const CHOSEN_LINES_REFILL: Duration = Duration::from_secs(5);
/// Lines of strangers at once over all addresses: two screens.
pub const LINES_BURST: u32 = 4 * ADDRESS_LINES_BURST;
/// Time until one more is shown: 24 a minute.
pub const LINES_REFILL: Duration = Duration::from_millis(2_500);
/// Ranges in which the numbers of what is held back of one stranger are known. Further lines are not counted.
pub const MAX_HELD_PIECES: usize = 16;
/// Envelopes of one stranger that carriers are asked for once the stranger is accepted.
pub const MAX_HELD_ENVELOPES: usize = 64;
/// After this time without a refused write, the next one is warned of again. A disk that is nearly full takes small writes and refuses
/// larger ones.
pub const DISK_CALM: Duration = Duration::from_secs(60);
/// The interfaces are told at most once in this time that lines of strangers are held back.
pub const REQUESTS_PAUSE: Duration = Duration::from_secs(60);
/// Answers by which the author of held lines is accepted, at once. Each makes an author send again what waits.
pub const RESUMED_BURST: u32 = 4;
/// Time until one more of one user has that effect.
pub const RESUMED_REFILL: Duration = Duration::from_secs(60);
/// When a user accepts, what was sent to them within this time may still be answered and is not sent again.
pub const RESUMED_GRACE: Duration = Duration::from_secs(1);

/// Ranges in which the received numbers of one stream are kept. An honest author leaves a gap only for a withdrawn
/// line; each gap makes every commit rewrite a longer row. A message that would open another range is neither taken nor
/// acknowledged.
pub const MAX_GAPS: usize = 512;
/// Epochs taken from one envelope, so that one receipt answers it. The author sends the rest again.
pub const MAX_EPOCHS_PER_ENVELOPE: usize = MAX_RECEIPT_STREAMS;
/// Envelopes to old keys that are returned on a connection before one could be opened: two windows.
pub const MAX_HANDED_BACK: u32 = 2 * WINDOW as u32;
/// Envelopes that a session may find unopenable before it has released one: two windows. Then nothing is sent to it
/// until the next resend.
pub const MAX_UNOPENED: u32 = 2 * WINDOW as u32;

/// Interval between two receipts to one session. Nobody notices a twentieth of a second; a receipt costs the two users
/// three multiplications on the curve, a signature and a verification.
pub const RECEIPT_PAUSE: Duration = Duration::from_millis(50);
/// Entries in one receipt; further ones go into another receipt.
pub const MAX_RECEIPT_STREAMS: usize = 16;
/// Ranges in one entry of a receipt; a stream with more gaps takes several entries.
pub const MAX_RECEIPT_RANGES: usize = 128;
/// Ranges of all streams in one receipt, so that it fits a content however large the numbers are: 19 bytes per range, and
/// 51 per stream.
pub const MAX_RECEIPT_TOTAL: usize = 850;
const _: () = assert!(MAX_RECEIPT_TOTAL * 19 + MAX_RECEIPT_STREAMS * 51 + 5 <= crate::wire::content::MAX_BODY);

/// A code is valid for this long: time to walk to the other machine and type three words.
pub const LINK_CODE_LIFE: Duration = Duration::from_secs(120);
/// After a wrong guess, the next code is valid only after this time. At twenty guesses a minute, 33 bits last for centuries.
pub const LINK_GUESS_PAUSE: Duration = Duration::from_secs(3);
/// Time for each step of an exchange: a round trip over a slow link, and a commit for the roster.
pub const LINK_STEP: Duration = Duration::from_secs(10);
/// `\link` looks for the waiting session for this long: a search over servers, an introduction and a dial take a few seconds.
pub const LINK_SEARCH: Duration = Duration::from_secs(15);
/// After this long without a direct connection, the waiting session is asked through relays: an introduction by a server and
/// a dial take a second or two, and a connection that comes about later is used in the next step of the search.
pub const LINK_DIRECT: Duration = Duration::from_secs(3);
/// Sessions that are known to wait and not connected are dialled again after this time.
pub const LINK_RETRY: Duration = Duration::from_secs(1);
/// After a refusal, other sessions that show a code may appear for this long after the beginning.
pub const LINK_GRACE: Duration = Duration::from_secs(3);
const _: () = assert!(LINK_DIRECT.as_millis() <= LINK_GRACE.as_millis(), "the relays are asked before \\link gives up");
/// Sessions that one `\link` tries. Each of them may guess the code once.
pub const MAX_LINK_CANDIDATES: usize = 4;
/// Times that one `\link` asks a relay for a session that is not there: four relays for each of the sessions that it may try.
pub const MAX_LINK_RELAYS: usize = 4 * MAX_LINK_CANDIDATES;
/// Exchanges that a relay passes on at once, for all its neighbours: 25 KiB, and ten that begin each second.
pub const MAX_RELAYED_EXCHANGES: usize = 128;
/// Of these with one holder of a user key, as many as it may try.
pub const MAX_RELAYED_EXCHANGES_OF_ONE: usize = MAX_LINK_CANDIDATES;
/// Exchanges that are open with a waiting session at once.
pub const MAX_LINK_EXCHANGES: usize = 8;
/// Exchanges that one address may begin at once, as many as may be open. Each costs two multiplications on the curve.
pub const LINK_ASKS_BURST: u32 = MAX_LINK_EXCHANGES as u32;
/// Time until it may begin one more.
pub const LINK_ASKS_REFILL: Duration = Duration::from_secs(5);
/// A session that was linked restarts at once. Until it has come back it is dialled at this interval.
pub const LINK_REDIAL: Duration = Duration::from_secs(2);
/// After this long without success, it is left to the other ways by which sessions find each other.
pub const LINK_AWAIT: Duration = Duration::from_secs(30);

/// Time for which `\chat` and `\add` look for an unknown name.
pub const LOOKUP: Duration = Duration::from_secs(5);
/// Names that may be looked up at once.
pub const MAX_LOOKUPS: usize = 64;
/// Addresses at which only one user is accepted: more than anybody types.
pub const MAX_PLACES_EXPECTED: usize = 1_024;
/// Time after which people are warned that a node given by `--bootstrap` does not answer. Five seconds with the time of
/// showing it; a dial that is lost is repeated within it.
pub const BOOTSTRAP_PATIENCE: Duration = Duration::from_secs(4);
/// Time between two such warnings about one place, at least. A node that comes and goes is no news each time.
pub const BOOTSTRAP_WARNINGS: Duration = Duration::from_secs(300);
/// Time after which an unanswered `\ping` fails.
pub const PING_DEADLINE: Duration = Duration::from_secs(5);

/// Addresses of which the outcome of the last dial is remembered for `\doctor`; as many questions to neighbours, and
/// addresses at which they see others. Together they take 100 KB.
pub const MAX_TRIES: usize = 512;
/// Of one session: as many as are dialled at once.
pub const MAX_TRIES_PER_SESSION: usize = MAX_DIALS_PER_SESSION;
/// Time for the dials of `\doctor`: the time-out of a dial of 4 s, and time to learn what is in the way.
pub const EXAMINATION: Duration = Duration::from_secs(6);
/// Time for a session that has answered such a dial to introduce itself.
pub const EXAMINATION_SETTLE: Duration = Duration::from_millis(500);
/// Examinations that wait for dials at once, each of at most a few dozen addresses.
pub const MAX_EXAMINATIONS: usize = 16;
/// Sessions of a user whose addresses are dialled for one examination: those of an honest user. Anybody who signs for a user
/// may add more.
pub const MAX_EXAMINED_SESSIONS: usize = 8;
/// Users on a map: more than a picture can show.
pub const MAX_MAP_NODES: usize = 500;
/// Links on a map, in a quarter of a megabyte. More lines than these cannot be told apart.
pub const MAX_MAP_EDGES: usize = 2_000;

/// A connection that brought this many bad records is closed.
pub const MAX_STRIKES: u32 = 3;
/// How far a restored backup continues above the highest seq that it is shown under its own signature: two years of
/// milliseconds. Other records from before the loss, shown one after another, are then below it and do not look like those of
/// a copy of the key, also if the clock stands at 1970.
pub const SEQ_LEAP: u64 = 1 << 36;
/// Notices about the links and the presence of one person at once: a friend's restart takes three.
pub const CHATTER_BURST: u32 = 6;
/// Time until one more notice about that person is reported: four a minute.
pub const CHATTER_REFILL: Duration = Duration::from_secs(15);
/// The same about a stranger: met, linked, online, and one change. With five lines and the notice that more are held back,
/// that is ten rows of a screen.
pub const STRANGER_CHATTER_BURST: u32 = 4;
/// Time until one more notice about a stranger is reported.
pub const STRANGER_CHATTER_REFILL: Duration = Duration::from_secs(30);
/// Persons whose notices are limited at once. Above it, notices about further ones are reported unlimited; each of these
/// persons has to be met or admitted first.
pub const MAX_CHATTER: usize = 1_024;
/// Users about whom the interfaces are warned.
pub const MAX_WARNED: usize = 1_024;
/// If a higher seq is shown under the signature of this session this often, another node uses a copy of its key. A restored
/// backup catches up with one leap.
pub const MAX_SEQ_LEAPS: u32 = 3;

/// Settled messages of a conversation that `\status` still shows.
pub const STATUS_RECENT: u32 = 20;

/// Users with a row in the store. Above it, contents of new strangers are dropped: a thousand keys a day by one
/// attacker must not fill a disk.
pub const MAX_KEPT_USERS: usize = 100_000;
/// Streams received of one session: one for each start in which it wrote to this node. Further ones are dropped.
pub const MAX_STREAMS_PER_SESSION: usize = 10_000;
/// Changes that may wait for the disk before envelopes are dropped. Their authors send them again.
pub const MAX_UNSTORED: u64 = 65_536;

/// Pages of a link list that are accepted: a thousand links.
pub const MAX_LIST_PAGES: u16 = 16;
/// Sessions whose link lists are remembered. A friend of a thousand users brings so many; a server has the lists of all
/// its users.
pub const MAX_HORIZON: usize = 100_000;
/// Users two steps away whose records are kept, over all friends. Others are known only from their friends' lists.
pub const MAX_FAR_USERS: usize = 4_096;

/// The friend of rank k offers a declaration after k of these: time for the copy of the first one to cross a slow link.
pub const OFFER_STEP: Duration = Duration::from_millis(200);
/// So many of these make [`LOST_GRACE`]: after them a lost session is reported to those who were told that it is connected.
pub const LOST_STEPS: usize = (LOST_GRACE.as_millis() / OFFER_STEP.as_millis()) as usize;
/// Bytes of the own link list that are sent in one step, to one neighbour or to many (`docs/decisions.md`, Numbers).
pub const PUSH_BYTES: usize = 64 * 1024;
/// Interval between two steps. Two hundred friends receive a new list of two hundred entries within 4 s, and each of
/// them less than a neighbour may send.
pub const PUSH_STEP: Duration = Duration::from_millis(100);
/// Offers that wait. Beyond it, the digest of the next meeting replaces them.
pub const MAX_OFFERS: usize = 4_096;
/// Witnesses remembered per session.
pub const MAX_WITNESSES: usize = 8;
/// Claims remembered per neighbour that is no friend: a server makes one about each user within two links of its client who is
/// connected with it too, and this is ten times the friends that a client usually has.
pub const MAX_CLAIMS_PER_NEIGHBOUR: usize = 1_024;
/// Claims to others than friends remembered in all, 64 for each of a thousand clients of a server. Each takes some 50 bytes.
pub const MAX_CLAIMS: usize = 65_536;

/// A session that asked about a user is notified for this long when that user comes online (`docs/horizon.md`).
pub const INTEREST: Duration = Duration::from_secs(600);
/// Requests remembered per asker.
pub const MAX_INTERESTS_PER_ASKER: usize = 64;
/// Requests remembered in all.
pub const MAX_INTERESTS: usize = 4_096;
/// Ping requests accepted from one asker at once: as many as may be remembered. A request costs one message and a
/// look-up.
pub const PING_BURST: u32 = 64;
/// Time until one more ping request of an asker is accepted: ten a minute.
pub const PING_REFILL: Duration = Duration::from_secs(6);
/// Requests of one asker for one target that are forwarded at once: at the first miss, when the two are linked, after a
/// restart.
pub const PING_PAIR_BURST: u32 = 4;
/// Time until one more request of an asker for the same target is forwarded.
pub const PING_PAIR: Duration = Duration::from_secs(30);
/// Hops of a request over relays, as of a find.
pub const ASK_HOPS: u8 = FIND_HOPS;
/// Queries over relays that a relay remembers. Each takes a kilobyte with its answers.
pub const MAX_RELAYED_QUERIES: usize = 4_096;
/// Queries over relays that one neighbouring relay may bring. A client may bring [`MAX_INTERESTS_PER_ASKER`].
pub const MAX_RELAYED_QUERIES_PER_RELAY: usize = 1_024;
/// Times that one declaration is forwarded to an asker: its session may come and go once in ten seconds until the
/// request is repeated.
pub const MAX_PASSED: u32 = 32;
/// Sessions that answer one query over relays: as many as a roster lists (`wire::record`).
pub const MAX_ANSWERS_PER_QUERY: usize = 16;
/// Friends of a missing user that are asked in one round of seeking.
pub const ASKED_FRIENDS: usize = 3;
/// Servers that are asked in one round of seeking.
pub const ASKED_SERVERS: usize = 2;
/// Connected relays and servers that are asked for one user over several hops.
pub const ASKED_RELAYS: usize = 4;
/// After this long a missing user is asked for at one node of each kind per round: those asked before remember the
/// request, and a partitioned network has hours.
pub const ASKED_AT_FIRST: Duration = Duration::from_secs(60);
/// Dials to one IP address where no key has ever answered, from all causes. Prevents reflected dials.
pub const UNPROVEN_DIALS_PER_IP: u32 = 2;
/// Time until one more dial to such an IP address is allowed: two a minute.
pub const UNPROVEN_REFILL: Duration = Duration::from_secs(30);
/// Failed dials to addresses that one introducer gave, before its introductions are ignored for a while.
pub const FAILED_INTRODUCTIONS: u32 = 8;
/// Time until one more dial on an introduction is allowed.
pub const INTRODUCTION_REFILL: Duration = Duration::from_secs(60);
/// Changes of a neighbour's address that others are told at once: a network that comes up in steps.
pub const MOVES_TOLD: u32 = 4;
/// Time until one more change of a neighbour's address is told. Each is told to everybody who is linked with the
/// neighbour.
pub const MOVE_REFILL: Duration = Duration::from_secs(60);

/// Hops of a find, a request for a user by name (`docs/protocol.md`, section 7).
pub const FIND_HOPS: u8 = 16;
/// Neighbours to which a find is sent first.
pub const FIND_NEIGHBOURS: usize = 16;
/// A find is open while its asker waits for the answer, and a moment longer.
pub const FIND_LIFE: Duration = Duration::from_secs(8);
/// Finds that are open at once.
pub const MAX_FINDS: usize = 1_024;
/// Finds accepted from one neighbour at once.
pub const FIND_BURST: u32 = 32;
/// Time until one more find of a neighbour is accepted.
pub const FIND_REFILL: Duration = Duration::from_secs(2);
/// Requests, for names and for pings, that one relay may forward: for a thousand askers at once.
pub const RELAYED_BURST: u32 = 1_024;
/// Time until a relay may forward one more: as many as a neighbour may send messages at all (`docs/protocol.md`,
/// section 2).
pub const RELAYED_REFILL: Duration = Duration::from_millis(50);
/// Time after the first answer within which other users of the same name may answer.
pub const FIND_SETTLE: Duration = Duration::from_millis(300);

/// Changes of distances wait this long, so that a relay announces many at once. It costs a tenth of a second per hop.
pub const ANNOUNCE_PAUSE: Duration = Duration::from_millis(100);
/// Changes that are announced at once: one digest to each relay, so a thousand a second.
pub const ANNOUNCED_AT_ONCE: usize = crate::wire::control::MAX_SUMMARIES;
/// Users that one relay may announce: as many as a meeting covers.
pub const MAX_ANNOUNCED_PER_NEIGHBOUR: usize = 4_096;
/// Users announced by all relays together, of 60 bytes each.
pub const MAX_ANNOUNCED: usize = 65_536;
/// Announcements accepted from one relay at once: all it has, twice.
pub const ANNOUNCEMENT_BURST: u32 = 2 * MAX_ANNOUNCED_PER_NEIGHBOUR as u32;
/// Time until one more announcement of a relay is accepted: as fast as an honest one sends them.
pub const ANNOUNCEMENT_REFILL: Duration = Duration::from_millis(1);

/// Random neighbours at least. Three in ten neighbours are random (`docs/horizon.md`).
pub const MIN_RANDOM: usize = 3;
/// Random neighbours at most.
pub const MAX_RANDOM: usize = 12;
/// Members of a closed network that a client remembers to choose from. Ten live ones in a hundred are found again after
/// nine nodes in ten have crashed.
pub const MAX_MEMBERS: usize = 64;
/// Members of a closed network that a server remembers.
pub const MAX_MEMBERS_SERVER: usize = 1_024;
/// Members in one sample (`wire::control`).
pub const SAMPLE: usize = 8;
/// A member not heard of for this long is left out of samples.
pub const SAMPLE_FRESH: Duration = Duration::from_secs(600);
/// Samples accepted from one neighbour at once.
pub const SAMPLE_BURST: u32 = 4;
/// Time until one more sample of a neighbour is accepted.
pub const SAMPLE_REFILL: Duration = Duration::from_secs(60);
/// Members dialled at once to reach the share of random neighbours.
pub const RANDOM_TRIES: usize = 16;

/// Interval between two floods of one user: a flood reaches everybody within two links.
pub const EXPLODE_PAUSE: Duration = Duration::from_secs(600);
/// Time for the answers to a flood: two hops and back over slow links.
pub const EXPLODE_DEADLINE: Duration = Duration::from_secs(3);
/// Floods remembered.
pub const MAX_FLOODS: usize = 1_024;

/// How long a session that started without links asks others for its lost link list.
pub const RECOVERY: Duration = Duration::from_secs(600);

/// Users of one name that are listed when a typed name is ambiguous. A person chooses among a few; anybody can add
/// namesakes by the thousand.
pub const MAX_NAMESAKES: usize = 8;
/// Bytes of messages in one answer, except for a single message; what is left out is told. More than a person reads.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// How long deliveries take, for monitoring: from two nodes on one link to somebody who comes back the next day.
pub const DELIVERY_BUCKETS: &[Duration] = &[
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
    Duration::from_secs(21_600),
    Duration::from_secs(86_400),
];
