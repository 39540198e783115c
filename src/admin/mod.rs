//! Pages for people: the operators' dashboard at `/admin`; with `--dev` the live page at `/` and its tokens.
//!
//! | file | owns |
//! |---|---|
//! | [`page`] | files of a page, embedded as they stand, and the headers they go out with |
//! | [`dashboard`] | `GET /admin` |
//! | [`dev`] | `GET /dev/token` |
//! | `dashboard/`, `live/` | the pages themselves: HTML, CSS and JavaScript modules, no build step |

pub mod dashboard;
pub mod dev;
pub mod page;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

pub use dev::Sign;

/// The routes of the live page: `/`, what it loads, and `/dev/token`.
///
/// `signer` makes the development tokens, `ws_path` is where the plain JSON websocket is served. Only for a
/// hub that was started with `--dev`: whoever reaches `/dev/token` may be anyone.
pub fn routes(config: &mut ServiceConfig, signer: Arc<Sign>, ws_path: &str) {
    config.app_data(web::Data::from(signer)).route("/dev/token", web::get().to(dev::token));
    page::routes(config, page::LIVE, &[(page::WS_PATH, ws_path)]);
}
