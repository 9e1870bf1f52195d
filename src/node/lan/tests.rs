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

#[tokio::test]
async fn two_nodes_of_one_host_sight_each_other_and_their_going() {
    let mdns_port = 20_000 + u16::from_be_bytes(random()) % 20_000;
    let (_seen, interfaces) = watch::channel(if_addrs::get_if_addrs().unwrap());
    let mut ends = Vec::new();
    for boot in [1, 2] {
        let (events, inputs) = mpsc::channel(64);
        let (leave, left) = oneshot::channel();
        let (network, interfaces) = (NetworkKey::open(), interfaces.clone());
        let lan = Lan { boot: BootId(boot), network, port: 4000 + boot as u16, mdns_port, interfaces };
        let task = tokio::spawn(lan.run(events, Arc::default(), left));
        ends.push((inputs, leave, task));
    }
    let (mut second, leave_second, second_task) = ends.pop().unwrap();
    let (mut first, _leave_first, _first_task) = ends.pop().unwrap();
    sighted(&mut second, BootId(1)).await;
    sighted(&mut first, BootId(2)).await;
    leave_second.send(()).unwrap();
    second_task.await.unwrap();
    let gone =
        async { while !matches!(first.recv().await, Some(Event::Input(Input::Unsighted { boot: BootId(2), .. }))) {} };
    timeout(Duration::from_secs(20), gone).await.expect("the goodbye is heard");
}

async fn sighted(inputs: &mut mpsc::Receiver<Event>, whom: BootId) {
    let seen = async {
        loop {
            if let Some(Event::Input(Input::Sighted { boot, addr })) = inputs.recv().await {
                assert_eq!(boot, whom, "nobody sights themselves");
                return assert_eq!(addr.port(), 4000 + whom.0 as u16);
            }
        }
    };
    timeout(Duration::from_secs(20), seen).await.expect("sighted");
}
