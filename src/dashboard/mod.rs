//! The pages people look at: HTML, written by the server, with one sheet of style and small scripts beside it. Who may
//! see them, and what they are asked with, is for `http` to say.
//!
//! Numbers of callers are masked unless somebody asks for them. Nothing here is fetched from elsewhere, no script stands in
//! a page, and every page can be read without the script.

mod businesses;
mod call;
mod calls;
mod elsewhere;
mod feed;
mod frame;
mod health;
mod ladder;
mod login;
mod now;
mod operate;
mod phone;
mod replay;
mod words;

pub use self::businesses::{BusinessForm, Remark, TurnForm, business_form, business_list};
pub use self::call::{Audio, CallPage, call_page, live_pieces, turns_of};
pub use self::calls::{CallSearch, CallsPage, calls_page};
pub use self::elsewhere::Elsewhere;
pub use self::feed::{Cursor, Feed, Sheet};
pub use self::frame::{Frame, Here, SCRIPT, STYLE, asset_version};
pub use self::health::{HealthPage, Light, Trace, health_page};
pub use self::ladder::{Diagnosis, Ladder, Stream};
pub use self::login::{DoorWord, login_page, sorry_page};
pub use self::now::now_page;
pub use self::operate::operate_piece;
pub use self::phone::{PHONE_LINE_SCRIPT, PHONE_SCRIPT, at_limit, how_it_ended, instead};
pub use self::replay::{ReplayLine, ReplayPage, replay_page};
pub use self::words::{ago, masked};
