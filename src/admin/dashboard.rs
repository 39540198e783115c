//! `GET /admin`: the operators' page. Anyone may load it, since it holds nothing: what it shows and does, it asks for
//! with an administrator's token.

use actix_web::web::ServiceConfig;

use super::page::{self, CSS, File, HTML, SCRIPT, SVG, WS_PATH};

/// Where the page says whether the calls that publish are served beside it: `here` or `elsewhere`.
const PUBLISHING: &str = "{{publishing}}";

/// The dashboard: the document first. The last four are the live page's.
pub(super) const DASHBOARD: &[File] = &[
    File { path: "/admin", kind: HTML, text: include_str!("dashboard/index.html") },
    File { path: "/admin/dashboard.css", kind: CSS, text: include_str!("dashboard/dashboard.css") },
    File { path: "/admin/dashboard.js", kind: SCRIPT, text: include_str!("dashboard/dashboard.js") },
    File { path: "/admin/alerts.js", kind: SCRIPT, text: include_str!("dashboard/alerts.js") },
    File { path: "/admin/chart.js", kind: SCRIPT, text: include_str!("dashboard/chart.js") },
    File { path: "/admin/figures.js", kind: SCRIPT, text: include_str!("dashboard/figures.js") },
    File { path: "/admin/people.js", kind: SCRIPT, text: include_str!("dashboard/people.js") },
    File { path: "/admin/refused.js", kind: SCRIPT, text: include_str!("dashboard/refused.js") },
    File { path: "/admin/rooms.js", kind: SCRIPT, text: include_str!("dashboard/rooms.js") },
    File { path: "/admin/session.js", kind: SCRIPT, text: include_str!("dashboard/session.js") },
    File { path: "/admin/ui.js", kind: SCRIPT, text: include_str!("dashboard/ui.js") },
    File { path: "/admin/base.css", kind: CSS, text: include_str!("live/base.css") },
    File { path: "/admin/connection.js", kind: SCRIPT, text: include_str!("live/connection.js") },
    File { path: "/admin/dom.js", kind: SCRIPT, text: include_str!("live/dom.js") },
    File { path: "/admin/icon.svg", kind: SVG, text: include_str!("live/icon.svg") },
];

/// The routes of the dashboard. `ws_path` is where the plain JSON websocket is served; `publishes` says whether this
/// address takes messages, too.
pub fn routes(config: &mut ServiceConfig, ws_path: &str, publishes: bool) {
    let publishing = if publishes { "here" } else { "elsewhere" };
    page::routes(config, DASHBOARD, &[(WS_PATH, ws_path), (PUBLISHING, publishing)]);
}
