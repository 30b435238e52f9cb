//! Notices on their way to receivers that listen on this machine.

mod mail;
mod payloads;
mod receiver;
mod sending;
