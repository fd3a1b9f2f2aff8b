//! What waits to be written to one socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use super::close::Close;
use super::frame::Outgoing;

/// Something to write.
#[derive(Debug, Clone)]
pub enum Item {
    /// A frame that others may share.
    Frame(Arc<Outgoing>),
    /// The time for a heartbeat has come; the socket's task knows what it says.
    Beat,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// Queued behind others; whoever writes is on its way.
    Queued,
    /// Queued as the first: call [`Queue::wake`] when nothing more follows at once.
    First,
    /// No room: the reader is too slow.
    Full,
    /// The socket is being closed.
    Closing,
}

/// What the writer has to do: write `items`, then close if told so.
#[derive(Debug, Default)]
pub struct Taken {
    pub items: VecDeque<Item>,
    pub close: Option<Close>,
}

/// How the one who writes is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Writer {
    /// It writes as soon as it gets to run.
    #[default]
    Able,
    /// The client doesn't take what was written.
    Stuck,
}

/// A burst may exceed the capacity this many times as long as the writer only has to get to run: it
/// is not the client's fault then. An item is a pointer to a frame that all sockets share.
const BURST: usize = 16;

#[derive(Debug, Default)]
struct State {
    waiting: Taken,
    writer: Writer,
}

/// A bounded queue with one taker that takes all at once. An empty one holds no memory but itself:
/// there are as many as sockets, and nearly all are idle.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    taker: AtomicWaker,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item unless `capacity` are waiting for a client that doesn't take them. Never blocks and
    /// does not wake, so that several frames get into one write.
    pub fn push(&self, item: Item, capacity: usize) -> Pushed {
        let mut state = self.lock();
        if state.waiting.close.is_some() {
            return Pushed::Closing;
        }
        let capacity = match state.writer {
            Writer::Able => capacity * BURST,
            Writer::Stuck => capacity,
        };
        let before = state.waiting.items.len();
        if before >= capacity {
            return Pushed::Full;
        }
        state.waiting.items.push_back(item);
        if before == 0 {
            Pushed::First
        } else {
            Pushed::Queued
        }
    }

    /// How many items wait.
    pub fn depth(&self) -> usize {
        self.lock().waiting.items.len()
    }

    /// To be told by the one who writes.
    pub fn set_writer(&self, writer: Writer) {
        self.lock().writer = writer;
    }

    /// Has the items written.
    pub fn wake(&self) {
        self.taker.wake();
    }

    /// Has the socket closed after what is waiting. The first reason stays.
    pub fn close(&self, close: Close) -> bool {
        let mut state = self.lock();
        let first = state.waiting.close.is_none();
        if first {
            state.waiting.close = Some(close);
        }
        drop(state);
        self.taker.wake();
        first
    }

    /// Has the socket closed without what is waiting: its reader doesn't take it.
    pub fn abandon(&self, close: Close) -> bool {
        self.lock().waiting.items = VecDeque::new();
        self.close(close)
    }

    /// Waits until there is something to do. Only one task may call it.
    pub async fn take(&self) -> Taken {
        poll_fn(|cx| {
            self.taker.register(cx.waker());
            let waiting = &mut self.lock().waiting;
            if waiting.items.is_empty() && waiting.close.is_none() {
                return Poll::Pending;
            }
            Poll::Ready(Taken {
                // Taken with its memory: the empty one that stays holds none.
                items: std::mem::take(&mut waiting.items),
                close: waiting.close,
            })
        })
        .await
    }

    /// Waits until the socket is to be closed. For the task that calls [`Queue::take`], while a
    /// write is stuck.
    pub async fn closing(&self) -> Close {
        poll_fn(|cx| {
            self.taker.register(cx.waker());
            match self.lock().waiting.close {
                Some(close) => Poll::Ready(close),
                None => Poll::Pending,
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn all_that_waits_is_taken_at_once_in_order() {
        let queue = Queue::default();
        assert!(queue.take().now_or_never().is_none());
        assert_eq!(queue.push(Item::Beat, 3), Pushed::First);
        assert_eq!(queue.push(Item::Beat, 3), Pushed::Queued);
        let taken = queue.take().await;
        assert_eq!(taken.items.len(), 2);
        assert_eq!(taken.close, None);
        assert!(queue.take().now_or_never().is_none());
    }

    #[tokio::test]
    async fn the_taker_is_woken() {
        let queue = Arc::new(Queue::default());
        let taker = tokio::spawn({
            let queue = queue.clone();
            async move { queue.take().await.items.len() }
        });
        tokio::task::yield_now().await;
        queue.push(Item::Beat, 1);
        queue.wake();
        assert_eq!(taker.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_burst_fills_only_the_queue_of_a_client_that_does_not_take_it() {
        let queue = Queue::default();
        for _ in 0..2 * BURST {
            assert_ne!(queue.push(Item::Beat, 2), Pushed::Full);
        }
        assert_eq!(queue.push(Item::Beat, 2), Pushed::Full);
        queue.take().await;
        queue.set_writer(Writer::Stuck);
        assert_eq!(queue.push(Item::Beat, 2), Pushed::First);
        assert_eq!(queue.push(Item::Beat, 2), Pushed::Queued);
        assert_eq!(queue.push(Item::Beat, 2), Pushed::Full);
    }

    #[tokio::test]
    async fn a_full_queue_takes_no_more() {
        let queue = Queue::default();
        queue.set_writer(Writer::Stuck);
        assert_eq!(queue.push(Item::Beat, 1), Pushed::First);
        assert_eq!(queue.push(Item::Beat, 1), Pushed::Full);
        assert!(queue.abandon(Close::SLOW_READER));
        let taken = queue.take().await;
        assert!(taken.items.is_empty());
        assert_eq!(taken.close, Some(Close::SLOW_READER));
        assert_eq!(queue.push(Item::Beat, 1), Pushed::Closing);
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_close_and_the_first_reason_stays() {
        let queue = Queue::default();
        queue.push(Item::Beat, 8);
        assert!(queue.close(Close::DRAINING));
        assert!(!queue.close(Close::SESSION_ENDED));
        assert_eq!(queue.closing().await, Close::DRAINING);
        let taken = queue.take().await;
        assert_eq!(taken.items.len(), 1);
        assert_eq!(taken.close, Some(Close::DRAINING));
    }
}
