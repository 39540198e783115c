//! Questions to the owners of what a call is about, and the wait for their answers. They are asked at once, whether
//! the answer is waited for or not; an owner that has gone leaves it at `unavailable`.

use std::time::Duration;

use actix_web::rt::time::timeout;
use tokio::sync::oneshot;

use super::error::ApiError;
use crate::store::StoreError;

/// Takes the answer.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// Asks an actor, which is there as long as the hub is.
pub fn asked<T: Send + 'static>(ask: impl FnOnce(Reply<T>)) -> impl Future<Output = Result<T, ApiError>> {
    let (tell, told) = oneshot::channel();
    ask(Box::new(move |answer| drop(tell.send(answer)))); // whoever asked may have gone
    async move { told.await.map_err(|_| ApiError::Unavailable) }
}

/// Asks the store, which may take `patience` to answer; it may do what was asked later all the same.
pub fn stored<T: Send + 'static>(
    patience: Duration,
    ask: impl FnOnce(Reply<Result<T, StoreError>>),
) -> impl Future<Output = Result<T, ApiError>> {
    let told = asked(ask);
    async move {
        match timeout(patience, told).await {
            Ok(answer) => answer?.map_err(|error| {
                log::warn!("a call to the store failed: {error}");
                ApiError::Unavailable
            }),
            Err(_) => Err(ApiError::Unavailable),
        }
    }
}
