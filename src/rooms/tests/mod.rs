//! The rooms' pure state under test: the ledger and the lanes as their actors hold them, without actors.

mod aliases;
mod fan_out;
mod house;
mod items;
mod limits;
mod lists;
mod model;
mod publications;
mod refresh;
mod renewal;
mod rights;
mod said;
mod states;
mod subscribe;
