//! Two shards, each with a mailbox: one asks, the other answers.

use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use flatend::rt::{self, Address, Flag, Inbox, Outbox, ShardThread};

use super::{answer, processors, Numbered};
use crate::Case;

/// What a shard finds in its mailbox.
enum Message {
    /// For the one that asks: so many questions, and where the time is told that they took.
    Begin(u64, mpsc::Sender<Duration>),
    Question(Numbered),
    Answer(Numbered),
    End,
}

pub(super) struct Exchange {
    name: String,
    addresses: [Address<Message>; 2],
    threads: Vec<ShardThread>,
}

impl Exchange {
    pub(super) fn new(what: &str, turn: u64) -> Exchange {
        let mut boxes = rt::mailboxes(2).expect("descriptors");
        let (answering, answerer) = boxes.pop().expect("two");
        let (asking, asker) = boxes.pop().expect("two");
        let (to, back) = (answerer.clone(), asker.clone());
        let [first, second] = processors();
        let asks = rt::start_shard(
            Some(first),
            "asks",
            |_| {},
            move || ask(asking, to.outbox(), turn),
        );
        let answers = rt::start_shard(
            Some(second),
            "answers",
            |_| {},
            move || answer_all(answering, back.outbox()),
        );
        let threads = [asks, answers].map(|thread| thread.expect("a shard starts"));
        Exchange {
            name: format!("{what}/flatend"),
            addresses: [asker, answerer],
            threads: threads.into(),
        }
    }
}

impl Case for Exchange {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn time(&mut self, iterations: u64) -> Duration {
        let (done, time) = mpsc::channel();
        let posted = self.addresses[0].post(Message::Begin(iterations, done));
        assert!(posted.is_ok(), "an idle mailbox has room");
        time.recv().expect("a shard that answers rightly")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for address in &self.addresses {
            // A full mailbox belongs to a shard that has failed already.
            let _ = address.post(Message::End);
        }
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            // A shard that has failed was seen when it told no time.
            debug_assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
        }
    }
}

/// Serves `inbox` until it is told to end.
async fn serve(inbox: Inbox<Message>, mut on_message: impl FnMut(Message)) {
    let over = Rc::new(Flag::default());
    let told = over.clone();
    let deliver = move |message| match message {
        Message::End => told.set(),
        message => on_message(message),
    };
    let serve = async { inbox.serve(deliver).await.expect("the bell") };
    futures_lite::future::or(serve, over.wait()).await;
}

async fn answer_all(inbox: Inbox<Message>, outbox: Rc<Outbox<Message>>) {
    let on_message = move |message| {
        if let Message::Question(question) = message {
            outbox.send(Message::Answer(answer(question)));
        }
    };
    serve(inbox, on_message).await;
}

/// One time of many questions.
struct Run {
    begun: Instant,
    done: mpsc::Sender<Duration>,
    /// Questions that were asked, and how many there will be.
    asked: Numbered,
    last: Numbered,
    /// The question whose answer comes next.
    awaited: Numbered,
}

impl Run {
    fn ask(&mut self, outbox: &Rc<Outbox<Message>>, turn: u64) {
        for _ in 0..turn.min(self.last - self.asked) {
            outbox.send(Message::Question(self.asked));
            self.asked += 1;
        }
    }
}

/// Asks in turns of `turn` questions: the next one begins when all answers to the last have come.
async fn ask(inbox: Inbox<Message>, outbox: Rc<Outbox<Message>>, turn: u64) {
    let mut run: Option<Run> = None;
    let on_message = move |message| match (message, &mut run) {
        (Message::Begin(questions, done), run) => {
            let run = run.insert(Run {
                begun: Instant::now(),
                done,
                asked: 0,
                last: questions,
                awaited: 0,
            });
            run.ask(&outbox, turn);
        }
        (Message::Answer(number), Some(this)) => {
            // A wrong one ends the shard, and with it the wait for the time.
            assert_eq!(number, answer(this.awaited), "answers in their order");
            this.awaited += 1;
            if this.awaited == this.last {
                this.done.send(this.begun.elapsed()).ok();
                run = None;
            } else if this.awaited == this.asked {
                this.ask(&outbox, turn);
            }
        }
        _ => panic!("an answer that nobody asked for"),
    };
    serve(inbox, on_message).await;
}
