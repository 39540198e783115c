//! Pages for people.
use actix_web::web::ServiceConfig;
use std::sync::Arc;
/// stub
pub fn routes(
    _: &mut ServiceConfig,
    _: Arc<dyn Fn(&crate::auth::NewToken) -> Result<String, String> + Send + Sync>,
    _: &str,
) {
}
