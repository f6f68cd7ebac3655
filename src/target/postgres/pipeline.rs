//! Sends requests back to back without waiting for each answer.
//!
//! A request is on the wire when its future is first polled; polling all of them once, in order, before waiting for the first saves a round
//! trip each. Answers come in the same order.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A boxed request.
pub(super) type Request<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends `requests` in order, then waits for all answers.
pub(super) async fn in_order<T: Send>(mut requests: Vec<Request<'_, T>>) -> Vec<T> {
    let mut early: Vec<Option<T>> = Vec::with_capacity(requests.len());
    poll_fn(|context| {
        for request in &mut requests {
            early.push(match request.as_mut().poll(context) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            });
        }
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(early.len());
    for (request, ready) in requests.into_iter().zip(early) {
        answers.push(match ready {
            Some(answer) => answer,
            None => request.await,
        });
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_are_sent_before_the_first_answer_is_awaited() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let first: Request<'_, u8> = Box::pin(async move { receiver.await.unwrap() });
        let second: Request<'_, u8> = Box::pin(async move {
            sender.send(1).unwrap();
            2
        });
        assert_eq!(in_order(vec![first, second]).await, [1, 2]);
    }
}
